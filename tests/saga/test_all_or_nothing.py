"""Split tender, scarce goods, changed minds: one decision an order, and nothing half done."""

from __future__ import annotations

import asyncio

import pytest

from tests.saga.shop import Shop, card, payment


async def test_a_split_tender_whose_second_card_is_declined_refunds_the_first(shop: Shop) -> None:
    order = await shop.order(
        card("tok_ok", 400), card("tok_capture_declined", 600), carrier="sandbox"
    )
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("rejected", "refunded")
    assert order["failure"]["code"] == "capture_declined"
    books = await shop.books(order["id"])
    assert sum(i["amount_received"] for i in books.intents) == 400, "the first was really taken"
    await shop.assert_clean_slate(order)


async def test_vouchers_credit_and_card_pay_one_order_together(shop: Shop) -> None:
    code, customer = f"V-{shop.sku}", f"c-{shop.sku}"
    brl = {"currency": "BRL"}
    await shop.post("/v1/vouchers", {"code": code, "amount": {"amount": 300, **brl}})
    await shop.post(
        f"/v1/accounts/{customer}/credits", {"amount": {"amount": 250, **brl}, "reason": "sorry"}
    )
    order = await shop.order(
        payment("voucher", code, 300), payment("balance", None, 250), card(), customer=customer
    )
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    assert [p["captured"]["amount"] for p in order["payments"]] == [300, 250, 450]
    account = (await shop.api.get(f"/v1/accounts/{customer}")).json()
    assert all(b["amount"] == 0 for b in account["balances"])


async def test_a_voucher_is_whole_again_after_its_order_was_undone(shop: Shop) -> None:
    code = f"V-{shop.sku}"
    await shop.post("/v1/vouchers", {"code": code, "amount": {"amount": 600, "currency": "BRL"}})
    refused = await shop.order(payment("voucher", code, 600), card("tok_declined"))
    assert (await shop.until_final(refused["id"]))["status"] == "rejected"
    order = await shop.order(payment("voucher", code, 600), card("tok_ok"))
    assert order["status"] == "confirmed"


@pytest.mark.slow
async def test_four_hundred_orders_for_a_hundred_units_sell_exactly_a_hundred(shop: Shop) -> None:
    await shop.put_stock(shop.sku, 100)
    shop.on_hand = 100
    gate = asyncio.Semaphore(50)

    async def buy() -> str:
        async with gate:
            order = await shop.order(card(), quantity=1)
        return str((await shop.until_final(order["id"]))["status"])

    outcomes = await asyncio.gather(*(buy() for _ in range(400)))
    assert outcomes.count("confirmed") == 100
    assert outcomes.count("rejected") == 300
    assert await shop.stock() == {"sku": shop.sku, "on_hand": 0, "available": 0, "reserved": 0}


async def test_two_lines_of_one_sku_are_one_demand(shop: Shop) -> None:
    await shop.put_stock(shop.sku, 5)
    shop.on_hand = 5
    order = await shop.order(card(), lines=[(shop.sku, 3), (shop.sku, 3)])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "out_of_stock")
    await shop.assert_clean_slate(order)


async def test_an_unknown_sku_rejects_the_order_before_anybody_is_asked_for_money(
    shop: Shop,
) -> None:
    order = await shop.order(card(), lines=[("no-such-sku", 1)])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "unknown_sku")
    assert (await shop.books(order["id"])).intents == []


async def test_an_order_that_comes_without_payments_waits_for_its_buyer(shop: Shop) -> None:
    order = await shop.order(carrier="sandbox")
    assert (order["status"], order["waiting_for"]) == ("pending", "buyer")
    assert "pay" in order["allowed"]
    answer = await shop.post(
        f"/v1/orders/{order['id']}/pay", {"payments": [card()]}, Prefer="wait=20"
    )
    assert answer.status_code == 200, answer.text
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    await shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_an_order_that_nobody_pays_gives_its_stock_back_at_the_deadline(shop: Shop) -> None:
    order = await shop.order()
    assert (await shop.stock())["reserved"] == 2
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "payment_expired")
    await shop.assert_clean_slate(order)


async def test_an_order_of_nothing_needs_no_money(shop: Shop) -> None:
    body = {
        "customer": {"id": "c-free"},
        "currency": "BRL",
        "lines": [{"sku": shop.sku, "quantity": 2, "unit_price": {"amount": 0, "currency": "BRL"}}],
        "shipping_address": {"country": "BR"},
    }
    order = (await shop.post("/v1/orders", body)).json()
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)
