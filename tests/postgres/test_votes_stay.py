"""A vote once given stays, whatever a provider says later or a frozen attempt had heard before."""

from __future__ import annotations

import pytest

from ordersaga.order import Vote
from ordersaga.ports import MoneyState
from tests.postgres.merchant import DECLINED, Merchant, answer, card, new_reference, step_of


async def _asked(merchant: Merchant, first: MoneyState, then: MoneyState) -> tuple[Vote, Vote, str]:
    """Two answers of one provider about one hold, as two attempts write them down."""
    asked = card(500)
    order = await merchant.remote_order(asked)
    step, reference = step_of(order, asked), new_reference()
    await merchant.records.begin(step)
    await merchant.records.keep_reference(step, asked.plan.id, reference)
    votes = []
    for state in (first, then):
        refusal = DECLINED if state == "unconfirmed" else None
        told = answer(state, asked, reference=reference, refusal=refusal)
        votes.append(await merchant.records.payment_answered(step, asked.plan.id, told))
    (payment,) = (await merchant.look(order)).state.payments
    return votes[0], votes[1], payment.status


@pytest.mark.parametrize(
    ("first", "then", "stays", "status"),
    [
        ("unconfirmed", "held", "no", "failed"),  # the payer tries again after his no was heard
        ("held", "unconfirmed", "yes", "authorized"),  # a frozen attempt wakes with old news
    ],
)
async def test_a_later_answer_repeats_the_vote_and_moves_nothing(
    merchant: Merchant, first: MoneyState, then: MoneyState, stays: str, status: str
) -> None:
    vote, repeated, stands = await _asked(merchant, first, then)
    assert vote.answer == repeated.answer == stays
    assert stands == status
