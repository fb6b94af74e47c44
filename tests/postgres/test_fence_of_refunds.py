"""Money and goods that come back after an order's end are fenced by rows that no clean-up removes."""

from __future__ import annotations

import asyncio

import pytest

from adapters.postgres import fence
from adapters.postgres.history import lock_order
from adapters.postgres.pool import transaction
from adapters.postgres.refunds import allocate
from ordersaga.errors import IllegalMove
from ordersaga.keys import Step, new_id
from ordersaga.messages import PaymentNews
from ordersaga.order import Line, NewOrder, RefundPlan, Vote
from tests.postgres.books import everything_of
from tests.postgres.merchant import DECLINED, Merchant, answer, card, payment, step_of, voucher


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100)
    await merchant.put_voucher("V", 10_000)
    return merchant


async def completed(shelf: Merchant) -> NewOrder:
    mugs = Line("mug", 2, unit_price=400, tax=0)
    order = await shelf.sent_order(voucher("V", 200), card(700), priced=[mugs])
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    return order


async def asked(shelf: Merchant, order: NewOrder, amount: int) -> RefundPlan:
    async with transaction(shelf.pool) as connection:
        locked = await lock_order(connection, order.id)
        (plan,) = await allocate(
            connection, locked, amount=amount, cause="request", request_id=new_id("req")
        )
    return plan


async def clean_up(shelf: Merchant, order: NewOrder) -> None:
    """As if a month had passed since everything."""
    async with transaction(shelf.pool) as connection:
        await fence.forget_final_orders(connection, older_than_s=0, limit=10_000)
    async with shelf.pool.acquire() as connection:
        rows = "select count(*) from fence where order_id = $1"
        assert await connection.fetchval(rows, order.id) == 0


async def test_a_refund_that_was_made_is_not_made_again_after_its_fence_is_gone(
    shelf: Merchant,
) -> None:
    order = await completed(shelf)
    plan = await asked(shelf, order, 300)
    await shelf.refund(order, plan)
    await clean_up(shelf, order)
    before = await everything_of(shelf, order)
    step = Step(order.id, plan.step)
    assert await shelf.records.begin(step) == Vote.yes(step.name), "so its provider is not asked"
    await shelf.records.refunded(step, plan, to="store_credit")
    assert await everything_of(shelf, order) == before


async def test_a_refund_still_to_do_is_made_once_after_its_fence_is_gone(shelf: Merchant) -> None:
    order = await completed(shelf)
    plan = await asked(shelf, order, 300)
    step = Step(order.id, plan.step)
    assert await shelf.records.begin(step) is None
    await clean_up(shelf, order)
    assert await shelf.records.begin(step) is None, "nobody knows that it was made"
    await asyncio.gather(*(shelf.records.refunded(step, plan, to="payer") for _ in range(4)))
    assert (await shelf.events(order)).count("payment.partially_refunded") == 1
    assert await shelf.records.begin(step) == Vote.yes(step.name)


async def test_late_money_of_a_cleaned_order_goes_back_once(shelf: Merchant) -> None:
    slip = payment("boleto", 500, "tok_ok")
    order = await shelf.remote_order(slip)
    step = step_of(order, slip)
    await shelf.records.begin(step)
    await shelf.records.payment_answered(step, slip.plan.id, answer("requires_action", slip))
    await shelf.undo(order, DECLINED, nothing_else=False)
    await shelf.records.begin_undo(step)
    await shelf.records.payment_given_back(step, slip.plan.id, amount=0, to="payer")
    await shelf.own_site.close(order.id)
    await clean_up(shelf, order)
    news = PaymentNews("evt_1", "payment.captured", slip.plan.id)
    (plan,) = await shelf.records.payment_examined(news, answer("taken", slip))
    await shelf.refund(order, plan, to="store_credit")
    await clean_up(shelf, order)
    await shelf.refund(order, plan, to="store_credit")
    assert await shelf.records.payment_examined(news, answer("taken", slip)) == ()
    assert await shelf.spendable("credit", order.customer_id) == 500


async def test_goods_of_a_return_come_back_once_after_their_fence_is_gone(shelf: Merchant) -> None:
    order = await completed(shelf)
    return_id = await shelf.ask_return(order, mug=1)
    await shelf.answer_return(order, return_id, "approve", "receive")
    await clean_up(shelf, order)
    for word in ("receive", "approve", "decline"):
        with pytest.raises(IllegalMove):
            await shelf.answer_return(order, return_id, word)
    assert await shelf.stock("mug") == (99, 99, 0)


async def test_a_return_still_to_settle_is_settled_once_after_its_fence_is_gone(
    shelf: Merchant,
) -> None:
    order = await completed(shelf)
    return_id = await shelf.ask_return(order)
    await shelf.answer_return(order, return_id, "approve", "receive")
    await clean_up(shelf, order)
    for _ in range(2):
        for plan in (await shelf.own_site.look_at_return(return_id)).refunds:
            if not plan.is_ours:
                await shelf.refund(order, plan)
        assert await shelf.own_site.settle_return(return_id) == "refunded"
        await clean_up(shelf, order)
    assert (await shelf.look(order)).state.status == "returned"
    assert await shelf.spendable("voucher", "V") == 10_000
    assert await shelf.stock("mug") == (100, 100, 0)
