"""The decision: one row an order, by whoever comes first, and everybody follows it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from functools import partial

import pytest

from ordersaga.errors import IllegalMove
from ordersaga.order import (
    PROVIDER_UNAVAILABLE,
    Decision,
    NewOrder,
    Refusal,
)
from tests.postgres.books import everything_of
from tests.postgres.concurrency import Onlooker, at_once, break_down
from tests.postgres.merchant import (
    CHANGED_MIND,
    DECLINED,
    Merchant,
    balance,
    card,
    parcel_of,
    step_of,
    voucher,
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    """Goods and vouchers enough."""
    await merchant.put_stock(mug=10_000)
    await merchant.put_voucher("V", 1_000_000)
    return merchant


# --- Confirm and undo --------------------------------------------------------------------------


async def test_confirm_takes_everything_that_our_site_holds(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    decision = await shelf.confirm(order)
    assert (decision.verdict, decision.failure) == ("confirm", None)
    assert (decision.standing.status, decision.standing.payment_status) == ("confirmed", "captured")
    stored = (await shelf.look(order)).state
    assert stored.fulfillment_status == "booked"
    assert stored.paid_at is not None
    assert stored.paid_at == stored.confirmed_at


async def test_undo_gives_everything_back_and_keeps_why(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    decision = await shelf.undo(order)
    assert (decision.verdict, decision.failure) == ("undo", DECLINED)
    stored = (await shelf.look(order)).state
    assert (stored.status, stored.payment_status, stored.fulfillment_status) == (
        "rejected",
        "voided",
        "canceled",
    )
    assert stored.failure == {
        "participant": "payment",
        "code": "card_declined",
        "detail": "Your card was declined.",
    }


async def test_an_order_of_which_nothing_was_held_is_undone_all_the_same(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500), card(300))
    decision = await shelf.undo(order)
    assert (decision.standing.status, decision.standing.payment_status) == ("rejected", "voided")


@pytest.mark.parametrize(
    ("why", "ending"),
    [
        (DECLINED, "rejected"),
        (Refusal("stock", "out_of_stock", "none left"), "rejected"),
        (CHANGED_MIND, "canceled"),
        (Refusal("payment", "payment_expired", "nobody paid in time"), "canceled"),
        (Refusal("payment", PROVIDER_UNAVAILABLE, "no answer in time"), "canceled"),
    ],
    ids=lambda each: each.code if isinstance(each, Refusal) else each,
)
async def test_a_no_ends_as_rejected_and_a_withdrawal_or_a_deadline_as_canceled(
    shelf: Merchant, why: Refusal, ending: str
) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    assert (await shelf.undo(order, why)).standing.status == ending


async def test_an_undo_names_what_others_may_have_been_asked_for_whoever_asked(
    shelf: Merchant,
) -> None:
    """A workflow's task that is lost has forgotten what it asked, and says that it asked nothing."""
    asked, not_asked = card(300), card(200)
    order = await shelf.remote_order(voucher("V", 500), asked, not_asked)
    await shelf.records.begin(step_of(order, asked))
    decision = await shelf.undo(order, nothing_else=True)
    assert decision.began == (asked.plan.step,)
    assert decision.standing.status == "compensating", "that has to be undone before it ends"
    assert (await shelf.undo(order)).began == decision.began, "and whoever comes later is told too"
    late = await shelf.records.begin(step_of(order, not_asked))
    assert late is not None, "the other is never asked any more"
    assert late.refusal is not None
    assert late.refusal.code == "too_late"


async def test_an_undo_names_a_parcel_that_a_carrier_may_have(shelf: Merchant) -> None:
    order = await shelf.remote_order(voucher("V", 500))
    await shelf.records.begin(parcel_of(order))
    assert (await shelf.undo(order)).began == (order.parcel.step,)


