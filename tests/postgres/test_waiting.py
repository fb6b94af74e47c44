"""A payer is waited for until a moment that is said once, and that no look at his payment moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.postgres.records import PostgresRecords
from ordersaga.methods import METHODS
from ordersaga.order import NewOrder, NewPayment, Vote
from ordersaga.ports import MoneyState, ProviderPayment
from tests.postgres.books import everything_of
from tests.postgres.merchant import (
    DECLINED,
    PAYER_PATIENCE_S,
    Merchant,
    answer,
    card,
    payment,
    step_of,
)

SOON = timedelta(minutes=1)


def slip(amount: int) -> NewPayment:
    return payment("boleto", amount, "tok_ok")


def waiting(asked: NewPayment, state: MoneyState = "requires_action") -> ProviderPayment:
    return replace(answer(state, asked), next_action={"type": "show"})


async def said(shelf: Merchant, order: NewOrder, answer: ProviderPayment) -> Vote:
    (asked,) = order.payments
    return await shelf.records.payment_answered(step_of(order, asked), asked.plan.id, answer)


async def stored_expiry(shelf: Merchant, order: NewOrder) -> datetime | None:
    async with shelf.pool.acquire() as connection:
        stored: datetime | None = await connection.fetchval(
            "select expires_at from payments where order_id = $1", order.id
        )
    return stored


@pytest.mark.parametrize("method", ["card", "debit_card", "alipay", "wechat_pay", "boleto"])
async def test_each_methods_payer_is_waited_for_as_long_as_the_method_says(
    merchant: Merchant, method: str
) -> None:
    asked = payment(method, 500, "tok_requires_action")
    order = await merchant.remote_order(asked)
    vote = await said(merchant, order, waiting(asked))
    expected = datetime.now(UTC) + timedelta(seconds=METHODS[method].payer_patience_s)
    assert vote.answer == "waiting"
    assert vote.expires_at is not None
    assert abs(vote.expires_at - expected) < SOON
    assert await stored_expiry(merchant, order) == vote.expires_at


async def test_a_slips_own_expiry_counts_with_the_time_its_money_may_be_under_way(
    merchant: Merchant,
) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    last_moment = datetime.now(UTC) + timedelta(days=2)
    vote = await said(merchant, order, replace(waiting(asked), expires_at=last_moment))
    clearing = timedelta(seconds=METHODS["boleto"].clearing_s)
    assert vote.expires_at == last_moment + clearing


async def test_nobody_is_waited_for_longer_than_the_shop_likes(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    hasty = PostgresRecords(merchant.pool, payer_patience_s=5)
    vote = await hasty.payment_answered(step_of(order, asked), asked.plan.id, waiting(asked))
    assert vote.expires_at is not None
    assert vote.expires_at < datetime.now(UTC) + SOON
    assert timedelta(seconds=PAYER_PATIENCE_S) > timedelta(seconds=5)


async def test_no_look_at_a_payment_moves_its_deadline(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    first = await said(merchant, order, waiting(asked))
    later = replace(waiting(asked, "processing"), expires_at=datetime.now(UTC) + timedelta(days=3))
    assert (await said(merchant, order, later)).expires_at == first.expires_at
    before = await everything_of(merchant, order)
    assert await said(merchant, order, later) == await said(merchant, order, later)
    assert await everything_of(merchant, order) == before


@pytest.mark.parametrize("state", ["held", "taken", "unconfirmed", "canceled"])
async def test_a_payer_who_has_acted_is_waited_for_no_more(
    merchant: Merchant, state: MoneyState
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await said(merchant, order, waiting(asked))
    refusal = DECLINED if state == "unconfirmed" else None
    vote = await said(merchant, order, answer(state, asked, refusal=refusal))
    assert (vote.answer, vote.expires_at) == ("yes" if state in ("held", "taken") else "no", None)
    assert await stored_expiry(merchant, order) is None
    (row,) = (await merchant.look(order)).payments
    assert row["next_action"] is None


async def test_a_payment_that_is_given_up_is_waited_for_no_more(merchant: Merchant) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    await said(merchant, order, waiting(asked))
    step = step_of(order, asked)
    await merchant.records.begin_undo(step)
    await merchant.records.payment_given_back(step, asked.plan.id, amount=0, to="payer")
    assert await stored_expiry(merchant, order) is None


async def test_a_late_word_of_a_payment_whose_order_is_over_makes_nobody_wait(
    merchant: Merchant,
) -> None:
    asked = slip(500)
    order = await merchant.remote_order(asked)
    await merchant.undo(order)
    before = await everything_of(merchant, order)
    await said(merchant, order, waiting(asked))
    assert await everything_of(merchant, order) == before
