"""What an order costs the engine until it is confirmed: counts, not times. They must not creep up."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from bench.counting import billable_actions
from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop, card, payment

TASKS = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
UNDER_WAY = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
)


async def _cost(temporal: Client, order: Json) -> tuple[int, int, int]:
    """(history events, workflow tasks, billable actions), between two tasks.

    An order is answered when it is decided: the task that decided it may not be told yet.
    """
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    kinds = [UNDER_WAY[0]]
    while kinds[-1] in UNDER_WAY:
        events = (await handle.fetch_history()).events
        kinds = [event.event_type for event in events]
    return len(kinds), kinds.count(TASKS), billable_actions(events)


async def test_an_order_of_our_own_site_costs_one_task_and_six_events(
    shop: Shop, temporal: Client
) -> None:
    customer = f"c-{shop.sku}"
    credit = {"amount": {"amount": 1000, "currency": "BRL"}, "reason": "a gift"}
    await shop.post(f"/v1/accounts/{customer}/credits", credit)
    order = await shop.order(payment("balance", None), customer=customer)
    assert order["status"] == "confirmed"
    assert await _cost(temporal, order) == (6, 1, 3)


async def test_an_order_by_card_costs_one_task_and_nine_events(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(card())
    assert order["status"] == "confirmed"
    assert await _cost(temporal, order) == (9, 1, 3)


async def test_an_order_out_of_stock_asks_nobody(shop: Shop, temporal: Client) -> None:
    order = await shop.order(card(), carrier="sandbox", quantity=shop.on_hand + 1)
    assert order["status"] == "rejected"
    assert await _cost(temporal, order) == (8, 1, 3)


@pytest.mark.slow
async def test_waiting_for_a_payer_costs_one_timer_however_long_it_takes(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(payment("boleto"))
    before = await _cost(temporal, order)
    await shop.until(order["id"], lambda o: o["status"] == "canceled")
    events, tasks, billed = await _cost(temporal, order)
    assert tasks - before[1] <= 4, "the deadline, a last look, the undo, and the end"
    assert events <= 41, "one of them shows whoever searches that it waits for money"
    assert billed - before[2] <= 7
