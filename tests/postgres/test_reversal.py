"""After confirm: the order is given back as a whole, once, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from ordersaga.errors import IllegalMove
from ordersaga.keys import Step, refund_step
from ordersaga.order import SANDBOX, NewOrder, NewPayment, Refusal
from ordersaga.ports import Booking
from tests.postgres.concurrency import Onlooker, break_down
from tests.postgres.merchant import CHANGED_MIND, Merchant, balance, card, parcel_of, voucher

ON_ITS_WAY = Refusal("parcel", "already_picked_up", "the carrier has it")


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100, cup=100)
    await merchant.put_voucher("V", 10_000)
    await merchant.put_credit(10_000)
    return merchant


async def sold(shelf: Merchant) -> NewOrder:
    """Two SKUs, two payments of ours, the merchant's parcel."""
    order = await shelf.order(voucher("V", 500), balance(300), lines=[("mug", 2), ("cup", 1)])
    assert (await shelf.buy(order)).verdict == "confirm"
    return order


async def sold_by_card(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """A card's and a voucher's, with the carrier's parcel."""
    asked = card(700)
    order = await shelf.order(asked, voucher("V", 500), carrier=SANDBOX)
    await shelf.hold(order)
    booked = Booking(f"T-{order.id}")
    await shelf.records.parcel_answered(parcel_of(order), order.parcel.id, booked)
    await shelf.authorize(order, asked)
    await shelf.capture(order, asked)
    assert (await shelf.confirm(order)).verdict == "confirm"
    return order, asked


async def test_a_reversal_puts_back_exactly_what_was_sold_and_paid(shelf: Merchant) -> None:
    order = await sold(shelf)
    standing = await shelf.give_back(order)
    assert (standing.status, standing.payment_status) == ("canceled", "refunded")
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.stock("cup") == (100, 100, 0)
    assert await shelf.spendable("voucher", "V") == 10_000
    assert await shelf.spendable("credit", order.customer_id) == 10_000
    stored = (await shelf.look(order)).state
    assert stored.fulfillment_status == "canceled"
    assert stored.failure is not None
    assert stored.failure["code"] == "canceled"


async def test_a_reversal_done_again_gives_nothing_back_twice(shelf: Merchant) -> None:
    order = await sold(shelf)
    first = await shelf.give_back(order)
    events = await shelf.events(order)
    assert await shelf.give_back(order) == first
    assert await shelf.own_site.reverse(order.id) == first
    assert await shelf.events(order) == events
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_many_reversals_at_once_give_back_once(shelf: Merchant) -> None:
    order = await sold(shelf)
    await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    standings = await asyncio.gather(*(shelf.own_site.reverse(order.id) for _ in range(6)))
    assert {s.status for s in standings} == {"canceled"}
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.spendable("credit", order.customer_id) == 10_000
    assert (await shelf.events(order)).count("stock.restocked") == 1


async def test_many_openings_at_once_open_one_reversal(shelf: Merchant) -> None:
    order = await sold(shelf)
    await asyncio.gather(*(shelf.own_site.open_reversal(order.id, CHANGED_MIND) for _ in range(6)))
    assert (await shelf.events(order)).count("order.reversing") == 1
    assert (await shelf.look(order)).state.status == "compensating"


async def test_a_reversal_that_breaks_down_at_its_last_moment_gave_nothing_back(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await sold(shelf)
    await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    await break_down(onlooker, order, lambda: shelf.own_site.reverse(order.id))
    assert await shelf.stock("mug") == (98, 98, 0)
    assert await shelf.spendable("voucher", "V") == 9_500
    assert (await shelf.own_site.reverse(order.id)).status == "canceled"
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_nothing_is_given_back_before_the_reversal_is_open(shelf: Merchant) -> None:
    order = await sold(shelf)
    with pytest.raises(IllegalMove):
        await shelf.own_site.reverse(order.id)
    assert await shelf.stock("mug") == (98, 98, 0)
    assert await shelf.spendable("voucher", "V") == 9_500
    assert (await shelf.give_back(order)).status == "canceled", "and it can be opened still"


async def test_an_order_not_confirmed_has_no_reversal(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    with pytest.raises(IllegalMove):
        await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    assert (await shelf.look(order)).state.status == "pending"


async def test_an_order_that_was_undone_is_left_alone_by_a_late_reversal(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    await shelf.undo(order)
    events = await shelf.events(order)
    await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    assert await shelf.events(order) == events


async def test_a_cards_money_is_told_back_before_the_order_ends(shelf: Merchant) -> None:
    order, asked = await sold_by_card(shelf)
    await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    refund = Step(order.id, refund_step(asked.plan.id))
    assert (await shelf.records.begin(refund)).vote is None
    for _ in range(2):
        await shelf.records.payment_given_back(
            refund, "hold", asked.plan.id, amount=700, to="payer"
        )
    begun = await shelf.records.begin(refund)
    assert begun.vote is not None, "asked again, it knows that it is done"
    assert (begun.vote.answer, begun.undone) == ("yes", False)
    assert (await shelf.look(order)).state.payment_status == "partially_refunded"
    standing = await shelf.own_site.reverse(order.id)
    assert (standing.status, standing.payment_status) == ("canceled", "refunded")


async def test_a_cancel_after_confirm_is_accepted_by_the_reversal(shelf: Merchant) -> None:
    order = await sold(shelf)
    await shelf.ask_to_cancel(order)
    assert await shelf.cancel_answers(order) == [None]
    await shelf.give_back(order)
    assert await shelf.cancel_answers(order) == ["accepted"]


async def test_a_cancel_after_confirm_is_refused_when_the_carrier_has_the_parcel(
    shelf: Merchant,
) -> None:
    order = await sold(shelf)
    await shelf.ask_to_cancel(order)
    await shelf.ask_to_cancel(order)
    for _ in range(2):
        await shelf.own_site.refuse_cancel(order.id, ON_ITS_WAY)
    assert await shelf.cancel_answers(order) == ["refused", "refused"]
    assert (await shelf.events(order)).count("cancel.refused") == 1
    assert (await shelf.look(order)).state.status == "confirmed"
    assert await shelf.spendable("voucher", "V") == 9_500


async def test_a_refusal_without_a_cancel_changes_nothing(shelf: Merchant) -> None:
    order = await sold(shelf)
    events = await shelf.events(order)
    await shelf.own_site.refuse_cancel(order.id, ON_ITS_WAY)
    assert await shelf.events(order) == events


async def test_after_a_refused_cancel_another_one_can_be_asked_and_accepted(
    shelf: Merchant,
) -> None:
    order = await sold(shelf)
    await shelf.ask_to_cancel(order)
    await shelf.own_site.refuse_cancel(order.id, ON_ITS_WAY)
    await shelf.ask_to_cancel(order)
    assert (await shelf.give_back(order)).status == "canceled"
    assert await shelf.cancel_answers(order) == ["refused", "accepted"]
