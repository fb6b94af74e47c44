"""What becomes of undos that fail, of releases that fail, and of steps that need none."""

from __future__ import annotations

import pytest

from tests.conformance.engine import undos_asked
from tests.conformance.meddling import Meddler, Run, fails_first
from tests.saga.shop import Json, Shop, card, payment


async def test_undo_fails_once(shop: Shop, meddler: Meddler) -> None:
    meddler.around = fails_first("undo_payment", "cancel_parcel", effect=True)
    order = await shop.order(card("tok_capture_declined"), carrier="sandbox")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["attention"]) == ("rejected", None)
    assert meddler.tries(order["id"], "undo_payment") == 2
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_undo_fails_for_good_and_is_visible(shop: Shop) -> None:
    order = await refund_that_stays_away(shop)
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    assert order["status"] == "compensating"
    assert order["attention"]["step"] == f"payment:{order['payments'][0]['id']}"
    assert order["attention"]["tries"] >= 5
    listed = (await shop.api.get("/v1/orders", params={"attention": "true"})).json()
    assert order["id"] in [o["id"] for o in listed["orders"]]
    await shop.provider.post("/test/refunds/restore", json={})
    order = await shop.until_final(order["id"])
    assert (order["status"], order["attention"]) == ("rejected", None)
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_one_undo_fails_others_still_run(shop: Shop) -> None:
    order = await refund_that_stays_away(shop)
    order = await shop.until(order["id"], others_are_undone)
    assert (await shop.stock())["available"] == shop.on_hand
    while (await shop.books(order["id"])).live_parcels:
        assert (await shop.get(order["id"]))["status"] == "compensating"
    books = await shop.books(order["id"])
    assert (books.kept, books.held) == (400, 0), "one payment's money, and nothing else"
    await shop.provider.post("/test/refunds/restore", json={})
    await shop.assert_clean_slate(await shop.until_final(order["id"]))


async def test_release_fails_and_is_retried_forward_never_undone(
    shop: Shop, meddler: Meddler
) -> None:
    order = await shop.order(card(), carrier="sandbox", service="ship_release_flaky_2")
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    assert meddler.tries(order["id"], "release_parcel") == 3
    assert meddler.undone(order["id"]) == []
    await shop.assert_all_of_it(await shop.get(order["id"]))


async def test_sibling_in_flight_when_another_fails_is_undone_too(
    shop: Shop, meddler: Meddler
) -> None:
    """A parcel is refused while the bank still thinks: what the bank comes to is taken back."""
    order = await shop.order(card("tok_slow_700"), carrier="sandbox", service="ship_refused")
    order = await shop.until_final(order["id"])
    assert order["failure"]["code"] == "shipping_refused"
    assert meddler.undone(order["id"]).count("undo_payment") == 1
    await every_run_has_ended(shop, meddler, order)
    await shop.assert_clean_slate(order)


async def test_unstarted_step_not_undone(shop: Shop, meddler: Meddler) -> None:
    order = await shop.order(
        card("tok_declined", 400), payment("alipay", amount=300), payment("boleto")
    )
    order = await shop.until_final(order["id"])
    assert order["failure"]["code"] == "card_declined"
    assert await undos_asked(shop, order["id"]) == [f"payment:{order['payments'][0]['id']}"]
    assert len((await shop.books(order["id"])).intents) == 1, "the others never heard of it"
    assert [p["status"] for p in order["payments"]] == ["failed", "voided", "voided"]
    await shop.assert_clean_slate(order)


async def refund_that_stays_away(shop: Shop) -> Json:
    """An order whose first card was taken and cannot be given back until it is restored."""
    return await shop.order(
        card("tok_refund_unavailable", 400),
        card("tok_capture_declined", 600),
        carrier="sandbox",
        prefer="respond-async",
    )


def others_are_undone(order: Json) -> bool:
    return bool(order["payments"][1]["status"] in ("voided", "failed"))


async def every_run_has_ended(shop: Shop, meddler: Meddler, order: Json) -> None:
    """A duplicate of the bank's slow answer, after everything is over: it must change nothing."""
    late: list[Run] = [
        r for r in meddler.runs if r.order_id == order["id"] and r.name == "authorize_payment"
    ]
    assert late, "it was in flight"
    (intent,) = (await shop.books(order["id"])).intents
    answer = await shop.provider.post(f"/v1/payment_intents/{intent['id']}/confirm")
    assert answer.status_code == 400, "a canceled payment cannot be confirmed by a late request"
