"""Confirm needs every yes: of stock, of each payment, of the parcel. Else nothing happens at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import transaction
from ordersaga.history import Happening
from ordersaga.order import (
    SANDBOX,
    NewOrder,
    Refusal,
)
from ordersaga.ports import Booking
from tests.postgres.merchant import (
    DECLINED,
    Merchant,
    answer,
    card,
    parcel_of,
    payment,
    step_of,
    voucher,
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    """Goods and vouchers enough."""
    await merchant.put_stock(mug=10_000)
    await merchant.put_voucher("V", 1_000_000)
    return merchant


async def nothing_held(shelf: Merchant) -> NewOrder:
    return await shelf.order(voucher("V", 500))


async def stock_alone_held(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500))
    await shelf.own_site.hold(order.id, ["stock", order.parcel.step])
    return order


async def all_but_stock_held(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500))
    await shelf.own_site.hold(order.id, [order.payments[0].plan.step, order.parcel.step])
    return order


async def all_but_the_parcel_held(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500))
    await shelf.own_site.hold(order.id, ["stock", order.payments[0].plan.step])
    return order


async def out_of_stock(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500), lines=[("mug", 10_001)])
    await shelf.hold(order)
    return order


async def one_of_two_skus_missing(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500), lines=[("mug", 1), ("unicorn", 1)])
    await shelf.hold(order)
    return order


async def second_voucher_refused(shelf: Merchant) -> NewOrder:
    return await shelf.held_order(voucher("V", 500), voucher("never issued", 500))


async def card_not_asked(shelf: Merchant) -> NewOrder:
    return await shelf.held_order(voucher("V", 500), card(300))


async def card_held_and_not_captured(shelf: Merchant) -> NewOrder:
    asked = card(300)
    order = await shelf.held_order(voucher("V", 500), asked)
    await shelf.authorize(order, asked)
    return order


async def card_waits_for_its_payer(shelf: Merchant) -> NewOrder:
    asked = card(300)
    order = await shelf.held_order(asked)
    waiting = answer("requires_action", asked)
    await shelf.records.payment_answered(step_of(order, asked), asked.plan.id, waiting)
    return order


async def card_declined(shelf: Merchant) -> NewOrder:
    asked = card(300)
    order = await shelf.held_order(asked)
    no = answer("unconfirmed", asked, refusal=DECLINED)
    await shelf.records.payment_answered(step_of(order, asked), asked.plan.id, no)
    return order


async def card_captured_for_less_than_it_was_asked(shelf: Merchant) -> NewOrder:
    asked = card(300)
    order = await shelf.held_order(asked)
    await shelf.authorize(order, asked)
    less = answer("taken", asked, captured=299)
    await shelf.records.payment_captured(step_of(order, asked), asked.plan.id, less)
    return order


async def slip_paid_with_more_than_it_asked(shelf: Merchant) -> NewOrder:
    asked = payment("boleto", 300, "tok_ok")
    order = await shelf.held_order(asked)
    more = answer("taken", asked, captured=350)
    await shelf.records.payment_answered(step_of(order, asked), asked.plan.id, more)
    return order


async def card_partly_refunded_already(shelf: Merchant) -> NewOrder:
    asked = card(300)
    order = await shelf.held_order(asked)
    await shelf.authorize(order, asked)
    await shelf.capture(order, asked)
    async with transaction(shelf.pool) as connection:
        back = Happening.of("payment.partially_refunded", payment_id=asked.plan.id, amount=1)
        await record(connection, await lock_order(connection, order.id), back)
    return order


async def payments_of_less_than_the_total(shelf: Merchant) -> NewOrder:
    order = shelf.new_order(voucher("V", 500), total=501)
    await shelf.accept(order)
    await shelf.hold(order)
    return order


async def not_paid_at_all(shelf: Merchant) -> NewOrder:
    order = shelf.new_order(total=500)
    await shelf.accept(order)
    await shelf.hold(order)
    return order


async def carrier_has_not_booked(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500), carrier=SANDBOX)
    await shelf.hold(order)
    return order


async def carrier_refused(shelf: Merchant) -> NewOrder:
    order = await carrier_has_not_booked(shelf)
    no = Refusal("parcel", "shipping_refused", "not there")
    await shelf.records.parcel_answered(parcel_of(order), order.parcel.id, no)
    return order


@pytest.mark.parametrize(
    "almost",
    [
        nothing_held,
        stock_alone_held,
        all_but_stock_held,
        all_but_the_parcel_held,
        out_of_stock,
        one_of_two_skus_missing,
        second_voucher_refused,
        card_not_asked,
        card_held_and_not_captured,
        card_waits_for_its_payer,
        card_declined,
        card_captured_for_less_than_it_was_asked,
        slip_paid_with_more_than_it_asked,
        card_partly_refunded_already,
        payments_of_less_than_the_total,
        not_paid_at_all,
        carrier_has_not_booked,
        carrier_refused,
    ],
    ids=lambda almost: almost.__name__,
)
async def test_a_confirm_without_every_yes_becomes_an_undo(
    shelf: Merchant, almost: Callable[[Merchant], Awaitable[NewOrder]]
) -> None:
    order = await almost(shelf)
    decision = await shelf.own_site.decide(order.id, None, nothing_else=False)
    assert decision.verdict == await shelf.verdict(order) == "undo"
    assert decision.failure is not None
    assert decision.failure.code == "not_held"
    assert decision.standing.status == "compensating"


async def test_an_order_with_every_yes_from_elsewhere_is_confirmed(shelf: Merchant) -> None:
    first, second = card(300), card(200)
    order = await shelf.order(voucher("V", 500), first, second, carrier=SANDBOX)
    await shelf.hold(order)
    booked = Booking(f"T-{order.id}")
    await shelf.records.parcel_answered(parcel_of(order), order.parcel.id, booked)
    for asked in (first, second):
        await shelf.authorize(order, asked)
        await shelf.capture(order, asked)
    assert (await shelf.confirm(order)).standing.payment_status == "captured"
