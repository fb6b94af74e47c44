"""What goes back after confirm: never more than was taken, to the minor unit, each row once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres import refunds
from adapters.postgres.give_backs import FIRST_REQUEST_ID, find_open_refund_requests
from adapters.postgres.history import lock_order
from adapters.postgres.pool import transaction
from adapters.postgres.requests import store_attention
from ordersaga.giving_back import TooMuch
from ordersaga.keys import Step, new_id
from ordersaga.order import NewOrder, OrderRequest, RefundPlan, Vote
from tests.postgres.books import everything_of
from tests.postgres.concurrency import Onlooker, break_down
from tests.postgres.merchant import (
    CUSTOMER,
    RETURN_WINDOW_S,
    Merchant,
    balance,
    card,
    payment,
    voucher,
)

SPLITS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=10_000)
    await merchant.put_voucher("V", 10_000_000)
    await merchant.put_credit(10_000)
    return merchant


async def asked(shelf: Merchant, order: NewOrder, amount: int) -> tuple[str, list[RefundPlan]]:
    """What an operator gives back; and by which request."""
    request_id = new_id("req")
    async with transaction(shelf.pool) as connection:
        locked = await lock_order(connection, order.id)
        plans = await refunds.allocate(
            connection, locked, amount=amount, cause="request", request_id=request_id
        )
    return request_id, list(plans)


async def left(shelf: Merchant, order: NewOrder) -> list[int]:
    """Of each payment, newest first."""
    return [share.amount for share in refunds.left_to_give_back(await shelf.look(order))]


# --- What goes back of which payment -----------------------------------------------------------------


async def test_money_goes_back_to_the_newest_payment_first(shelf: Merchant) -> None:
    first, second = card(700), card(300)
    order = await shelf.sent_order(first, second)
    _, plans = await asked(shelf, order, 450)
    assert [(p.payment_id, p.amount, p.method) for p in plans] == [
        (second.plan.id, 300, "card"),
        (first.plan.id, 150, "card"),
    ]
    assert await left(shelf, order) == [550]
    _, more = await asked(shelf, order, 550)
    assert [(p.payment_id, p.amount) for p in more] == [(first.plan.id, 550)]
    assert await left(shelf, order) == []


async def test_more_than_is_left_is_refused_and_nothing_is_written(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(700), voucher("V", 300))
    await asked(shelf, order, 600)
    before = await everything_of(shelf, order)
    with pytest.raises(TooMuch) as refused:
        await asked(shelf, order, 401)
    assert refused.value.left == 400
    assert await everything_of(shelf, order) == before


async def test_nothing_is_left_of_an_order_that_was_undone(shelf: Merchant) -> None:
    paid = payment("alipay", 500, "tok_ok")
    order = await shelf.remote_order(paid)
    await shelf.records.payment_given_back(
        Step(order.id, paid.plan.step), paid.plan.id, amount=500, to="payer"
    )
    assert await left(shelf, order) == []


async def test_refunds_that_race_never_come_to_more_than_was_taken(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(700), voucher("V", 300))

    async def one() -> bool:
        try:
            await asked(shelf, order, 130)
        except TooMuch:
            return False
        return True

    granted = await asyncio.gather(*(one() for _ in range(12)))
    assert sum(granted) == 1000 // 130
    assert sum(await left(shelf, order)) == 1000 - 130 * sum(granted)


@SPLITS
@given(
    paid=st.lists(st.integers(1, 1_000_000), min_size=1, max_size=3),
    cuts=st.lists(st.integers(1, 1_000_000), min_size=1, max_size=4),
)
async def test_whatever_is_given_back_in_parts_comes_to_exactly_what_was_taken(
    shelf: Merchant, paid: Sequence[int], cuts: Sequence[int]
) -> None:
    total = sum(paid)
    await shelf.put_voucher(code := new_id("v"), total)
    order = await shelf.sent_order(*(voucher(code, amount) for amount in paid))
    for cut in cuts:
        remains = sum(await left(shelf, order))
        if remains:
            request_id, plans = await asked(shelf, order, min(cut, remains))
            assert sum(plan.amount for plan in plans) == min(cut, remains)
            await shelf.own_site.settle_refund(request_id)
    state = (await shelf.look(order)).state
    assert await shelf.spendable("voucher", code) == sum(p.refunded for p in state.payments)
    await shelf.give_back(order)
    assert await shelf.spendable("voucher", code) == total
    assert (await shelf.look(order)).state.payment_status == "refunded"


# --- Refunds at a provider -----------------------------------------------------------------------------


async def test_a_part_of_a_payment_goes_back_as_partially_refunded_and_the_rest_as_refunded(
    shelf: Merchant,
) -> None:
    order = await shelf.sent_order(card(700))
    for amount, told in ((200, "payment.partially_refunded"), (500, "payment.refunded")):
        _, (plan,) = await asked(shelf, order, amount)
        await shelf.refund(order, plan)
        assert (await shelf.events(order))[-1] == told
    (paid,) = (await shelf.look(order)).state.payments
    assert (paid.status, paid.captured, paid.refunded) == ("refunded", 700, 700)


async def test_a_refund_done_again_is_written_once(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(700))
    _, (plan,) = await asked(shelf, order, 200)
    step = Step(order.id, plan.step)
    assert await shelf.records.begin(step) is None
    assert await shelf.records.begin(step) is None, "begun, and not known to be done"
    await shelf.records.refunded(step, plan, to="payer")
    before = await everything_of(shelf, order)
    for _ in range(2):
        answered = await shelf.records.begin(step)
        assert answered is not None
        assert answered.answer == "yes"
        await shelf.records.refunded(step, plan, to="payer")
    assert await everything_of(shelf, order) == before


async def test_history_says_where_the_money_went_and_by_which_refund(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await shelf.sent_order(card(700))
    _, (plan,) = await asked(shelf, order, 200)
    await shelf.refund(order, plan)
    data = await onlooker.fetchval(
        "select data::text from order_events where order_id = $1 order by sequence desc limit 1",
        order.id,
    )
    for said in (plan.id, plan.payment_id, '"amount": 200', '"to": "payer"'):
        assert said in data
    row = await onlooker.fetchrow("select * from refunds where id = $1", plan.id)
    assert row is not None
    assert (row["destination"], row["refunded_at"] is not None) == ("payer", True)


async def test_a_slips_refund_becomes_store_credit_once(shelf: Merchant) -> None:
    order = await shelf.sent_order(payment("boleto", 700, "tok_ok"))
    _, (plan,) = await asked(shelf, order, 250)
    await asyncio.gather(*(shelf.refund(order, plan, to="store_credit") for _ in range(4)))
    assert await shelf.spendable("credit", CUSTOMER) == 10_250
    (paid,) = (await shelf.look(order)).state.payments
    assert (paid.status, paid.refunded) == ("partially_refunded", 250)


async def test_a_refund_that_nobody_allocated_is_not_made(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(700))
    before = await everything_of(shelf, order)
    invented = RefundPlan(new_id("rfd"), order.payments[0].plan.id, "card", 700)
    answered = await shelf.records.begin(Step(order.id, invented.step))
    assert answered is not None
    assert answered.answer == "no"
    await shelf.records.refunded(Step(order.id, invented.step), invented, to="payer")
    assert await everything_of(shelf, order) == before


async def test_another_orders_refund_is_not_made_for_this_one(shelf: Merchant) -> None:
    order, other = await shelf.sent_order(card(700)), await shelf.sent_order(card(700))
    _, (plan,) = await asked(shelf, other, 700)
    answered = await shelf.records.begin(Step(order.id, plan.step))
    assert answered is not None
    assert answered.answer == "no"


async def test_a_refund_is_made_also_after_its_order_is_over(shelf: Merchant) -> None:
    order = await shelf.sent_order(card(700))
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    _, (plan,) = await asked(shelf, order, 700)
    assert await shelf.records.begin(Step(order.id, plan.step)) is None
    await shelf.refund(order, plan)
    state = (await shelf.look(order)).state
    assert (state.status, state.payment_status) == ("completed", "refunded")


async def test_a_refund_that_keeps_failing_calls_a_person_until_it_is_made(
    shelf: Merchant,
) -> None:
    order = await shelf.sent_order(card(700))
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    _, (plan,) = await asked(shelf, order, 700)
    await shelf.records.raise_attention(order.id, plan.step, "ProviderUnavailable", 5)
    mark = (await shelf.look(order)).state.attention
    assert mark is not None
    assert (mark["step"], mark["actions"]) == (plan.step, ["retry", "skip"])
    await shelf.refund(order, plan)
    assert (await shelf.look(order)).state.attention is None
    await shelf.records.raise_attention(order.id, plan.step, "ProviderUnavailable", 6)
    assert (await shelf.look(order)).state.attention is None, "a late failure calls nobody"


async def test_a_refund_that_an_operator_gave_up_is_not_made_by_another_workflow(
    shelf: Merchant,
) -> None:
    order = await shelf.sent_order(card(700))
    request_id, (plan,) = await asked(shelf, order, 700)
    await shelf.records.raise_attention(order.id, plan.step, "ProviderUnavailable", 5)
    word = OrderRequest(new_id("req"), "attention", "key_1", step=plan.step, action="skip")
    async with transaction(shelf.pool) as connection:
        await store_attention(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=word,
            note="by hand",
        )
        found = await find_open_refund_requests(
            connection, after=FIRST_REQUEST_ID, older_than_s=-1, undo_retry_cap_s=1, limit=10_000
        )
    assert await shelf.records.begin(Step(order.id, plan.step)) == Vote.yes(plan.step)
    assert request_id not in {one.id for one in found}
    (paid,) = (await shelf.look(order)).state.payments
    assert paid.refunded == 0, "our books say what is so"


# --- What an operator gives back -----------------------------------------------------------------------


async def test_an_operators_refund_goes_back_to_our_own_accounts_and_others_payments(
    shelf: Merchant,
) -> None:
    order = await shelf.sent_order(card(700), voucher("V", 300))
    request_id, plans = await asked(shelf, order, 400)
    assert await shelf.own_site.requested_refunds(request_id) == tuple(plans)
    ours, others = plans
    assert (ours.is_ours, others.is_ours) == (True, False)
    await shelf.refund(order, others)
    assert await shelf.own_site.requested_refunds(request_id) == (ours,)
    for _ in range(2):
        await shelf.own_site.settle_refund(request_id)
    assert await shelf.own_site.requested_refunds(request_id) == ()
    assert await shelf.spendable("voucher", "V") == 10_000_000
    state = (await shelf.look(order)).state
    assert (state.status, state.payment_status) == ("confirmed", "partially_refunded")
    assert [p.refunded for p in state.payments] == [100, 300]


async def test_store_credit_is_given_back_in_parts(shelf: Merchant) -> None:
    order = await shelf.sent_order(balance(900))
    for amount in (1, 333):
        request_id, _ = await asked(shelf, order, amount)
        await shelf.own_site.settle_refund(request_id)
    assert await shelf.spendable("credit", CUSTOMER) == 10_000 - 900 + 334


async def test_many_settle_an_operators_refund_at_once_and_it_goes_back_once(
    shelf: Merchant,
) -> None:
    order = await shelf.sent_order(voucher("V", 300))
    request_id, _ = await asked(shelf, order, 200)
    await asyncio.gather(*(shelf.own_site.settle_refund(request_id) for _ in range(6)))
    assert await shelf.spendable("voucher", "V") == 10_000_000 - 100
    assert (await shelf.events(order)).count("payment.partially_refunded") == 1


async def test_a_refund_that_breaks_down_at_its_last_moment_gave_nothing_back(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await shelf.sent_order(voucher("V", 300))
    request_id, plans = await asked(shelf, order, 200)
    await break_down(onlooker, order, lambda: shelf.own_site.settle_refund(request_id))
    assert await shelf.own_site.requested_refunds(request_id) == tuple(plans)
    assert await shelf.spendable("voucher", "V") == 10_000_000 - 300


async def test_a_request_that_nobody_knows_gives_nothing_back(shelf: Merchant) -> None:
    assert await shelf.own_site.requested_refunds("req_unknown") == ()
    await shelf.own_site.settle_refund("req_unknown")
