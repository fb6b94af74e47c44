"""What steps at a provider write down: once, in whatever order answers and undos arrive."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from ordersaga.order import NewOrder, NewPayment, Refusal, Vote
from ordersaga.ports import Destination
from tests.postgres.concurrency import Onlooker, until_waiting
from tests.postgres.merchant import (
    DECLINED,
    Merchant,
    answer,
    card,
    new_reference,
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


# --- References ------------------------------------------------------------------------------------


async def test_a_reference_once_kept_is_the_one_that_counts(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step, first = step_of(order, asked), new_reference()
    await merchant.records.begin(step)
    assert await merchant.records.keep_reference(step, asked.plan.id, first) == first
    assert await merchant.records.keep_reference(step, asked.plan.id, new_reference()) == first
    assert (await merchant.records.payment(step, asked.plan.id)).reference == first


async def test_no_reference_is_kept_of_a_payment_that_was_undone(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    await merchant.records.begin_undo(step)
    assert await merchant.records.keep_reference(step, asked.plan.id, new_reference()) is None
    assert (await merchant.records.payment(step, asked.plan.id)).reference is None


async def keep_and_undo(
    merchant: Merchant, order: NewOrder, asked: NewPayment
) -> tuple[Callable[[], Awaitable[str | None]], Callable[[], Awaitable[str | None]]]:
    """The reference that may be asked by, and the one that its undo goes by."""
    step = step_of(order, asked)
    await merchant.records.begin(step)

    async def keep() -> str | None:
        return await merchant.records.keep_reference(step, asked.plan.id, new_reference())

    async def undo() -> str | None:
        assert await merchant.records.begin_undo(step) == "undo"
        return (await merchant.records.payment(step, asked.plan.id)).reference

    return keep, undo


async def test_an_undo_sees_the_reference_or_the_reference_is_refused_a_hundred_times(
    merchant: Merchant,
) -> None:
    """Else money would be asked for by a reference that no undo ever goes to."""
    seen: Counter[bool] = Counter()
    await merchant.put_stock(mug=10)
    for number in range(100):
        asked = card(500)
        order = await merchant.order(asked)
        keep, undo = await keep_and_undo(merchant, order, asked)
        if number % 2:
            kept, undone_by = await asyncio.gather(keep(), undo())
        else:
            undone_by, kept = await asyncio.gather(undo(), keep())
        assert kept == undone_by
        seen[kept is not None] += 1
    assert min(seen[True], seen[False]) > 0, "both came first sometimes, or nothing was raced"


async def test_an_undo_waits_for_the_reference_that_is_being_kept(
    merchant: Merchant, onlooker: Onlooker
) -> None:
    """The same race, held open at its narrowest point: the payment's row is locked by another."""
    asked = card(500)
    order = await merchant.remote_order(asked)
    keep, undo = await keep_and_undo(merchant, order, asked)
    async with onlooker.transaction():
        await onlooker.execute("select from payments where id = $1 for update", asked.plan.id)
        keeping = asyncio.ensure_future(keep())
        await until_waiting(onlooker)
        undoing = asyncio.ensure_future(undo())
        await asyncio.wait([undoing], timeout=0.1)
    kept = await keeping
    assert kept is not None
    assert await undoing == kept


# --- Holds and charges -----------------------------------------------------------------------------


async def test_a_hold_answered_twice_is_written_once(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    for _ in range(2):
        vote = await merchant.records.payment_answered(step, asked.plan.id, answer("held", asked))
        assert vote == Vote.yes(step.name, "pi_1")
    assert await stood(merchant, order) == ("authorized", 0, 0)
    assert (await merchant.events(order)).count("payment.authorized") == 1
    assert await merchant.records.begin(step) == vote


async def test_a_charge_answered_twice_is_taken_once(merchant: Merchant) -> None:
    asked = payment("alipay", 500, "tok_ok")
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    for _ in range(2):
        vote = await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))
        assert vote.answer == "yes"
    assert await stood(merchant, order) == ("captured", 500, 0)
    assert (await merchant.events(order)).count("payment.captured") == 1


