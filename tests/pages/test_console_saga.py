"""The saga as the console draws it: a box for each thing that was done, none that says more than is so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest

from adapters.postgres.console_order import read_books
from adapters.postgres.orders import read_events, read_order
from adapters.temporal_attempts import Attempted
from api.pages.console.drawing import draw
from api.pages.console.saga import trace
from ordersaga.history import Happening
from tests.api.calls import Database, brl, fresh, happens, placed
from tests.api.lives import delivered, listed, look
from tests.api.running import RunningApi
from tests.pages.console import RAISED, UNDOING, key, shop

pytestmark = pytest.mark.long

__all__ = ["key", "shop"]  # fixtures


def tried(activity: str, step: str, tries: int, *, ended: bool, done: bool = False) -> Attempted:
    """As Temporal tells it."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Attempted(
        activity=activity,
        step=step,
        tries=tries,
        asked_at=at,
        ended_at=at if ended else None,
        is_done=done,
        error="HTTP 503",
        next_try_at=None,
    )


async def steps_of(
    api: RunningApi, order_id: str, tenant: str, attempts: Sequence[Attempted] | None = None
) -> dict[str, list[tuple[str, str]]]:
    """Lane → its steps and their answers, as they are drawn."""
    async with api.pool.acquire() as connection:
        order = await read_order(connection, tenant=tenant, order_id=order_id)
        books = await read_books(connection, tenant=tenant, order_id=order_id)
        events = await read_events(connection, tenant=tenant, order_id=order_id)
    assert order is not None
    saga = trace(order, books, events, attempts)
    drawn = draw(saga)
    assert len(drawn.boxes) == sum(len(lane.steps) for lane in saga.lanes)
    assert max(box.x + box.width for box in drawn.boxes) <= drawn.width
    return {lane.name: [(step.verb, step.answer) for step in lane.steps] for lane in saga.lanes}


async def test_a_saga_is_drawn_as_it_ran(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str, database: Database
) -> None:
    order = await delivered(shop, api.pool)
    order_id = str(order["id"])
    await shop.post(
        f"/v1/orders/{order_id}/refunds",
        json={"amount": brl(100), "reason": "late"},
        headers={"Idempotency-Key": fresh("key")},
    )
    expected = {
        "Stock": [("reserve", "yes"), ("sell", "yes")],
        "Voucher": [("hold", "yes"), ("take", "yes")],
        "Card": [("take", "yes"), ("give back", "running")],
        "Parcel": [("book", "yes"), ("picked up", "yes"), ("deliver", "yes")],
    }
    assert await steps_of(api, order_id, tenant) == expected
    await database.execute("delete from fence where order_id = $1", order_id)
    assert await steps_of(api, order_id, tenant) == expected, "history says it too"


async def test_an_undo_that_fails_is_seen_to_and_one_under_way_too(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str, database: Database
) -> None:
    order_id = await placed(shop)
    (payment,) = listed(await look(shop, order_id), "payments")
    step = f"payment:{payment['id']}"
    await happens(
        api.pool,
        order_id,
        Happening.of("stock.refused", code="out_of_stock"),
        Happening.of("payment.authorized", payment_id=payment["id"]),
        UNDOING,
    )
    await database.execute(
        "insert into decisions (order_id, decision, failure) values ($1, 'undo', '{}')", order_id
    )
    for op in ("hold", "undo"):
        await database.execute(
            "insert into fence (order_id, step, generation, op, written_by) values ($1, $2, 1, $3, $3)",
            *(order_id, step, op),
        )
    steps = await steps_of(api, order_id, tenant)
    assert steps["Stock"] == [("reserve", "no")]
    assert steps["Card"] == [("hold", "yes"), ("give back", "running")]
    await happens(
        api.pool, order_id, Happening.of("attention.raised", **{**RAISED.data, "step": step})
    )
    steps = await steps_of(api, order_id, tenant)
    assert steps["Card"] == [("hold", "yes"), ("give back", "attention")]


async def test_a_refund_that_keeps_failing_is_one_box_and_not_given_back_before_it_is(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str, database: Database
) -> None:
    order = await delivered(shop, api.pool)
    order_id = str(order["id"])
    answer = await shop.post(
        f"/v1/orders/{order_id}/refunds",
        json={"amount": brl(100), "reason": "late"},
        headers={"Idempotency-Key": fresh("key")},
    )
    assert answer.status_code < 300, answer.text
    (refund,) = listed(await look(shop, order_id), "refunds")
    step, undo = f"refund:{refund['id']}", ("give back", "running")
    called_off = tried("refund_payment", step, 16, ended=True)
    again = tried("refund_payment", step, 2, ended=False)
    for attempts in ([called_off], [called_off, again]):
        steps = await steps_of(api, order_id, tenant, attempts)
        assert steps["Card"] == [("take", "yes"), undo]
    raised = {**RAISED.data, "step": step}
    await happens(api.pool, order_id, Happening.of("attention.raised", **raised))
    steps = await steps_of(api, order_id, tenant, [called_off, again])
    assert steps["Card"] == [("take", "yes"), ("give back", "attention")]
    back = {"payment_id": refund["payment_id"], "amount": 100, "to": "payer"}
    given = Happening.of("payment.partially_refunded", **back, refund_id=refund["id"])
    await happens(api.pool, order_id, given)
    settled = "update refunds set refunded_at = now(), destination = 'payer' where id = $1"
    await database.execute(settled, refund["id"])
    done = tried("refund_payment", step, 3, ended=True, done=True)
    steps = await steps_of(api, order_id, tenant, [called_off, done])
    assert steps["Card"] == [("take", "yes"), ("give back", "undone")]


async def test_an_undo_that_was_called_off_is_not_done(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    order_id = await placed(shop)
    (payment,) = listed(await look(shop, order_id), "payments")
    await happens(api.pool, order_id, UNDOING)
    step = f"payment:{payment['id']}"
    called_off = tried("undo_payment", step, 16, ended=True)
    done = tried("undo_payment", step, 2, ended=True, done=True)
    for attempts, answer in (([called_off], "running"), ([called_off, done], "undone")):
        steps = await steps_of(api, order_id, tenant, attempts)
        assert [each for _, each in steps["Card"]] == [answer]
