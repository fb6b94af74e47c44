"""Messages from outside on real parts: kept first, heard once, by whoever is left to hear them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import RawValue

from cli.stack.stack import LocalStack
from ordersaga.keys import payment_news_workflow_id, workflow_id
from tests.saga.shop import Json, Shop, card, payment, until_true

Inbox: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
HEARD_WITHIN_S = 20  # the sweep's grace, and some of its rounds on a busy machine
BEGAN = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
async def inbox(stack: LocalStack) -> AsyncIterator[Inbox]:
    connection = await asyncpg.connect(stack.ready.database)
    yield connection
    await connection.close()


def seen(number: str, status: str, *, hour: int = 0) -> Json:
    occurred_at = (BEGAN + timedelta(hours=hour)).isoformat()
    data = {"tracking_number": number, "status": status, "occurred_at": occurred_at}
    return {"type": "tracking.updated", "data": data}


def paid(order: Json) -> Json:
    return {"type": "payment.captured", "data": {"payment_id": order["payments"][0]["id"]}}


async def until_heard(inbox: Inbox, order: Json, *, messages: int) -> None:
    """Until so many messages of the order were kept, and all of them settled."""

    async def are_heard() -> bool:
        row = await inbox.fetchrow(
            "select count(*) as kept, count(delivered_at) as heard from inbox where order_id = $1",
            order["id"],
        )
        assert row is not None
        return bool(row["kept"] >= messages and row["kept"] == row["heard"])

    await until_true(are_heard, within_s=HEARD_WITHIN_S)


async def signals_of(temporal: Client, order: Json) -> list[str]:
    """The signals in the history of the order's newest run."""
    history = await temporal.get_workflow_handle(workflow_id(order["id"])).fetch_history()
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.event_type == SIGNALED
    ]


async def tracking_notes(shop: Shop, order: Json) -> int:
    return (await shop.history(order["id"])).count("tracking.updated")


async def _shipped(shop: Shop, number: str) -> Json:
    order = await shop.order(card())
    assert (await shop.ask(order, "ship", {"tracking_number": number})).status_code == 200
    return order


async def test_a_payment_that_never_waits_costs_its_order_no_signal(
    shop: Shop, inbox: Inbox, temporal: Client
) -> None:
    """The provider tells of each step that we asked for; our rows say the same by then."""
    order = await shop.order(card(), payment("alipay", amount=300))
    assert order["status"] == "confirmed"
    await until_heard(inbox, order, messages=3)
    assert await signals_of(temporal, order) == []


async def test_the_payer_of_a_slip_is_heard_of_once_by_his_providers_message(
    shop: Shop, inbox: Inbox, temporal: Client
) -> None:
    order = await shop.order(payment("boleto"))
    assert order["payment_status"] == "requires_action"
    await shop.play_payer(order["id"], "pay")
    await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=5)
    await until_heard(inbox, order, messages=1)
    assert await signals_of(temporal, order) == ["payment_event"]


async def test_a_message_and_its_copies_by_any_way_happen_once(
    shop: Shop, inbox: Inbox, temporal: Client
) -> None:
    number = f"TRK-{shop.sku}"
    order = await _shipped(shop, number)
    message_id = f"copy-{shop.sku}"
    message = seen(number, "in_transit")
    answers = await asyncio.gather(
        *(shop.webhook("carriers/merchant", message, message_id=message_id) for _ in range(8))
    )
    assert sorted(a.json()["message"] for a in answers) == ["kept"] + ["seen_before"] * 7
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    await handle.signal("carrier_event", {"event_id": message_id, **message["data"]})
    await handle.signal("carrier_event", {"event_id": message_id, **message})

    await shop.webhook(
        "carriers/merchant", seen(number, "delivered", hour=1), message_id=f"{message_id}-2"
    )
    await shop.until(order["id"], lambda o: o["status"] == "delivered")
    await until_heard(inbox, order, messages=2)
    assert await tracking_notes(shop, order) == 2


