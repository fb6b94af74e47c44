"""Goods that come back after delivery, and money that goes back without them."""

from __future__ import annotations

import asyncio

import pytest

from tests.saga.shop import UNIT_PRICE, Json, Shop, card, payment


async def test_a_whole_order_comes_back_and_all_of_its_money_goes_back(shop: Shop) -> None:
    order = await _bought(shop, card())
    return_id = await _requested(shop, order, {"reason": "too small"})
    assert (await shop.get(order["id"]))["returns"][0]["status"] == "requested"
    await _decide(shop, order, return_id, "approve")
    await _decide(shop, order, return_id, "receive")
    order = await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert order["payment_status"] == "refunded"
    assert order["returns"][0]["status"] == "refunded"
    assert (await shop.books(order["id"])).kept == 0
    assert (await shop.stock())["available"] == shop.on_hand


async def test_one_unit_comes_back_and_the_newest_payment_gives_its_price(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    order = await _bought(shop, card(amount=700), payment("alipay"), customer=customer)
    lines = [{"sku": shop.sku, "quantity": 1}]
    return_id = await _requested(shop, order, {"lines": lines, "reason": "one too many"})
    await _decide(shop, order, return_id, "approve")
    await _decide(shop, order, return_id, "receive")
    order = await shop.until(order["id"], lambda o: o["returns"][0]["status"] == "refunded")
    refunded = [p["refunded"]["amount"] for p in order["payments"]]
    assert refunded == [UNIT_PRICE - 300, 300], "the newest first, the rest of the one before"
    assert (order["status"], order["payment_status"]) == ("completed", "partially_refunded")
    assert (await shop.books(order["id"])).kept == UNIT_PRICE
    assert (await shop.stock())["available"] == shop.on_hand - 1


async def test_store_credit_that_was_spent_comes_back_as_store_credit(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    gift = {"amount": {"amount": 1000, "currency": "BRL"}, "reason": "a gift"}
    await shop.post(f"/v1/accounts/{customer}/credits", gift)
    order = await _bought(shop, payment("balance", None), customer=customer)
    return_id = await _requested(shop, order, {"reason": "no"})
    await _decide(shop, order, return_id, "approve")
    await _decide(shop, order, return_id, "receive")
    await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert await shop.credit(customer) == [{"amount": 1000, "currency": "BRL"}]


async def test_a_declined_return_gives_nothing_back(shop: Shop) -> None:
    order = await _bought(shop, card())
    return_id = await _requested(shop, order, {"reason": "worn for a year"})
    await _decide(shop, order, return_id, "decline")
    too_late = await shop.ask(order, f"returns/{return_id}/receive")
    assert (too_late.status_code, too_late.json()["code"]) == (409, "illegal_move")
    assert (await shop.books(order["id"])).kept == order["total"]["amount"]


async def test_no_more_comes_back_than_was_bought(shop: Shop) -> None:
    order = await _bought(shop, card())
    too_many = {"lines": [{"sku": shop.sku, "quantity": 3}], "reason": "?"}
    assert (await shop.ask(order, "returns", too_many)).status_code == 422
    one = {"lines": [{"sku": shop.sku, "quantity": 1}], "reason": "?"}
    answers = await asyncio.gather(*(shop.ask(order, "returns", one) for _ in range(8)))
    assert sorted(a.status_code for a in answers).count(201) == 2


async def test_goods_received_twice_are_restocked_and_refunded_once(shop: Shop) -> None:
    order = await _bought(shop, card())
    return_id = await _requested(shop, order, {"reason": "?"})
    await _decide(shop, order, return_id, "approve")
    path = f"returns/{return_id}/receive"
    answers = await asyncio.gather(*(shop.ask(order, path) for _ in range(8)))
    assert [a.status_code for a in answers].count(200) == 1
    await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert (await shop.books(order["id"])).kept == 0
    assert (await shop.stock())["on_hand"] == shop.on_hand


@pytest.mark.slow
async def test_a_refund_that_keeps_failing_calls_a_person_and_goes_on(shop: Shop) -> None:
    order = await _bought(shop, card("tok_refund_unavailable"))
    return_id = await _requested(shop, order, {"reason": "?"})
    await _decide(shop, order, return_id, "approve")
    await _decide(shop, order, return_id, "receive")
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    assert order["attention"]["step"].startswith("refund:rfd_")
    (await shop.provider.post("/test/refunds/restore", json={})).raise_for_status()
    answer = {"step": order["attention"]["step"], "action": "retry", "note": "it is back"}
    assert (await shop.ask(order, "attention", answer)).status_code in (200, 202)
    await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert (await shop.books(order["id"])).kept == 0


async def test_an_operator_gives_some_of_it_back_without_a_return(shop: Shop) -> None:
    order = await shop.order(card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    assert (await shop.ask(order, "refunds", some)).status_code in (200, 201, 202)
    order = await shop.until(order["id"], lambda o: o["payments"][0]["refunded"]["amount"] == 300)
    assert (order["status"], order["payment_status"]) == ("confirmed", "partially_refunded")
    too_much = {"amount": {"amount": 701, "currency": "BRL"}, "reason": "?"}
    refused = await shop.ask(order, "refunds", too_much)
    assert (refused.status_code, refused.json()["code"]) == (422, "refund_too_large")
    assert (await shop.books(order["id"])).kept == 700


async def test_a_cancel_after_a_refund_gives_back_what_is_left(shop: Shop) -> None:
    order = await shop.order(card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    await shop.ask(order, "refunds", some)
    assert (await shop.cancel(order["id"])).status_code == 200
    order = await shop.until(order["id"], lambda o: o["payment_status"] == "refunded")
    assert order["status"] == "canceled"
    assert (await shop.books(order["id"])).kept == 0
    assert (await shop.stock())["available"] == shop.on_hand


async def _bought(shop: Shop, *payments: Json, customer: str | None = None) -> Json:
    """An order that its buyer has received."""
    order = await shop.order(*payments, customer=customer)
    await shop.ask(order, "ship", {"tracking_number": f"TRK-{order['id']}"})
    received: Json = (await shop.ask(order, "confirm-receipt")).json()
    assert received["status"] == "completed"
    return received


async def _requested(shop: Shop, order: Json, body: Json) -> str:
    answer = await shop.ask(order, "returns", body)
    assert answer.status_code == 201, answer.text
    return_id: str = answer.json()["returns"][-1]["id"]
    return return_id


async def _decide(shop: Shop, order: Json, return_id: str, verb: str) -> None:
    answer = await shop.ask(order, f"returns/{return_id}/{verb}")
    assert answer.status_code == 200, answer.text
