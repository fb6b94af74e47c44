"""What Temporal was not told, or has lost, is told again."""

from __future__ import annotations

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from ordersaga.keys import workflow_id
from tests.saga.shop import Shop, card

STALE_WITHIN_S = 60  # an order is looked after when it has not moved for half of that


@pytest.mark.slow
async def test_an_order_whose_workflow_somebody_terminated_is_decided_all_the_same(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(card("tok_slow_2000"), carrier="sandbox", prefer="respond-async")
    await shop.until(order["id"], lambda o: o["version"] > 1)
    await temporal.get_workflow_handle(workflow_id(order["id"])).terminate("by mistake")
    order = await shop.until_final(order["id"], within_s=STALE_WITHIN_S)
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_a_confirmed_order_whose_workflow_somebody_terminated_is_still_fetched_by_its_carrier(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(card(), carrier="sandbox", service="ship_release_unavailable")
    assert order["status"] == "confirmed"
    workflow = temporal.get_workflow_handle(workflow_id(order["id"]))
    await workflow.terminate("by mistake")
    (parcel,) = (await shop.books(order["id"])).parcels
    assert parcel["status"] == "booked", "nobody was told to come"
    await shop.carrier.post("/test/releases/restore", json={"key": parcel["key"]})
    await shop.until_released(order["id"], within_s=STALE_WITHIN_S)
    assert (await workflow.describe()).status == WorkflowExecutionStatus.RUNNING, "another one"
    history = await shop.history(order["id"])
    assert history.count("order.confirmed") == history.count("payment.captured") == 1
    await shop.assert_all_of_it(order)


async def test_a_cancel_of_an_order_whose_workflow_is_gone_still_gives_everything_back(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    await temporal.get_workflow_handle(workflow_id(order["id"])).terminate("by mistake")
    assert (await shop.cancel(order["id"], prefer="wait=0")).status_code == 202
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    await shop.assert_clean_slate(order)
