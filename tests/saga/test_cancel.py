"""A changed mind at any moment: one outcome, undone once."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Shop, card, payment

HOW_LONG_AFTER_S = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4]


async def test_a_cancel_while_a_slow_bank_thinks_undoes_the_order(shop: Shop) -> None:
    order = await shop.order(card("tok_slow_2000"), carrier="sandbox", prefer="respond-async")
    answer = await shop.cancel(order["id"])
    assert answer.status_code == 200, answer.text
    order = answer.json()
    assert (order["status"], order["failure"]["code"]) == ("canceled", "canceled")
    assert "changed my mind" not in str(order["failure"]), "his own words stay with his request"
    await asyncio.sleep(2.5)  # the bank's late yes
    await shop.assert_clean_slate(await shop.get(order["id"]))


@pytest.mark.parametrize("after_s", HOW_LONG_AFTER_S)
async def test_a_cancel_at_any_moment_gives_everything_back(shop: Shop, after_s: float) -> None:
    order = await shop.order(
        card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
    )
    await asyncio.sleep(after_s)
    answer = await shop.cancel(order["id"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "canceled"
    await shop.assert_clean_slate(answer.json())


async def test_a_confirmed_order_is_refunded_and_restocked_after_its_parcel_is_called_back(
    shop: Shop,
) -> None:
    order = await shop.order(card("tok_ok", 400), payment("alipay"), carrier="sandbox")
    assert order["status"] == "confirmed"
    answer = await shop.cancel(order["id"])
    assert answer.status_code == 200, answer.text
    order = answer.json()
    assert (order["status"], order["payment_status"]) == ("canceled", "refunded")
    assert order["fulfillment_status"] == "canceled"
    history = await shop.history(order["id"])
    assert history.index("parcel.canceled") < history.index("payment.refunded")
    await shop.assert_clean_slate(order)


async def test_a_paid_slip_goes_back_as_store_credit_for_it_has_no_refund(shop: Shop) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    await shop.play_payer(order["id"], "pay")
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    order = (await shop.cancel(order["id"])).json()
    assert (order["status"], order["payment_status"]) == ("canceled", "refunded")
    account = (await shop.api.get(f"/v1/accounts/{customer}")).json()
    assert [b["amount"] for b in account["balances"]] == [order["total"]["amount"]]


async def test_a_parcel_on_its_way_refuses_the_cancel_and_the_order_stands(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    order = await shop.until(order["id"], lambda o: o["shipments"][0]["tracking_number"])
    number = order["shipments"][0]["tracking_number"]
    await shop.until_released(order["id"])
    await shop.carrier.post(f"/test/parcels/{number}/events", json={"status": "picked_up"})
    answer = await shop.cancel(order["id"])
    assert answer.status_code == 409, answer.text
    # Asked, and refused by the carrier; or by us, where the carrier's message was faster.
    assert answer.json()["code"] in ("cancel_refused", "illegal_move")
    order = await shop.until(order["id"], lambda o: o["status"] == "shipped")
    history = await shop.history(order["id"])
    assert history.count("cancel.requested") == history.count("cancel.refused")
    await shop.assert_all_of_it(order)


async def test_a_release_refused_for_good_gives_the_money_back(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox", service="ship_release_refused")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert order["failure"]["participant"] == "parcel"
    assert order["payment_status"] == "refunded"
    await shop.assert_clean_slate(order)


async def test_a_release_that_fails_is_repeated_forward_and_never_undone(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox", service="ship_release_flaky_3")
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    order = await shop.get(order["id"])
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


async def test_canceled_twice_is_undone_once(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    answers = await asyncio.gather(shop.cancel(order["id"]), shop.cancel(order["id"]))
    assert {a.status_code for a in answers} <= {200, 409}
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert (await shop.history(order["id"])).count("order.canceled") == 1
    await shop.assert_clean_slate(order)


@pytest.mark.parametrize("after_s", HOW_LONG_AFTER_S)
async def test_a_cancel_in_temporal_itself_is_answered_like_any_other(
    shop: Shop, temporal: Client, after_s: float
) -> None:
    order = await shop.order(
        card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
    )
    await asyncio.sleep(after_s)
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    await handle.cancel()
    outcome = await handle.result()
    assert outcome["status"] == "canceled"
    order = await shop.get(order["id"])
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)
