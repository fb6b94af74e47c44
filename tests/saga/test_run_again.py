"""A workflow that somebody terminated runs again: it takes back what the one before it began."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Shop, card

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