async def test_a_decline_is_a_no_that_is_repeated(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    no = answer("unconfirmed", asked, refusal=DECLINED)
    for _ in range(2):
        vote = await merchant.records.payment_answered(step, asked.plan.id, no)
        assert vote == Vote.no(step.name, DECLINED)
    assert await stood(merchant, order) == ("failed", 0, 0)
    assert await merchant.records.begin(step) == vote


async def test_a_payment_the_provider_would_not_make_failed_once(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    for _ in range(2):
        vote = await merchant.records.payment_refused(step, asked.plan.id, DECLINED)
        assert vote.refusal == DECLINED
    assert await stood(merchant, order) == ("failed", 0, 0)
    assert (await merchant.events(order)).count("payment.failed") == 1


@pytest.mark.parametrize("state", ["requires_action", "processing"])
async def test_a_payment_that_waits_for_its_payer_is_asked_after_again(
    merchant: Merchant, state: str
) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.begin(step)
    waiting = answer("requires_action" if state == "requires_action" else "processing", asked)
    for _ in range(2):
        vote = await merchant.records.payment_answered(step, asked.plan.id, waiting)
        assert vote.answer == "waiting"
    assert await merchant.records.begin(step) is None, "no answer to repeat yet"
    assert await stood(merchant, order) == ("requires_action", 0, 0)
    paid = await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))
    assert paid.answer == "yes"
    assert await stood(merchant, order) == ("captured", 500, 0)


async def test_answers_that_arrive_in_the_wrong_order_take_nothing_back(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.authorize(order, asked)
    await merchant.capture(order, asked)
    for late in ("requires_action", "held"):
        state = answer("requires_action" if late == "requires_action" else "held", asked)
        await merchant.records.payment_answered(step, asked.plan.id, state)
    assert await stood(merchant, order) == ("captured", 500, 0)


# --- Captures ----------------------------------------------------------------------------------------


async def test_a_capture_answered_twice_is_taken_once(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    for _ in range(2):
        assert (await merchant.capture(order, asked)).answer == "yes"
    assert await stood(merchant, order) == ("captured", 500, 0)
    assert (await merchant.events(order)).count("payment.captured") == 1


@pytest.mark.parametrize("paid", [499, 501], ids=["short", "over"])
@pytest.mark.parametrize("asked_by", ["charge", "capture"])
async def test_money_of_another_amount_is_told_as_taken_and_is_a_no(
    merchant: Merchant, asked_by: str, paid: int
) -> None:
    asked = card(500) if asked_by == "capture" else slip(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    if asked_by == "capture":
        await merchant.authorize(order, asked)
    said = answer("taken", asked, captured=paid)
    for _ in range(2):
        vote = await (
            merchant.records.payment_captured(step, asked.plan.id, said)
            if asked_by == "capture"
            else merchant.records.payment_answered(step, asked.plan.id, said)
        )
        assert vote.refusal is not None
        assert vote.refusal.code == "wrong_amount"
    assert await stood(merchant, order) == ("captured", paid, 0), "what is there can go back"


async def test_a_refused_capture_is_a_no_and_leaves_the_hold_to_be_undone(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    step = step_of(order, asked)
    why = Refusal("payment", "capture_declined", "no")
    for _ in range(2):
        vote = await merchant.records.payment_captured(
            step, asked.plan.id, answer("held", asked, refusal=why)
        )
        assert vote == Vote.no(step.name, why)
    assert await stood(merchant, order) == ("authorized", 0, 0)
    assert (await merchant.events(order)).count("payment.refused") == 1
    await given_back(merchant, order, asked, 0)
    (only,) = (await merchant.look(order)).state.payments
    assert (only.status, only.failure_code) == ("failed", "capture_declined")


# --- What a step reads -----------------------------------------------------------------------------


async def test_a_payment_is_read_with_all_that_its_provider_is_asked_with(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.authorize(order, asked)
    await merchant.capture(order, asked)
    read = await merchant.records.payment(step, asked.plan.id)
    request = read.request
    assert (request.key, request.order_id, request.payment_id) == (
        step.key,
        order.id,
        asked.plan.id,
    )
    assert (request.method, request.token, request.amount, request.currency) == (
        "card",
        None,  # of no use any more: its provider knows it by its own name
        500,
        "BRL",
    )
    assert read.captured == 500
