"""After confirm: the order is given back as a whole, once, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import pytest

from adapters.postgres.pool import transaction
from adapters.postgres.refunds import allocate
from adapters.postgres.requests import Undelivered, find_undelivered, read_answer, refuse
from adapters.postgres.shipping import store_shipped
from ordersaga.errors import IllegalMove
from ordersaga.keys import Step
from ordersaga.order import NewOrder, NewPayment, Refusal
from ordersaga.tracking import CARRIER_CANCELED, PARCEL_LOST, RETURNED_TO_SENDER
from tests.postgres.books import everything_of
from tests.postgres.concurrency import Onlooker, break_down
from tests.postgres.merchant import CHANGED_MIND, RETURN_WINDOW_S, Merchant, balance, card, voucher

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
    return await shelf.sent_order(asked, voucher("V", 500)), asked


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
    opened = await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    (plan,) = (plan for plan in opened.refunds if not plan.is_ours)
    assert (plan.payment_id, plan.amount) == (asked.plan.id, 700)
    refund = Step(order.id, plan.step)
    assert await shelf.records.begin(refund) is None
    for _ in range(2):
        await shelf.records.refunded(refund, plan, to="payer")
    answered = await shelf.records.begin(refund)
    assert answered is not None, "asked again, it knows that it is done"
    assert answered.answer == "yes"
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


# --- What goes back, and how it ends -----------------------------------------------------------------


async def shipped_by_merchant(shelf: Merchant) -> NewOrder:
    order = await sold(shelf)
    async with transaction(shelf.pool) as connection:
        await store_shipped(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            tracking_number=f"T-{order.id}",
            by="key_1",
        )
    return order


async def test_a_reversal_gives_back_what_is_left_of_every_payment(shelf: Merchant) -> None:
    order, asked = await sold_by_card(shelf)
    async with transaction(shelf.pool) as connection:
        locked = await shelf.look(order)
        await allocate(connection, locked, amount=600, cause="request", request_id="req_1")
    opened = await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    assert [(p.payment_id, p.amount) for p in opened.refunds] == [(asked.plan.id, 600)]
    await shelf.own_site.settle_refund("req_1")
    for plan in (*opened.refunds, *await shelf.own_site.requested_refunds("req_1")):
        await shelf.refund(order, plan)
    assert (await shelf.own_site.reverse(order.id)).payment_status == "refunded"
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_a_reversal_opened_again_says_what_is_still_to_do_and_why_it_was_opened(
    shelf: Merchant,
) -> None:
    order, asked = await sold_by_card(shelf)
    opened = await asyncio.gather(
        *(shelf.own_site.open_reversal(order.id, why) for why in (CHANGED_MIND, PARCEL_LOST) * 3)
    )
    assert len({(one.why, frozenset(one.refunds)) for one in opened}) == 1
    (others,) = (plan for plan in opened[0].refunds if plan.payment_id == asked.plan.id)
    await shelf.refund(order, others)
    again = await shelf.own_site.open_reversal(order.id, PARCEL_LOST)
    assert again.why == opened[0].why
    assert [plan.method for plan in again.refunds] == ["voucher"]
    await shelf.own_site.reverse(order.id)


@pytest.mark.parametrize(
    ("why", "parcel", "ending"),
    [
        (CHANGED_MIND, "canceled", "canceled"),
        (CARRIER_CANCELED, "canceled", "canceled"),
        (ON_ITS_WAY, "canceled", "canceled"),
        (RETURNED_TO_SENDER, "returned", "returned"),
        (PARCEL_LOST, "returned", "returned"),
    ],
    ids=lambda each: each.code if isinstance(each, Refusal) else each,
)
async def test_why_an_order_is_given_back_says_how_it_ends(
    shelf: Merchant, why: Refusal, parcel: str, ending: str
) -> None:
    order = await sold(shelf)
    standing = await shelf.give_back(order, why)
    state = (await shelf.look(order)).state
    assert (standing.status, state.fulfillment_status) == (ending, parcel)
    assert state.failure == asdict(why)
    on_shelf = 98 if why == PARCEL_LOST else 100
    assert await shelf.stock("mug") == (on_shelf, on_shelf, 0)
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_what_its_merchant_has_shipped_cannot_be_canceled(shelf: Merchant) -> None:
    order = await shipped_by_merchant(shelf)
    before = await everything_of(shelf, order)
    opened = await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    assert opened.refusal is not None
    assert (opened.refusal.code, opened.refunds) == ("already_shipped", ())
    assert await everything_of(shelf, order) == before


async def test_what_its_merchant_has_shipped_can_come_back(shelf: Merchant) -> None:
    order = await shipped_by_merchant(shelf)
    assert (await shelf.sees(order, "return_to_sender")).reversal == RETURNED_TO_SENDER
    standing = await shelf.give_back(order, RETURNED_TO_SENDER)
    assert (standing.status, standing.payment_status) == ("returned", "refunded")


async def test_an_order_that_its_buyer_has_completed_is_not_given_back(shelf: Merchant) -> None:
    order = await shelf.sent_order(voucher("V", 500))
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    before = await everything_of(shelf, order)
    opened = await shelf.own_site.open_reversal(order.id, RETURNED_TO_SENDER)
    assert opened.refusal is not None
    assert opened.refusal.code == "already_completed"
    assert (await shelf.own_site.reverse(order.id)).status == "completed"
    assert await everything_of(shelf, order) == before


async def test_a_cancel_that_its_workflow_may_have_forgotten_is_delivered_until_it_is_over(
    shelf: Merchant,
) -> None:
    """It is answered where it takes effect, in a task that can be lost after that."""
    order = await sold(shelf)
    await shelf.ask_to_cancel(order)
    await shelf.give_back(order)
    (undelivered,) = await undelivered_of(shelf, order)
    assert undelivered.is_over
    async with transaction(shelf.pool) as connection:
        await refuse(connection, undelivered.request.id)
    assert await undelivered_of(shelf, order) == []
    async with shelf.pool.acquire() as connection:
        assert await read_answer(connection, undelivered.request.id) == "accepted"


async def undelivered_of(shelf: Merchant, order: NewOrder) -> list[Undelivered]:
    async with shelf.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    return [each for each in found if each.order_id == order.id]
