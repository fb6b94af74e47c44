"""Money that goes back is told once: as taken, if that was not known, and as given back."""

from __future__ import annotations

import asyncio

import pytest

from ordersaga.order import NewOrder, NewPayment
from ordersaga.ports import Destination
from tests.postgres.merchant import (
    CUSTOMER,
    DECLINED,
    Merchant,
    answer,
    card,
    payment,
    step_of,
)


def slip(amount: int) -> NewPayment:
    return payment("boleto", amount, "tok_ok")


async def stood(merchant: Merchant, order: NewOrder) -> tuple[str, int, int]:
    """The order's only payment: status, captured, refunded."""
    (only,) = (await merchant.look(order)).state.payments
    return only.status, only.captured, only.refunded


async def given_back(
    merchant: Merchant, order: NewOrder, asked: NewPayment, amount: int, to: Destination = "payer"
) -> None:
    await merchant.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=amount, to=to
    )


async def test_a_hold_given_back_twice_is_voided_once(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    await merchant.records.begin_undo(step_of(order, asked))
    for _ in range(2):
        await given_back(merchant, order, asked, 0)
    assert await stood(merchant, order) == ("voided", 0, 0)
    assert (await merchant.events(order)).count("payment.voided") == 1
    assert await merchant.records.begin_undo(step_of(order, asked)) == "undone"


async def test_taken_money_given_back_twice_is_refunded_once(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    await merchant.capture(order, asked)
    for _ in range(2):
        await given_back(merchant, order, asked, 500)
    assert await stood(merchant, order) == ("refunded", 500, 500)
    assert (await merchant.events(order)).count("payment.refunded") == 1


async def test_money_of_a_capture_whose_reply_was_lost_is_told_as_taken_and_given_back(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    for _ in range(2):
        await given_back(merchant, order, asked, 500)
    assert await stood(merchant, order) == ("refunded", 500, 500)
    assert (await merchant.events(order))[-2:] == ["payment.captured", "payment.refunded"]


async def test_money_of_a_charge_whose_reply_was_lost_is_told_as_taken_and_given_back(
    merchant: Merchant,
) -> None:
    asked = payment("alipay", 500, "tok_lost_reply")
    order = await merchant.remote_order(asked)
    await given_back(merchant, order, asked, 500)
    assert await stood(merchant, order) == ("refunded", 500, 500)


async def test_an_overpaid_slip_goes_back_with_all_that_was_paid(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    paid = answer("taken", asked, captured=550)
    await merchant.records.payment_answered(step_of(order, asked), asked.plan.id, paid)
    await given_back(merchant, order, asked, 550, to="store_credit")
    assert await stood(merchant, order) == ("refunded", 550, 550)
    assert await merchant.spendable("credit", CUSTOMER) == 550


async def test_a_slips_money_becomes_store_credit_once(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))
    for _ in range(3):
        await given_back(merchant, order, asked, 500, to="store_credit")
    assert await merchant.spendable("credit", CUSTOMER) == 500
    assert await stood(merchant, order) == ("refunded", 500, 500)


async def test_a_slips_money_becomes_store_credit_once_however_many_say_so_at_once(
    merchant: Merchant,
) -> None:
    await merchant.put_credit(1)  # the house's accounts are there
    asked = slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))
    await asyncio.gather(
        *(given_back(merchant, order, asked, 500, to="store_credit") for _ in range(6))
    )
    assert await merchant.spendable("credit", CUSTOMER) == 501


async def test_a_slip_paid_while_it_was_undone_becomes_store_credit(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.payment_answered(step, asked.plan.id, answer("requires_action", asked))
    await merchant.undo(order, nothing_else=False)
    await merchant.records.begin_undo(step)
    await given_back(merchant, order, asked, 500, to="store_credit")
    assert (await merchant.own_site.close(order.id)).payment_status == "refunded"
    assert await merchant.spendable("credit", CUSTOMER) == 500


async def test_a_slips_store_credit_can_be_spent(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))
    await given_back(merchant, order, asked, 500, to="store_credit")
    again = await merchant.order(payment("balance", 500))
    assert (await merchant.buy(again)).verdict == "confirm"
    assert await merchant.spendable("credit", CUSTOMER) == 0


@pytest.mark.parametrize("to", ["payer", "store_credit"])
async def test_money_that_came_after_a_no_is_told_as_taken_and_given_back(
    merchant: Merchant, to: Destination
) -> None:
    """Declined is not dead: a late duplicate of the request may still succeed at the provider."""
    asked = slip(500) if to == "store_credit" else card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    await merchant.records.payment_answered(
        step, asked.plan.id, answer("unconfirmed", asked, refusal=DECLINED)
    )
    await merchant.undo(order, nothing_else=False)
    assert await merchant.records.begin_undo(step) == "undo"
    for _ in range(2):
        await given_back(merchant, order, asked, 500, to=to)
    assert await stood(merchant, order) == ("refunded", 500, 500)
    assert (await merchant.own_site.close(order.id)).status == "rejected"
    assert await merchant.spendable("credit", CUSTOMER) == (500 if to == "store_credit" else 0)


async def test_a_hold_answered_after_it_was_given_back_stays_given_back(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    await merchant.records.begin_undo(step)
    await given_back(merchant, order, asked, 0)
    for late in ("held", "taken"):
        said = answer("held" if late == "held" else "taken", asked)
        await merchant.records.payment_answered(step, asked.plan.id, said)
        await merchant.records.payment_captured(step, asked.plan.id, said)
    assert await stood(merchant, order) == ("voided", 0, 0)