async def test_a_confirm_names_nothing(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    assert (await shelf.confirm(order)).began == ()


@pytest.mark.parametrize("first", ["confirm", "undo"])
async def test_a_decision_made_again_is_the_stored_one_and_changes_nothing(
    shelf: Merchant, first: str
) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.hold(order)
    stored = await (shelf.confirm(order) if first == "confirm" else shelf.undo(order))
    before = await everything_of(shelf, order)
    assert await shelf.confirm(order) == stored
    assert await shelf.undo(order, CHANGED_MIND) == stored
    assert await everything_of(shelf, order) == before


async def test_a_decision_read_later_tells_where_the_order_stands_by_then(
    shelf: Merchant,
) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.buy(order)
    await shelf.give_back(order)
    again = await shelf.confirm(order)
    assert (again.verdict, again.standing.status) == ("confirm", "canceled")


async def test_a_free_order_is_confirmed_without_a_payment(shelf: Merchant) -> None:
    order = await shelf.order()
    assert (await shelf.buy(order)).standing.status == "confirmed"


async def test_a_split_tender_of_our_own_money_is_undone_to_each_account(shelf: Merchant) -> None:
    await shelf.put_credit(800)
    await shelf.put_voucher("W", 200)
    order = await shelf.held_order(balance(800), voucher("W", 200))
    await shelf.undo(order)
    assert await shelf.spendable("credit", order.customer_id) == 800
    assert await shelf.spendable("voucher", "W") == 200


# --- Cancel --------------------------------------------------------------------------------------


async def test_a_stored_cancel_turns_a_confirm_into_an_undo(shelf: Merchant) -> None:
    order = await shelf.held_order(voucher("V", 500))
    await shelf.ask_to_cancel(order)
    decision = await shelf.confirm(order)
    assert decision.verdict == "undo"
    assert decision.failure == Refusal("customer", "canceled", "canceled by request")
    assert decision.standing.status == "canceled"
    assert await shelf.cancel_answers(order) == ["accepted"]


async def test_a_cancel_asked_twice_is_answered_twice_and_done_once(shelf: Merchant) -> None:
    order = await shelf.held_order(voucher("V", 500))
    await shelf.ask_to_cancel(order)
    await shelf.ask_to_cancel(order)
    await shelf.confirm(order)
    assert await shelf.cancel_answers(order) == ["accepted", "accepted"]
    assert (await shelf.events(order)).count("order.canceled") == 1


async def test_a_cancel_after_the_decision_changes_no_decision(shelf: Merchant) -> None:
    order = await shelf.held_order(voucher("V", 500))
    await shelf.confirm(order)
    await shelf.ask_to_cancel(order)
    assert (await shelf.confirm(order)).verdict == "confirm"
    assert await shelf.cancel_answers(order) == [None]


async def test_a_no_that_somebody_gave_counts_more_than_a_cancel_that_came_with_it(
    shelf: Merchant,
) -> None:
    order = await shelf.held_order(voucher("V", 500))
    await shelf.ask_to_cancel(order)
    assert (await shelf.undo(order)).failure == DECLINED
    assert await shelf.cancel_answers(order) == ["accepted"]


async def test_a_cancel_cannot_be_asked_of_an_order_that_is_over(shelf: Merchant) -> None:
    order = await shelf.held_order(voucher("V", 500))
    await shelf.undo(order)
    with pytest.raises(IllegalMove) as refused:
        await shelf.ask_to_cancel(order)
    assert refused.value.allowed == ()


# --- Two at once -------------------------------------------------------------------------------


async def test_confirm_and_undo_race_two_hundred_times_and_one_wins_each(shelf: Merchant) -> None:
    await shelf.buy(await shelf.order(voucher("V", 1)))  # from here on the house has accounts
    orders = [shelf.new_order(voucher("V", 500)) for _ in range(200)]
    await shelf.accept(*orders)
    chosen: Counter[str] = Counter()

    async def race(number: int, order: NewOrder) -> None:
        await shelf.hold(order)
        rivals = [partial(shelf.confirm, order), partial(shelf.undo, order)]
        if number % 2:
            rivals.reverse()
        decisions: list[Decision] = await asyncio.gather(*(rival() for rival in rivals))
        assert decisions[0] == decisions[1], "the loser follows"
        stored = await shelf.verdict(order)
        assert decisions[0].verdict == stored
        state = (await shelf.look(order)).state
        if stored == "confirm":
            assert (state.status, state.payment_status) == ("confirmed", "captured")
        else:
            assert (state.status, state.payment_status) == ("rejected", "voided")
        chosen[stored] += 1

    await at_once([partial(race, i, o) for i, o in enumerate(orders)], most=8)
    assert min(chosen["confirm"], chosen["undo"]) > 0, "both won sometimes, or nothing was raced"
    assert (await shelf.stock("mug"))[0] == 10_000 - 1 - chosen["confirm"]
    assert await shelf.spendable("voucher", "V") == 1_000_000 - 1 - 500 * chosen["confirm"]


async def test_cancel_and_confirm_race_and_the_cancel_is_kept_or_comes_too_late(
    shelf: Merchant,
) -> None:
    await shelf.buy(await shelf.order(voucher("V", 1)))
    for number in range(40):
        order = await shelf.held_order(voucher("V", 500))
        rivals: list[Awaitable[object]] = [shelf.ask_to_cancel(order), shelf.confirm(order)]
        await asyncio.gather(*(rivals if number % 2 else rivals[::-1]))
        verdict = await shelf.verdict(order)
        answers = await shelf.cancel_answers(order)
        assert (verdict, answers) in [("undo", ["accepted"]), ("confirm", [None])]


# --- Breaking down -------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["confirm", "undo"])
async def test_a_decision_that_breaks_down_at_its_last_moment_decided_nothing(
    shelf: Merchant, onlooker: Onlooker, verdict: str
) -> None:
    order = await shelf.held_order(voucher("V", 500))
    before = await everything_of(shelf, order)
    decide = shelf.confirm if verdict == "confirm" else shelf.undo
    await break_down(onlooker, order, lambda: decide(order))
    assert await everything_of(shelf, order) == before
    assert await shelf.verdict(order) is None
    other = shelf.undo if verdict == "confirm" else shelf.confirm
    assert (await other(order)).verdict != verdict, "nobody is bound by what was not decided"
