"""What keeps failing calls a person, who has it tried again or gives it up; both leave a trace."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from cli.audit import AuditReport, Sources, run_audit
from cli.stack.stack import LocalStack
from ordersaga import keys
from ordersaga.order import OrderRequest
from tests.saga.shop import Json, Shop, card, until_true
from tests.saga.test_crashes import doomed_worker
from workflows import names

WHY = "the bank is bust"
QUIET_S = 2.5  # longer than `undo_retry_cap_s`: what was not given up would have been tried again

# What each of these orders needs a person for; placed side by side, since five tries take seconds.
UNDO_PAYMENT = ["skip_undo", "retry_undo", "temporal_away", "twice"]
CANCEL_IN_UNDO = ["skip_cancel_in_undo", "retry_cancel_in_undo"]
RELEASE = ["skip_release", "retry_release"]
REFUND = ["skip_refund", "retry_refund"]
CANCEL_CONFIRMED = ["skip_cancel", "retry_cancel"]


@pytest.fixture(scope="module")
async def troubled_shop(stack: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(stack) as shop:
        yield shop


@pytest.fixture(scope="module")
async def troubled(troubled_shop: Shop) -> Mapping[str, Json]:
    """By name: orders in attention."""
    shop = troubled_shop

    async def undo_payment() -> Json:
        return await shop.order(
            card("tok_refund_unavailable", 400),
            card("tok_capture_declined", 600),
            prefer="respond-async",
        )

    async def cancel_in_undo() -> Json:
        return await shop.order(
            card("tok_capture_declined"),
            carrier="sandbox",
            service="ship_cancel_unavailable",
            prefer="respond-async",
        )

    async def release() -> Json:
        return await shop.order(card(), carrier="sandbox", service="ship_release_unavailable")

    async def refund() -> Json:
        order = await shop.order(card("tok_refund_unavailable"), carrier="sandbox")
        await shop.cancel(order["id"], prefer="wait=0")
        return order

    async def cancel_confirmed() -> Json:
        order = await shop.order(card(), carrier="sandbox", service="ship_cancel_unavailable")
        await shop.cancel(order["id"], prefer="wait=0")
        return order

    kinds = {
        undo_payment: UNDO_PAYMENT,
        cancel_in_undo: CANCEL_IN_UNDO,
        release: RELEASE,
        refund: REFUND,
        cancel_confirmed: CANCEL_CONFIRMED,
    }
    wanted = [(name, kind) for kind, called in kinds.items() for name in called]
    placed = await asyncio.gather(*(kind() for _, kind in wanted))
    marked = await asyncio.gather(*(shop.until(o["id"], _in_attention) for o in placed))
    return {name: order for (name, _), order in zip(wanted, marked, strict=True)}


def _in_attention(order: Json) -> bool:
    return order["attention"] is not None


async def answer(
    shop: Shop, order: Json, action: str, *, key: str | None = None, prefer: str = "wait=20"
) -> httpx.Response:
    body = {"step": order["attention"]["step"], "action": action, "note": WHY}
    response: httpx.Response = await shop.post(
        f"/v1/orders/{order['id']}/attention", body, key=key, Prefer=prefer
    )
    return response


async def audited(shop: Shop, order: Json) -> list[str]:
    """What the audit explains of this order; nothing of it may be a violation."""
    report: AuditReport = await run_audit(Sources.of_stack(shop.stack.ready))
    assert [v for v in report.violations if v.order_id == order["id"]] == []
    return [e.reason for e in report.explained if e.order_id == order["id"]]


async def answered(shop: Shop, order: Json) -> Json:
    """The data of the one `attention.answered` in its history."""
    events = (await shop.api.get(f"/v1/orders/{order['id']}/events")).json()["events"]
    (event,) = [e for e in events if e["type"] == "attention.answered"]
    data: Json = event["data"]
    return data


async def assert_explained(shop: Shop, order: Json) -> None:
    """With who gave it up, and why."""
    data = await answered(shop, order)
    assert data["note"] == WHY
    assert data["by"].startswith("key_")
    reasons = await audited(shop, order)
    assert any(data["by"] in r and WHY in r and data["step"] in r for r in reasons), reasons


async def restore_refunds(shop: Shop, order: Json) -> None:
    for intent in (await shop.books(order["id"])).intents:
        await shop.provider.post("/test/refunds/restore", json={"payment_intent": intent["id"]})


async def restore_parcel(shop: Shop, order: Json, what: str) -> None:
    (parcel,) = (await shop.books(order["id"])).parcels
    await shop.carrier.post(f"/test/{what}/restore", json={"key": parcel["key"]})


async def starts_of(temporal: Client, order: Json, activity: str) -> int:
    """How often the workflow itself began it: the server's own retries do not count."""
    handle = temporal.get_workflow_handle(keys.workflow_id(order["id"]))
    scheduled = [
        e.activity_task_scheduled_event_attributes.activity_type.name
        async for e in handle.fetch_history_events()
        if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    return scheduled.count(activity)


async def _has_more_starts(temporal: Client, order: Json, activity: str, before: int) -> bool:
    return await starts_of(temporal, order, activity) > before


async def _has_refused_its_cancel(shop: Shop, order: Json) -> bool:
    return "cancel.refused" in await shop.history(order["id"])


# --- An undo ----------------------------------------------------------------------------------


async def test_the_order_names_its_step_its_error_its_tries_and_what_may_be_done(
    troubled: Mapping[str, Json],
) -> None:
    order = troubled["skip_undo"]
    mark = order["attention"]
    assert mark["step"] == f"payment:{order['payments'][0]['id']}"
    assert mark["tries"] >= 5
    assert "Unavailable" in mark["error"]
    assert mark["actions"] == ["retry", "skip"]
    assert mark["since"]
    assert (order["waiting_for"], order["allowed"]) == ("operator", ["attention"])


async def test_a_skipped_undo_of_a_payment_ends_the_order_and_is_explained(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["skip_undo"]
    response = await answer(shop, order, "skip")
    assert response.status_code == 200, response.text
    ended = response.json()
    assert (ended["status"], ended["attention"]) == ("rejected", None)
    assert ended["failure"]["code"] == "capture_declined"
    assert (await shop.books(order["id"])).kept == 400, "that is what the skip cost"
    await assert_explained(shop, order)
    version = ended["version"]
    await asyncio.sleep(QUIET_S)
    assert (await shop.get(order["id"]))["version"] == version, "nobody tries any more"


async def test_a_retried_undo_of_a_payment_is_tried_at_once(
    troubled_shop: Shop, troubled: Mapping[str, Json], temporal: Client
) -> None:
    shop, order = troubled_shop, troubled["retry_undo"]
    before = await starts_of(temporal, order, "undo_payment")
    still_away = await answer(shop, order, "retry", prefer="wait=0")
    assert still_away.status_code == 202
    await until_true(lambda: _has_more_starts(temporal, order, "undo_payment", before))
    assert (await shop.get(order["id"]))["attention"] is not None, "it fails on, and says so"
    await restore_refunds(shop, order)
    ended = await shop.until_final(order["id"])  # by the retries that go on
    assert (ended["status"], ended["attention"]) == ("rejected", None)
    assert (await shop.books(order["id"])).kept == 0
    assert await audited(shop, order) == []


async def test_a_skip_asked_twice_is_taken_once(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["twice"]
    key = uuid.uuid4().hex
    answers = await asyncio.gather(
        answer(shop, order, "skip", key=key), answer(shop, order, "skip", key=key)
    )
    assert {a.status_code for a in answers} <= {200, 409}, [a.text for a in answers]
    other = await answer(shop, order, "skip")
    assert (other.status_code, other.json()["code"]) == (409, "illegal_move")
    again = await answer(shop, order, "skip", key=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert (await shop.history(order["id"])).count("attention.answered") == 1


async def test_a_skipped_cancel_of_a_parcel_in_undo_ends_the_order_and_is_explained(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["skip_cancel_in_undo"]
    response = await answer(shop, order, "skip")
    assert (response.status_code, response.json()["status"]) == (200, "rejected"), response.text
    books = await shop.books(order["id"])
    assert (books.kept, books.held, books.live_parcels) == (0, 0, ["booked"])
    await assert_explained(shop, order)


async def test_a_retried_cancel_of_a_parcel_in_undo_gets_through_when_the_carrier_is_back(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["retry_cancel_in_undo"]
    await restore_parcel(shop, order, "cancels")
    await answer(shop, order, "retry")
    ended = await shop.until_final(order["id"])
    assert (ended["status"], ended["attention"]) == ("rejected", None)
    assert (await shop.books(order["id"])).live_parcels == []


# --- Release to the carrier -------------------------------------------------------------------


async def test_a_skipped_release_leaves_the_order_confirmed_and_it_can_still_be_canceled(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["skip_release"]
    response = await answer(shop, order, "skip")
    assert (response.status_code, response.json()["status"]) == (200, "confirmed"), response.text
    await assert_explained(shop, order)
    await asyncio.sleep(QUIET_S)
    stands = await shop.get(order["id"])
    assert (stands["status"], stands["attention"]) == ("confirmed", None)
    assert (await shop.books(order["id"])).live_parcels == ["booked"], "nobody was told to come"
    canceled = await shop.cancel(order["id"])
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled"), canceled.text
    books = await shop.books(order["id"])
    assert (books.kept, books.live_parcels) == (0, [])


async def test_a_retried_release_gets_through_when_the_carrier_is_back(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["retry_release"]
    await restore_parcel(shop, order, "releases")
    await answer(shop, order, "retry")
    await shop.until_released(order["id"])
    order = await shop.until(order["id"], lambda o: not _in_attention(o))
    assert order["status"] == "confirmed"
    assert await audited(shop, order) == []


# --- After confirm ----------------------------------------------------------------------------


async def test_a_skipped_refund_ends_the_reversal_and_is_explained(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["skip_refund"]
    assert order["attention"]["step"] == f"refund:{order['refunds'][0]['id']}"
    response = await answer(shop, order, "skip")
    assert (response.status_code, response.json()["status"]) == (200, "canceled"), response.text
    assert (await shop.books(order["id"])).kept == order["total"]["amount"]
    await assert_explained(shop, order)


async def test_a_retried_refund_gets_through_when_the_provider_is_back(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["retry_refund"]
    await restore_refunds(shop, order)
    await answer(shop, order, "retry")
    ended = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert (ended["payment_status"], ended["attention"]) == ("refunded", None)
    assert (await shop.books(order["id"])).kept == 0


async def test_a_skipped_cancel_of_a_confirmed_orders_parcel_refuses_the_cancel(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["skip_cancel"]
    assert (order["status"], order["attention"]["step"].partition(":")[0]) == (
        "confirmed",
        "parcel",
    )
    response = await answer(shop, order, "skip")
    assert response.status_code == 200, response.text
    await until_true(lambda: _has_refused_its_cancel(shop, order))
    stands = await shop.get(order["id"])
    assert (stands["status"], stands["attention"]) == ("confirmed", None)
    await assert_explained(shop, order)
    await restore_parcel(shop, order, "cancels")
    canceled = await shop.cancel(order["id"])
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled"), canceled.text
    assert (await shop.books(order["id"])).kept == 0


async def test_a_retried_cancel_of_a_confirmed_orders_parcel_is_carried_out(
    troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["retry_cancel"]
    await restore_parcel(shop, order, "cancels")
    await answer(shop, order, "retry")
    ended = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert (ended["payment_status"], ended["attention"]) == ("refunded", None)


# --- Words that find nobody -------------------------------------------------------------------


async def tell(stack: LocalStack, order: Json, **request: Any) -> None:
    """The workflow, directly: what the API would never let through."""
    client = await Client.connect(stack.ready.temporal, data_converter=pydantic_data_converter)
    asked = OrderRequest(keys.new_id("req"), "attention", "test", **request)
    handle = client.get_workflow_handle(keys.workflow_id(order["id"]))
    await handle.execute_update(names.REQUEST_UPDATE, asked, id=asked.id)


async def test_a_word_that_comes_before_its_step_runs_is_not_kept_for_it(
    stack: LocalStack, shop: Shop
) -> None:
    order = await shop.order(carrier="sandbox", prefer="wait=1")
    shipment = order["shipments"][0]["id"]
    for step in (keys.parcel_step(shipment), keys.release_step(shipment)):
        for action in ("skip", "retry"):
            await tell(stack, order, step=step, action=action)
    await shop.post(f"/v1/orders/{order['id']}/pay", {"payments": [card()]}, Prefer="wait=20")
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    refund = keys.refund_step(order["payments"][0]["id"])
    await tell(stack, order, step=refund, action="skip")
    canceled = await shop.cancel(order["id"])
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled"), canceled.text
    await shop.assert_clean_slate(canceled.json())


@pytest.mark.slow
async def test_a_skip_while_temporal_is_down_is_carried_out_when_it_is_back(
    stack: LocalStack, troubled_shop: Shop, troubled: Mapping[str, Json]
) -> None:
    shop, order = troubled_shop, troubled["temporal_away"]
    await stack.stop("temporal")
    try:
        response = await answer(shop, order, "skip", prefer="wait=0")
        assert (response.status_code, response.json()["attention"]) == (202, None)
    finally:
        await stack.start("temporal")
    ended = await shop.until_final(order["id"])
    assert (ended["status"], ended["attention"]) == ("rejected", None)
    await assert_explained(shop, order)


@pytest.mark.slow
async def test_a_carrier_that_neither_comes_nor_lets_go_is_asked_once_and_the_order_stands(
    stack: LocalStack, shop: Shop, temporal: Client
) -> None:
    async with doomed_worker(stack, "before", "release_parcel"):
        placed = await shop.order(card(), carrier="sandbox", service="ship_release_refused")
        order = await shop.until(placed["id"], lambda o: o["shipments"][0]["tracking_number"])
        number = order["shipments"][0]["tracking_number"]
        await shop.carrier.post(f"/test/parcels/{number}/events", json={"status": "picked_up"})
    await until_true(lambda: _has_more_starts(temporal, order, "cancel_parcel", 0))
    await asyncio.sleep(QUIET_S)
    assert (await shop.get(order["id"]))["status"] == "shipped", "he said that he picked it up"
    history = await shop.history(order["id"])
    assert history.count("parcel.refused") == 1  # before the pick-up is heard of, or after it
    assert await starts_of(temporal, order, "cancel_parcel") == 1
