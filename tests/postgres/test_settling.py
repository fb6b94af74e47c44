"""Goods that came back: their money follows them, exactly, and an order of which all came back is over."""

from __future__ import annotations

import asyncio

import pytest

from adapters.postgres.pool import transaction
from adapters.postgres.refunds import allocate, open_refunds
from ordersaga.errors import IllegalMove
from ordersaga.keys import new_id
from ordersaga.order import Line, NewOrder
from ordersaga.tracking import PARCEL_LOST, RETURNED_TO_SENDER
from tests.postgres.books import everything_of
from tests.postgres.concurrency import Onlooker, break_down
from tests.postgres.merchant import Merchant, card, voucher

# 3 × 1000 + 100 tax, 1 × 250, and 650 to bring them: 4,000 in all
GOODS = (Line("mug", 3, unit_price=1000, tax=100), Line("cup", 1, unit_price=250, tax=0))
FEE = 650
ALL_PAID = 4_000


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100, cup=100)
    await merchant.put_voucher("V", 10_000)
    return merchant


async def delivered(shelf: Merchant) -> NewOrder:
    """A card's 3,000 and a voucher's 1,000."""
    order = await shelf.sent_order(card(3_000), voucher("V", 1_000), priced=GOODS)
    assert order.shipping_fee == FEE
    await shelf.sees(order, "delivered")
    return order


async def back(shelf: Merchant, order: NewOrder, **units: int) -> str:
    """A return whose goods are here."""
    return_id = await shelf.ask_return(order, **units)
    await shelf.answer_return(order, return_id, "approve", "receive")
    return return_id


async def refund_others(shelf: Merchant, order: NewOrder, return_id: str) -> None:
    for plan in (await shelf.own_site.look_at_return(return_id)).refunds:
        if not plan.is_ours:
            await shelf.refund(order, plan)


# --- How it stands ---------------------------------------------------------------------------------


async def test_a_return_has_nothing_to_give_back_until_its_goods_are_here(shelf: Merchant) -> None:
    order = await delivered(shelf)
    return_id = await shelf.ask_return(order, mug=1)
    for status, word in (("requested", "approve"), ("approved", "receive")):
        standing = await shelf.own_site.look_at_return(return_id)
        assert (standing.status, standing.refunds) == (status, ())
        assert await shelf.own_site.settle_return(return_id) == status, "and is not settled"
        await shelf.answer_return(order, return_id, word)
    standing = await shelf.own_site.look_at_return(return_id)
    assert standing.status == "received"
    assert [(p.method, p.amount) for p in standing.refunds] == [("voucher", 1_000), ("card", 33)]


async def test_a_declined_return_gives_nothing_back(shelf: Merchant) -> None:
    order = await delivered(shelf)
    return_id = await shelf.ask_return(order, mug=1)
    await shelf.answer_return(order, return_id, "decline")
    before = await everything_of(shelf, order)
    assert (await shelf.own_site.look_at_return(return_id)).status == "declined"
    assert await shelf.own_site.settle_return(return_id) == "declined"
    assert await everything_of(shelf, order) == before


async def test_a_return_that_nobody_knows_is_a_callers_bug(shelf: Merchant) -> None:
    for ask in (shelf.own_site.look_at_return, shelf.own_site.settle_return):
        with pytest.raises(LookupError):
            await ask("ret_unknown")


# --- Settled ----------------------------------------------------------------------------------------


async def test_a_return_brings_back_its_goods_and_exactly_their_price_and_tax(
    shelf: Merchant,
) -> None:
    order = await delivered(shelf)
    return_id = await back(shelf, order, mug=2)
    assert await shelf.stock("mug") == (99, 99, 0)
    await refund_others(shelf, order, return_id)
    assert await shelf.own_site.settle_return(return_id) == "refunded"
    state = (await shelf.look(order)).state
    assert (state.status, state.payment_status) == ("delivered", "partially_refunded")
    assert sum(p.refunded for p in state.payments) == 2 * 1000 + 100 * 2 // 3
    assert await shelf.spendable("voucher", "V") == 10_000, "the newest payment first"


async def test_units_sent_back_one_by_one_come_to_exactly_what_was_paid(shelf: Merchant) -> None:
    order = await delivered(shelf)
    for sku in ("mug", "cup", "mug", "mug"):
        return_id = await back(shelf, order, **{sku: 1})
        await refund_others(shelf, order, return_id)
        assert await shelf.own_site.settle_return(return_id) == "refunded"
    state = (await shelf.look(order)).state
    assert (state.status, state.payment_status) == ("returned", "refunded")
    assert sum(p.refunded for p in state.payments) == ALL_PAID
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.stock("cup") == (100, 100, 0)
    assert (await shelf.events(order))[-2:] == ["return.refunded", "order.returned"]


async def test_an_order_is_returned_only_when_all_of_its_money_is_back_too(
    shelf: Merchant,
) -> None:
    order = await delivered(shelf)
    await shelf.own_site.complete(order.id)
    first, second = await back(shelf, order, mug=3), await back(shelf, order)
    await refund_others(shelf, order, second)
    await shelf.own_site.settle_return(second)
    assert (await shelf.look(order)).state.status == "completed", "the first one's is on its way"
    await refund_others(shelf, order, first)
    await shelf.own_site.settle_return(first)
    assert (await shelf.look(order)).state.status == "returned"


