"""A workflow that somebody terminated runs again: it takes back what the one before it began."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from tests.saga.shop import Shop, card, payment, until_found
from tests.saga.test_crashes import ANY_ORDER, doomed_worker

pytestmark = pytest.mark.slow  # the sweep looks for its workflow half a minute later


async def test_an_order_terminated_while_it_was_undone_is_undone_to_the_end(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(
        card("tok_refund_unavailable", 400),
        card("tok_capture_declined", 600),
        prefer="respond-async",
    )
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    await temporal.get_workflow_handle(workflow_id(order["id"])).terminate("by mistake")
    await shop.provider.post("/test/refunds/restore", json={})
    order = await shop.until(order["id"], lambda o: o["status"] == "rejected", within_s=60)
    assert order["attention"] is None
    await shop.assert_clean_slate(order)


async def test_an_order_terminated_while_it_held_money_and_then_canceled_gives_it_back(
    shop: Shop, temporal: Client
) -> None:
    order = await shop.order(card("tok_ok", 400), card("tok_requires_action"), carrier="sandbox")
    await shop.until(order["id"], lambda o: o["payments"][0]["status"] == "authorized")
    assert (await shop.books(order["id"])).held == 400
    await temporal.get_workflow_handle(workflow_id(order["id"])).terminate("by mistake")
    await shop.cancel(order["id"], prefer="wait=0")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled", within_s=60)
    await shop.assert_clean_slate(order)


async def test_an_order_terminated_when_its_parcel_was_just_seen_lost_is_given_back(
    stack: LocalStack, shop: Shop, temporal: Client
) -> None:
    """The carrier's word came by hand, and is written down; nobody had acted on it."""
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    number = (await shop.get(order["id"]))["shipments"][0]["tracking_number"]
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    said = {"tracking_number": number, "status": "lost", "occurred_at": "2026-11-01T10:00:00Z"}
    async with doomed_worker(stack, "after", "follow_parcel", older=ANY_ORDER):
        await handle.signal("carrier_event", {"event_id": "by-hand", "data": said})
        await shop.until(order["id"], lambda o: o["shipments"][0]["tracking_status"] == "lost")
    await handle.terminate("by mistake")
    order = await shop.until(order["id"], lambda o: o["status"] == "returned", within_s=60)
    assert (await shop.books(order["id"])).kept == 0


async def test_late_money_goes_back_though_who_looked_at_it_was_terminated(
    stack: LocalStack, shop: Shop, temporal: Client
) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    order = await shop.until_final(order["id"])
    async with doomed_worker(stack, "before", "examine_payment", older=ANY_ORDER):
        (intent,) = (await shop.books(order["id"])).intents
        await shop.provider.post(f"/test/payers/{intent['id']}/pay", json={})
        about = await until_found(lambda: shop.newest_workflow("PaymentNewsWorkflow", about=order))
    await temporal.get_workflow_handle(about).terminate("by mistake")
    await shop.until(order["id"], lambda o: o["payment_status"] == "refunded", within_s=60)
    assert await shop.credit(customer) == [{"amount": 1000, "currency": "BRL"}]
