"""All succeed; late failure; first step fails; a step without undo: what an order comes to."""

from __future__ import annotations

from tests.conformance.engine import undos_asked
from tests.conformance.meddling import Meddler
from tests.saga.shop import Shop, card, payment


async def test_all_succeed(shop: Shop, meddler: Meddler) -> None:
    order = await shop.order(card("tok_ok", 400), payment("alipay"), carrier="sandbox")
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    assert (order["fulfillment_status"], order["failure"]) == ("booked", None)
    await shop.until_released(order["id"])
    await shop.assert_all_of_it(order)
    assert meddler.undone(order["id"]) == []


async def test_late_failure_undone_in_reverse_with_the_reason_kept(
    shop: Shop, meddler: Meddler
) -> None:
    order = await shop.order(
        card("tok_ok", 300), card("tok_capture_declined", 300), payment("alipay"), carrier="sandbox"
    )
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    assert order["failure"]["participant"] == "payment"
    assert order["failure"]["code"] == "capture_declined"
    events = await shop.history(order["id"])
    assert events.index("payment.captured") < events.index("order.compensating")
    await shop.assert_clean_slate(order)
    assert await undos_asked(shop, order["id"]) == [
        f"payment:{order['payments'][2]['id']}",  # charged last, so taken back first
        f"parcel:{order['shipments'][0]['id']}",
        f"payment:{order['payments'][1]['id']}",
        f"payment:{order['payments'][0]['id']}",
    ]


async def test_first_step_fails(shop: Shop, meddler: Meddler) -> None:
    order = await shop.order(card(), carrier="sandbox", quantity=shop.on_hand + 1)
    assert (order["status"], order["failure"]["code"]) == ("rejected", "out_of_stock")
    assert {run.name for run in meddler.runs if run.order_id == order["id"]} == {
        "hold_own_site",
        "decide_order",
    }, "nobody else was asked, and nobody had to undo"
    books = await shop.books(order["id"])
    assert (books.intents, books.parcels) == ([], [])
    await shop.assert_clean_slate(order)


async def test_step_without_undo(shop: Shop, meddler: Meddler) -> None:
    """A release has none: an order whose release was refused is reversed by steps of their own."""
    order = await shop.order(card(), carrier="sandbox", service="ship_release_refused")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert "undo_payment" not in meddler.undone(order["id"])
    assert meddler.tries(order["id"], "refund_payment") == 1
    events = await shop.history(order["id"])
    assert events.index("order.confirmed") < events.index("order.reversing")
    await shop.assert_clean_slate(order)
