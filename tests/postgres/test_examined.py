"""A payment that nobody waits for: late money goes back once, and what we cannot mend calls a person."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from adapters.postgres.pool import transaction
from adapters.postgres.requests import store_attention
from ordersaga import keys
from ordersaga.keys import Step, new_id
from ordersaga.messages import PaymentNews
from ordersaga.order import NewOrder, NewPayment, OrderRequest, RefundPlan
from ordersaga.ports import Destination, MoneyState, ProviderPayment
from tests.postgres.books import everything_of
from tests.postgres.merchant import (
    CUSTOMER,
    DECLINED,
    RETURN_WINDOW_S,
    Merchant,
    answer,
    card,
    payment,
    step_of,
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100)
    return merchant


def slip(amount: int) -> NewPayment:
    return payment("boleto", amount, "tok_ok")


async def examined(
    shelf: Merchant, asked: NewPayment, seen: ProviderPayment, type_: str = "payment.captured"
) -> tuple[RefundPlan, ...]:
    news = PaymentNews(new_id("evt"), type_, asked.plan.id)
    return await shelf.records.payment_examined(news, seen)


async def expired(shelf: Merchant, asked: NewPayment) -> NewOrder:
    """Its payer had not acted in time: canceled at the provider and here."""
    order = await shelf.remote_order(asked)
    step = step_of(order, asked)
    await shelf.records.begin(step)
    await shelf.records.payment_answered(step, asked.plan.id, answer("requires_action", asked))
    await shelf.undo(order, DECLINED, nothing_else=False)
    await shelf.records.begin_undo(step)
    await shelf.records.payment_given_back(step, asked.plan.id, amount=0, to="payer")
    return order


# --- Late money ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_over", [False, True])
async def test_money_that_came_after_its_payment_was_given_up_goes_back_and_is_told(
    shelf: Merchant, is_over: bool
) -> None:
    asked = slip(500)
    order = await expired(shelf, asked)
    if is_over:
        await shelf.own_site.close(order.id)
    (plan,) = await examined(shelf, asked, answer("taken", asked))
    assert (plan.payment_id, plan.amount, plan.method) == (asked.plan.id, 500, "boleto")
    assert (await shelf.events(order))[-1] == "payment.captured"
    await shelf.refund(order, plan, to="store_credit")
    assert await shelf.spendable("credit", CUSTOMER) == 500
    (paid,) = (await shelf.look(order)).state.payments
    assert (paid.status, paid.captured, paid.refunded) == ("refunded", 500, 500)
    if not is_over:
        await shelf.own_site.close(order.id)
    assert (await shelf.look(order)).state.payment_status == "refunded"


async def test_late_money_that_is_heard_of_again_goes_back_once(shelf: Merchant) -> None:
    asked = slip(500)
    order = await expired(shelf, asked)
    await shelf.own_site.close(order.id)
    heard = await asyncio.gather(
        *(examined(shelf, asked, answer("taken", asked)) for _ in range(6))
    )
    assert len(set(heard)) == 1, "each is told of the one refund that is to do"
    ((plan,),) = set(heard)
    await shelf.refund(order, plan, to="store_credit")
    before = await everything_of(shelf, order)
    assert await examined(shelf, asked, answer("taken", asked)) == ()
    assert await everything_of(shelf, order) == before


async def test_all_of_an_overpaid_slip_goes_back(shelf: Merchant) -> None:
    asked = slip(500)
    order = await expired(shelf, asked)
    (plan,) = await examined(shelf, asked, answer("taken", asked, captured=650))
    assert plan.amount == 650
    await shelf.refund(order, plan, to="store_credit")
    await shelf.own_site.close(order.id)


async def test_money_that_came_after_its_payment_was_refused_goes_back(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.remote_order(asked)
    step = step_of(order, asked)
    await shelf.records.begin(step)
    await shelf.records.payment_answered(
        step, asked.plan.id, answer("unconfirmed", asked, refusal=DECLINED)
    )
    await shelf.undo(order, nothing_else=False)
    assert await examined(shelf, asked, answer("taken", asked)) == (), "its undo finds it"
    await shelf.records.begin_undo(step)
    assert await examined(shelf, asked, answer("taken", asked)) == (), "its undo is under way"
    await shelf.records.payment_given_back(step, asked.plan.id, amount=0, to="payer")
    (plan,) = await examined(shelf, asked, answer("taken", asked))
    await shelf.refund(order, plan)
    await shelf.own_site.close(order.id)


async def test_money_of_an_undo_that_an_operator_gave_up_goes_back_when_it_is_seen(
    shelf: Merchant,
) -> None:
    asked = card(500)
    order = await shelf.remote_order(asked)
    await shelf.authorize(order, asked)
    await shelf.undo(order, nothing_else=False)
    await shelf.records.begin_undo(step_of(order, asked))
    await shelf.own_site.close(order.id)
    (plan,) = await examined(shelf, asked, answer("taken", asked))
    await shelf.refund(order, plan)
    (paid,) = (await shelf.look(order)).state.payments
    assert paid.status == "refunded"


@pytest.mark.parametrize("state", ["canceled", "unconfirmed", "requires_action", "processing"])
async def test_a_given_up_payment_of_which_nothing_was_taken_changes_nothing(
    shelf: Merchant, state: MoneyState
) -> None:
    asked = slip(500)
    order = await expired(shelf, asked)
    before = await everything_of(shelf, order)
    seen = replace(answer("canceled", asked), state=state)
    assert await examined(shelf, asked, seen, "payment.failed") == ()
    assert await everything_of(shelf, order) == before
    await shelf.own_site.close(order.id)


async def test_a_payment_that_is_as_our_tables_say_changes_nothing(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    before = await everything_of(shelf, order)
    for type_ in ("payment.authorized", "payment.captured", "payment.refunded"):
        assert await examined(shelf, asked, answer("taken", asked), type_) == ()
    assert await everything_of(shelf, order) == before


async def test_a_payment_that_waits_is_left_to_whoever_waits(shelf: Merchant) -> None:
    asked = slip(500)
    order = await shelf.remote_order(asked)
    step = step_of(order, asked)
    await shelf.records.payment_answered(step, asked.plan.id, answer("requires_action", asked))
    before = await everything_of(shelf, order)
    assert await examined(shelf, asked, answer("taken", asked)) == ()
    assert await everything_of(shelf, order) == before


# --- Disputes ----------------------------------------------------------------------------------------


async def mark_of(shelf: Merchant, order: NewOrder) -> tuple[str, object] | None:
    mark = (await shelf.look(order)).state.attention
    return None if mark is None else (str(mark["step"]), mark["actions"])


async def skip(shelf: Merchant, order: NewOrder, step: str) -> None:
    request = OrderRequest(new_id("req"), "attention", "key_1", step=step, action="skip")
    async with transaction(shelf.pool) as connection:
        await store_attention(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=request,
            note="seen",
        )


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_dispute_is_told_once_and_calls_a_person(shelf: Merchant, is_over: bool) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    if is_over:
        await shelf.sees(order, "delivered")
        await shelf.own_site.complete(order.id)
    seen = replace(answer("taken", asked), is_disputed=True)
    step = keys.dispute_step(asked.plan.id)
    for _ in range(3):
        assert await examined(shelf, asked, seen, "payment.disputed") == ()
    assert (await shelf.events(order)).count("payment.disputed") == 1
    assert await mark_of(shelf, order) == (step, ["skip"])
    await skip(shelf, order, step)
    await examined(shelf, asked, seen, "payment.disputed")
    assert await mark_of(shelf, order) is None, "who has seen it is not called again"


async def test_a_dispute_outlives_the_end_of_its_order(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    await examined(shelf, asked, answer("taken", asked), "payment.disputed")
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    assert await mark_of(shelf, order) == (keys.dispute_step(asked.plan.id), ["skip"])


async def test_a_dispute_takes_the_place_of_a_mark_that_comes_again(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    release = keys.release_step(order.parcel.id)
    await shelf.records.raise_attention(order.id, release, "ProviderUnavailable", 5)
    await examined(shelf, asked, answer("taken", asked), "payment.disputed")
    dispute = keys.dispute_step(asked.plan.id)
    assert await mark_of(shelf, order) == (dispute, ["skip"])
    await shelf.records.raise_attention(order.id, release, "ProviderUnavailable", 6)
    assert await mark_of(shelf, order) == (dispute, ["skip"])
    await skip(shelf, order, dispute)
    await shelf.records.raise_attention(order.id, release, "ProviderUnavailable", 7)
    assert await mark_of(shelf, order) == (release, ["retry", "skip"])


async def test_a_second_dispute_calls_when_the_first_one_was_seen(shelf: Merchant) -> None:
    first, second = card(500), card(300)
    order = await shelf.sent_order(first, second)
    for asked in (first, second):
        await examined(shelf, asked, answer("taken", asked), "payment.disputed")
    assert (await shelf.events(order)).count("payment.disputed") == 2
    assert await mark_of(shelf, order) == (keys.dispute_step(first.plan.id), ["skip"])
    await skip(shelf, order, keys.dispute_step(first.plan.id))
    await examined(shelf, second, answer("taken", second), "payment.disputed")
    assert await mark_of(shelf, order) == (keys.dispute_step(second.plan.id), ["skip"])


# --- Books that differ ---------------------------------------------------------------------------------


async def test_money_that_somebody_gave_back_at_the_provider_calls_a_person(
    shelf: Merchant,
) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    seen = replace(answer("taken", asked), refunded=200)
    for _ in range(2):
        assert await examined(shelf, asked, seen, "payment.refunded") == ()
    step = keys.books_step(asked.plan.id)
    assert await mark_of(shelf, order) == (step, ["skip"])
    assert (await shelf.events(order)).count("attention.raised") == 1
    await skip(shelf, order, step)
    await examined(shelf, asked, seen, "payment.refunded")
    assert await mark_of(shelf, order) is None
    await examined(shelf, asked, replace(seen, refunded=300), "payment.refunded")
    assert await mark_of(shelf, order) == (step, ["skip"]), "more of it is news"


async def test_a_refund_that_we_have_asked_for_calls_nobody(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    opened = await shelf.own_site.open_reversal(order.id, DECLINED)
    seen = replace(answer("taken", asked), refunded=500)
    await examined(shelf, asked, seen, "payment.refunded")
    assert await mark_of(shelf, order) is None, "it is made, and will be written down"
    await shelf.refund(order, opened.refunds[0])
    await examined(shelf, asked, seen, "payment.refunded")
    assert await mark_of(shelf, order) is None
    await shelf.own_site.reverse(order.id)


@pytest.mark.parametrize("to", ["payer", "store_credit"])
async def test_an_undo_that_gave_money_back_calls_nobody(shelf: Merchant, to: Destination) -> None:
    asked = slip(500) if to == "store_credit" else card(500)
    order = await shelf.remote_order(asked)
    step = step_of(order, asked)
    await shelf.records.begin(step)
    await shelf.records.payment_answered(step, asked.plan.id, answer("taken", asked))
    await shelf.undo(order, nothing_else=False)
    await shelf.records.begin_undo(step)
    seen = replace(answer("taken", asked), refunded=500 if to == "payer" else 0)
    await examined(shelf, asked, seen, "payment.refunded")
    await shelf.records.payment_given_back(step, asked.plan.id, amount=500, to=to)
    await examined(shelf, asked, seen, "payment.refunded")
    await shelf.own_site.close(order.id)
    await examined(shelf, asked, seen, "payment.refunded")
    assert "attention.raised" not in await shelf.events(order)


async def test_a_look_that_failed_for_long_is_no_matter_once_it_succeeds(shelf: Merchant) -> None:
    asked = card(500)
    order = await shelf.sent_order(asked)
    step = Step(order.id, keys.books_step(asked.plan.id))
    await shelf.records.raise_attention(order.id, step.name, "ProviderUnavailable", 5)
    assert await mark_of(shelf, order) == (step.name, ["retry", "skip"])
    await examined(shelf, asked, answer("taken", asked))
    assert await mark_of(shelf, order) is None
