"""Each step delivered twice, one after the other and both at once: it happens once."""

from __future__ import annotations

import pytest

from tests.conformance.meddling import Meddler, runs_twice
from tests.saga.shop import Shop, card, payment

pytestmark = pytest.mark.parametrize("at_once", [False, True], ids=["in_turn", "at_once"])


async def test_duplicate_hold(*, shop: Shop, meddler: Meddler, at_once: bool) -> None:
    holds = ["hold_own_site", "authorize_payment", "book_parcel"]
    meddler.around = runs_twice(*holds, at_once=at_once)
    order = await shop.order(card(), carrier="sandbox")
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    assert len((await shop.books(order["id"])).parcels) == 1
    await shop.assert_all_of_it(order)


async def test_duplicate_take(*, shop: Shop, meddler: Meddler, at_once: bool) -> None:
    meddler.around = runs_twice("charge_payment", "capture_payment", at_once=at_once)
    order = await shop.order(card("tok_ok", 400), payment("alipay"))
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    assert (await shop.history(order["id"])).count("payment.captured") == 2, "one each"
    await shop.assert_all_of_it(order)


async def test_duplicate_undo(*, shop: Shop, meddler: Meddler, at_once: bool) -> None:
    meddler.around = runs_twice("undo_payment", "cancel_parcel", "close_order", at_once=at_once)
    order = await shop.order(card("tok_ok", 400), card("tok_capture_declined"), carrier="sandbox")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "capture_declined")
    events = await shop.history(order["id"])
    assert events.count("payment.refunded") == events.count("order.rejected") == 1
    assert len((await shop.books(order["id"])).refunds) == 1
    await shop.assert_clean_slate(order)


async def test_duplicate_decide(*, shop: Shop, meddler: Meddler, at_once: bool) -> None:
    meddler.around = runs_twice("decide_order", at_once=at_once)
    order = await shop.order(card())
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    assert (await shop.history(order["id"])).count("order.confirmed") == 1
    await shop.assert_all_of_it(order)
