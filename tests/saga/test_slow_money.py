"""Money that its payer sends when he likes: we hear of it, or his time is over. Nobody asks meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop, payment, until_true


async def test_a_slip_confirms_its_order_as_soon_as_it_is_paid(shop: Shop) -> None:
    order = await shop.order(payment("boleto"), carrier="sandbox")
    assert (order["status"], order["payment_status"]) == ("pending", "requires_action")
    assert order["waiting_for"] == "payer"
    assert order["deadline"] == order["payments"][0]["expires_at"]
    await shop.play_payer(order["id"], "pay")
    order = await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=4)
    await shop.assert_all_of_it(order)


async def test_a_page_of_the_payers_bank_confirms_its_order(shop: Shop) -> None:
    order = await shop.order(payment("card", "tok_requires_action"))
    await shop.play_payer(order["id"], "pay")
    order = await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=4)
    await shop.assert_all_of_it(order)


async def test_nobody_asks_the_provider_while_a_payer_thinks(shop: Shop, temporal: Client) -> None:
    order = await shop.order(payment("boleto"))
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    await asyncio.sleep(1)  # its workflow has come to wait
    before = (await handle.describe()).history_length
    await asyncio.sleep(2)
    description = await handle.describe()
    assert description.history_length == before
    assert not description.raw_description.pending_activities


@pytest.mark.slow
async def test_a_message_that_was_lost_does_not_lose_a_paid_order(shop: Shop) -> None:
    """At the deadline the provider is asked once more."""
    await shop.stack.stop("api")  # nobody takes the provider's messages
    try:
        await shop.stack.start("api")
        order = await shop.order(payment("boleto"))
        await shop.stack.stop("api")
        await shop.play_payer(order["id"], "pay")
        await asyncio.sleep(8)  # the slip's patience, and a look at the provider
    finally:
        await shop.stack.start("api")
    order = await shop.get(order["id"])
    assert order["status"] == "confirmed"


async def test_two_payers_of_one_order_are_waited_for_side_by_side(shop: Shop) -> None:
    order = await shop.order(payment("boleto", amount=400), payment("boleto"))
    for _ in range(2):
        await shop.play_payer(order["id"], "pay")
    order = await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=5)
    await shop.assert_all_of_it(order)


async def test_a_slip_that_is_paid_short_gives_all_of_it_back(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    await shop.play_payer(order["id"], "pay", amount=900)
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "wrong_amount")
    assert await shop.credit(customer) == [{"amount": 900, "currency": "BRL"}]


async def test_a_slip_paid_after_its_deadline_ends_as_store_credit(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "payment_expired")
    assert (await shop.stock())["available"] == shop.on_hand
    await _pay_at_the_bank(shop, order)
    order = await shop.until(order["id"], lambda o: o["payment_status"] == "refunded")
    assert order["status"] == "canceled"
    assert await shop.credit(customer) == [{"amount": 1000, "currency": "BRL"}]
    history = await shop.history(order["id"])
    assert history[-2:] == ["payment.captured", "payment.refunded"]


@pytest.mark.slow
async def test_late_money_is_given_back_once_however_often_it_is_told(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    order = await shop.until_final(order["id"])
    await _pay_at_the_bank(shop, order)
    await shop.until(order["id"], lambda o: o["payment_status"] == "refunded")
    said = {"payment_id": order["payments"][0]["id"], "provider_ref": None}
    told = {"type": "payment.captured", "data": {"payment_id": said["payment_id"]}}
    for number in range(3):
        answer = await shop.webhook("payments/sandbox", told, message_id=f"{order['id']}-{number}")
        assert answer.status_code == 200, answer.text
    await asyncio.sleep(1)
    assert await shop.credit(customer) == [{"amount": 1000, "currency": "BRL"}]


async def test_a_dispute_calls_a_person_who_takes_note_of_it(shop: Shop) -> None:
    order = await shop.order(payment("card"))
    intent = (await shop.books(order["id"])).intents[0]["id"]
    (await shop.provider.post(f"/test/disputes/{intent}", json={})).raise_for_status()
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    step = f"dispute:{order['payments'][0]['id']}"
    assert order["attention"]["step"] == step
    assert "payment.disputed" in await shop.history(order["id"])
    answer = {"step": step, "action": "skip", "note": "we answer the bank"}
    assert (await shop.ask(order, "attention", answer)).status_code in (200, 202)
    assert (await shop.get(order["id"]))["attention"] is None


async def test_the_same_facts_come_as_signals_too(shop: Shop, temporal: Client) -> None:
    """The provider's webhook and a signal by hand: one effect."""
    order = await shop.order(payment("boleto"))
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    data = {"payment_id": order["payments"][0]["id"]}
    anything: list[object] = [
        "?",
        {"event_id": 7},
        {"data": []},
        None,
        {"type": "payment.captured"},
    ]
    for nonsense in anything:
        await handle.signal("payment_event", nonsense)
    await handle.signal(
        "payment_event", {"event_id": "e-1", "type": "payment.captured", "data": data}
    )
    await asyncio.sleep(1)
    assert (await shop.get(order["id"]))["status"] == "pending", "a signal is a hint: nobody paid"
    await shop.play_payer(order["id"], "pay")
    await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=4)


async def _pay_at_the_bank(shop: Shop, order: Json) -> None:
    """A bank takes the money of a slip that we have canceled."""
    intent = (await shop.books(order["id"])).intents[0]["id"]
    answer = await shop.provider.post(f"/test/payers/{intent}/pay", json={})
    assert answer.status_code == 200, answer.text

    async def is_taken() -> bool:
        return (await shop.books(order["id"])).kept > 0

    await until_true(is_taken)