async def test_nonsense_that_is_signalled_by_hand_disturbs_nobody(
    shop: Shop, temporal: Client
) -> None:
    number = f"TRK-{shop.sku}"
    order = await _shipped(shop, number)
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    nonsense: list[Any] = [None, 7, "delivered", [], {}, {"data": 1}, {"status": "teleported"}]
    for signal in ("payment_event", "carrier_event"):
        for said in nonsense:
            await handle.signal(signal, said)
        await handle.signal(signal)
        await handle.signal(signal, args=nonsense)
        for broken in (b"{", b'"\\ud800"', b"\xff"):
            payload = Payload(metadata={"encoding": b"json/plain"}, data=broken)
            await handle.signal(signal, RawValue(payload))
    await handle.signal("carrier_event", seen(number, "delivered")["data"])

    await shop.until(order["id"], lambda o: o["status"] == "delivered", within_s=5)
    assert await tracking_notes(shop, order) == 1


async def test_what_a_carrier_says_before_its_parcel_is_known_is_applied_when_it_is(
    shop: Shop, inbox: Inbox
) -> None:
    number = f"TRK-{shop.sku}"
    for hour, status in enumerate(("picked_up", "in_transit", "delivered")):
        answer = await shop.webhook(
            "carriers/merchant", seen(number, status, hour=hour), message_id=f"{number}-{hour}"
        )
        assert answer.json() == {"message": "kept"}
    unknown = await inbox.fetchval(
        "select count(*) from inbox where subject = $1 and order_id is null", f"tracking:{number}"
    )
    assert unknown == 3

    order = await _shipped(shop, number)
    order = await shop.until(order["id"], lambda o: o["status"] == "delivered")
    await until_heard(inbox, order, messages=3)
    assert await tracking_notes(shop, order) == 3


@pytest.mark.long
async def test_while_temporal_is_away_messages_are_kept_and_heard_later(
    shop: Shop, inbox: Inbox, stack: LocalStack
) -> None:
    number = f"TRK-{shop.sku}"
    order = await _shipped(shop, number)
    slip = await shop.order(payment("boleto"))
    await stack.stop("temporal")
    try:
        told = await shop.webhook(
            "carriers/merchant", seen(number, "delivered"), message_id=f"{number}-away"
        )
        assert (told.status_code, told.json()) == (200, {"message": "kept"})
        await shop.play_payer(slip["id"], "pay")
    finally:
        await stack.start("temporal")
    await shop.until(order["id"], lambda o: o["status"] == "delivered")
    await shop.until(slip["id"], lambda o: o["status"] == "confirmed")
    await until_heard(inbox, order, messages=1)
    await until_heard(inbox, slip, messages=1)


@pytest.mark.long
async def test_a_message_brings_a_lost_workflow_back_and_is_heard(
    shop: Shop, inbox: Inbox, temporal: Client
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    await handle.terminate("lost")

    await shop.carrier_says(order, "picked_up")

    await shop.until(order["id"], lambda o: o["status"] == "shipped")
    await until_heard(inbox, order, messages=1)
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING


@pytest.mark.long
async def test_what_is_said_of_an_order_that_is_over_is_kept_and_moves_nothing(
    shop: Shop, inbox: Inbox, temporal: Client
) -> None:
    number = f"TRK-{shop.sku}"
    order = await _shipped(shop, number)
    assert (await shop.ask(order, "confirm-receipt")).json()["status"] == "completed"
    await temporal.get_workflow_handle(workflow_id(order["id"])).result()
    disputed = {**paid(order), "type": "payment.failed"}
    for kind, message in (
        ("carriers/merchant", seen(number, "lost")),
        ("payments/sandbox", paid(order)),
        ("payments/sandbox", disputed),
    ):
        message_id = f"{number}-{message['type']}"
        answer = await shop.webhook(kind, message, message_id=message_id)
        assert answer.json() == {"message": "kept"}
    await until_heard(inbox, order, messages=3)

    after = await shop.get(order["id"])
    assert (after["status"], after["payment_status"]) == ("completed", "captured")
    assert after["shipments"][0]["tracking_status"] == "lost"
    assert await tracking_notes(shop, order) == 1
    examined = payment_news_workflow_id(order["id"], f"{number}-payment.failed")
    assert await temporal.get_workflow_handle(examined).result() == 0, "no refund"
    known = payment_news_workflow_id(order["id"], f"{number}-payment.captured")
    with pytest.raises(Exception, match="not found"):
        await temporal.get_workflow_handle(known).describe()