async def test_an_order_whose_money_went_back_stays_while_its_goods_do(shelf: Merchant) -> None:
    order = await delivered(shelf)
    request_id = new_id("req")
    async with transaction(shelf.pool) as connection:
        locked = await shelf.look(order)
        await allocate(connection, locked, amount=ALL_PAID, cause="request", request_id=request_id)
    for plan in await shelf.own_site.requested_refunds(request_id):
        if not plan.is_ours:
            await shelf.refund(order, plan)
    await shelf.own_site.settle_refund(request_id)
    state = (await shelf.look(order)).state
    assert (state.status, state.payment_status) == ("delivered", "refunded")
    return_id = await back(shelf, order)
    assert (await shelf.own_site.look_at_return(return_id)).refunds == (), "nothing is left"
    assert await shelf.own_site.settle_return(return_id) == "refunded"
    assert (await shelf.look(order)).state.status == "returned"


async def test_a_return_settled_again_gives_nothing_back_twice(shelf: Merchant) -> None:
    order = await delivered(shelf)
    return_id = await back(shelf, order)
    await refund_others(shelf, order, return_id)
    settled = await asyncio.gather(*(shelf.own_site.settle_return(return_id) for _ in range(5)))
    assert set(settled) == {"refunded"}
    before = await everything_of(shelf, order)
    assert await shelf.own_site.settle_return(return_id) == "refunded"
    assert await everything_of(shelf, order) == before
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_a_return_that_breaks_down_at_its_last_moment_gave_nothing_back(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await delivered(shelf)
    return_id = await back(shelf, order, mug=1)
    await break_down(onlooker, order, lambda: shelf.own_site.settle_return(return_id))
    assert (await shelf.own_site.look_at_return(return_id)).status == "received"
    assert await shelf.spendable("voucher", "V") == 9_000
    assert await shelf.own_site.settle_return(return_id) == "refunded"


async def test_two_returns_of_the_same_unit_that_race_bring_it_back_once(shelf: Merchant) -> None:
    order = await delivered(shelf)
    asked = await asyncio.gather(
        *(shelf.ask_return(order, cup=1) for _ in range(4)), return_exceptions=True
    )
    granted = [one for one in asked if isinstance(one, str)]
    assert len(granted) == 1


# --- Returns and reversals ----------------------------------------------------------------------------


async def test_a_parcel_that_comes_back_brings_what_its_returns_did_not(shelf: Merchant) -> None:
    order = await delivered(shelf)
    received = await back(shelf, order, mug=2)
    await refund_others(shelf, order, received)
    await shelf.own_site.settle_return(received)
    awaited = await shelf.ask_return(order, mug=1)
    await shelf.sees(order, "returned", hour=9)
    opened = await shelf.own_site.open_reversal(order.id, RETURNED_TO_SENDER)
    assert sum(plan.amount for plan in opened.refunds) == ALL_PAID - 2_066
    assert (await shelf.own_site.look_at_return(awaited)).status == "declined"
    for plan in opened.refunds:
        if not plan.is_ours:
            await shelf.refund(order, plan)
    standing = await shelf.own_site.reverse(order.id)
    assert (standing.status, standing.payment_status) == ("returned", "refunded")
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.stock("cup") == (100, 100, 0)


async def test_a_return_that_is_here_is_settled_while_its_order_is_given_back(
    shelf: Merchant,
) -> None:
    order = await delivered(shelf)
    received = await back(shelf, order, mug=1)
    opened = await shelf.own_site.open_reversal(order.id, RETURNED_TO_SENDER)
    assert sum(plan.amount for plan in opened.refunds) == ALL_PAID - 1_033
    assert open_refunds(await shelf.look(order), cause="return", return_id=received)
    await refund_others(shelf, order, received)
    assert await shelf.own_site.settle_return(received) == "refunded"
    assert (await shelf.look(order)).state.status == "compensating"
    for plan in opened.refunds:
        if not plan.is_ours:
            await shelf.refund(order, plan)
    assert (await shelf.own_site.reverse(order.id)).payment_status == "refunded"


async def test_goods_cannot_be_received_while_their_order_is_given_back(shelf: Merchant) -> None:
    order = await delivered(shelf)
    return_id = await shelf.ask_return(order, mug=1)
    await shelf.answer_return(order, return_id, "approve")
    await shelf.own_site.open_reversal(order.id, RETURNED_TO_SENDER)
    with pytest.raises(IllegalMove):
        await shelf.answer_return(order, return_id, "receive")
    assert await shelf.stock("mug") == (97, 97, 0)


async def test_a_lost_parcel_gives_its_money_back_and_no_goods(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(3_000), voucher("V", 1_000), priced=GOODS)
    await shelf.sees(order, "lost")
    opened = await shelf.own_site.open_reversal(order.id, PARCEL_LOST)
    for plan in opened.refunds:
        if not plan.is_ours:
            await shelf.refund(order, plan)
    standing = await shelf.own_site.reverse(order.id)
    assert (standing.status, standing.payment_status) == ("returned", "refunded")
    assert await shelf.stock("mug") == (97, 97, 0)
    assert "stock.restocked" not in await shelf.events(order)
