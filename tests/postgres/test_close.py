"""An order that is undone elsewhere too ends when that is done, once."""

from __future__ import annotations

import asyncio

import pytest

from ordersaga.order import (
    NewOrder,
    NewPayment,
)
from tests.postgres.books import everything_of
from tests.postgres.merchant import (
    Merchant,
    card,
    step_of,
    voucher,
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    """Goods and vouchers enough."""
    await merchant.put_stock(mug=10_000)
    await merchant.put_voucher("V", 1_000_000)
    return merchant


async def undoing_elsewhere(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """Decided to be undone, with a card still to be given back."""
    asked = card(300)
    order = await shelf.held_order(voucher("V", 500), asked)
    await shelf.authorize(order, asked)
    decision = await shelf.undo(order, nothing_else=False)
    assert decision.standing.status == "compensating"
    assert await shelf.spendable("voucher", "V") == 1_000_000, "our own part is back at once"
    return order, asked


async def test_an_order_undone_elsewhere_too_ends_when_that_is_done(shelf: Merchant) -> None:
    order, asked = await undoing_elsewhere(shelf)
    await shelf.records.begin_undo(step_of(order, asked))
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    standing = await shelf.own_site.close(order.id)
    assert (standing.status, standing.payment_status) == ("rejected", "voided")


async def test_closing_again_changes_nothing(shelf: Merchant) -> None:
    order, asked = await undoing_elsewhere(shelf)
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    first = await shelf.own_site.close(order.id)
    before = await everything_of(shelf, order)
    assert await shelf.own_site.close(order.id) == first
    assert await everything_of(shelf, order) == before


async def test_many_closings_at_once_end_the_order_once(shelf: Merchant) -> None:
    order, asked = await undoing_elsewhere(shelf)
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    standings = await asyncio.gather(*(shelf.own_site.close(order.id) for _ in range(6)))
    assert {s.status for s in standings} == {"rejected"}
    assert (await shelf.events(order)).count("order.rejected") == 1


async def test_closing_an_order_that_ended_with_its_decision_changes_nothing(
    shelf: Merchant,
) -> None:
    order = await shelf.held_order(voucher("V", 500))
    decision = await shelf.undo(order)
    assert await shelf.own_site.close(order.id) == decision.standing


async def test_closing_cannot_end_a_confirmed_order_nor_one_not_decided(shelf: Merchant) -> None:
    for confirmed in (True, False):
        order = await shelf.held_order(voucher("V", 500))
        if confirmed:
            await shelf.confirm(order)
        before = await everything_of(shelf, order)
        standing = await shelf.own_site.close(order.id)
        assert standing.status == ("confirmed" if confirmed else "pending")
        assert await everything_of(shelf, order) == before


async def test_a_cancel_of_an_order_undone_elsewhere_is_answered_when_it_ends(
    shelf: Merchant,
) -> None:
    asked = card(300)
    order = await shelf.held_order(asked)
    await shelf.authorize(order, asked)
    await shelf.ask_to_cancel(order)
    await shelf.own_site.decide(order.id, None, nothing_else=False)
    assert await shelf.cancel_answers(order) == [None]
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    assert (await shelf.own_site.close(order.id)).status == "canceled"
    assert await shelf.cancel_answers(order) == ["accepted"]
