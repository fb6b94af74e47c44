"""An order that somebody has to let go on: it keeps its holds for a while, and takes no money."""

from __future__ import annotations

import asyncio

import pytest

from cli.stack.stack import LocalStack
from tests.saga.shop import Json, Shop, card, payment


async def test_a_held_order_takes_no_money_until_it_is_released(shop: Shop) -> None:
    order = await _held(shop)
    assert (await shop.ask(order, "release", {})).status_code in (200, 202)
    await shop.play_payer(order["id"], "pay")
    order = await shop.until(order["id"], lambda o: o["status"] == "confirmed")
    assert order["hold"] is None
    await shop.assert_all_of_it(order)
    history = await shop.history(order["id"])
    assert history.index("hold.released") < history.index("payment.captured")


@pytest.mark.slow
async def test_a_hold_that_nobody_releases_ends_the_order(shop: Shop) -> None:
    order = await _held(shop)
    await shop.play_payer(order["id"], "pay")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "hold_expired")
    await shop.assert_clean_slate(order)


async def test_a_held_order_can_be_canceled(shop: Shop) -> None:
    order = await _held(shop)
    assert (await shop.cancel(order["id"])).status_code == 200
    order = await shop.until_final(order["id"])
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_a_hold_between_the_last_step_and_the_decision_still_stops_it(shop: Shop) -> None:
    """Placed at any moment of an order that is under way: it is held, or it was decided before."""
    for pause_s in (0.0, 0.02, 0.05, 0.1):
        order = await shop.order(card("tok_slow_300"), prefer="respond-async")
        await asyncio.sleep(pause_s)
        answer = await shop.ask(order, "hold", {"reason": "looks odd"})
        if answer.status_code == 409:
            continue
        await asyncio.sleep(1.5)
        order = await shop.get(order["id"])
        assert (order["status"], order["hold"]["kind"]) == ("pending", "operator")
        await shop.ask(order, "release", {})
        order = await shop.until_final(order["id"])
        assert order["status"] == "confirmed"


@pytest.mark.long
async def test_a_hold_that_is_heard_before_the_first_task_keeps_everything(
    stack: LocalStack, shop: Shop
) -> None:
    """Of an order that would be held and decided in one transaction: what waits is held."""
    code = f"H-{shop.sku}"
    await shop.post("/v1/vouchers", {"code": code, "amount": {"amount": 1000, "currency": "BRL"}})
    await stack.stop("worker")
    try:
        order = await shop.order(payment("voucher", code), prefer="respond-async")
        answer = await shop.ask(order, "hold", {"reason": "looks odd"}, prefer="wait=0")
        assert answer.json()["hold"]["kind"] == "operator", "stored, and nobody works"
    finally:
        await stack.start("worker")
    order = await shop.until(order["id"], lambda o: o["payment_status"] == "authorized")
    assert (order["status"], order["hold"]["kind"]) == ("pending", "operator")
    assert "stock.reserved" in await shop.history(order["id"])
    await shop.ask(order, "release", {})
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


async def _held(shop: Shop) -> Json:
    """By an operator, while its payer is at the page of his bank."""
    order = await shop.order(payment("card", "tok_requires_action"))
    answer = await shop.ask(order, "hold", {"reason": "looks odd"})
    assert answer.status_code in (200, 202), answer.text
    held: Json = answer.json()
    assert held["hold"]["kind"] == "operator"
    assert "release" in held["allowed"]
    return held
