"""Two at once, the undo before the hold, and a transaction that ends badly: one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import Pool, connect_pool, transaction
from cli.stack.ready import Ready
from ordersaga.errors import DatabaseUnavailable
from ordersaga.history import Happening
from tests.conformance.steps import Steps, paying, shipping, steps_on
from tests.postgres.concurrency import Onlooker, break_down, until_waiting
from tests.postgres.dropping_proxy import DroppingProxy
from tests.postgres.merchant import Merchant, card, voucher
from tests.saga.shop import Shop

RIVALS = 6  # at once: more than two, fewer than the pool has connections


@pytest.fixture
async def steps(site: Ready, pool: Pool) -> AsyncIterator[Steps]:
    async with steps_on(site, pool) as steps:
        yield steps


async def test_undo_twice_at_once_then_a_late_hold(
    merchant: Merchant, steps: Steps, shop: Shop
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    ask = paying(order, asked)
    assert (await steps.run(steps.payments.authorize_payment, ask)).answer == "yes"
    await merchant.undo(order, nothing_else=False)
    undo = steps.payments.undo_payment
    await asyncio.gather(steps.run(undo, ask), steps.run(undo, ask))
    late = await steps.run(steps.payments.authorize_payment, ask)
    assert late.refusal is not None
    assert late.refusal.code == "too_late"
    books = await shop.books(order.id)
    assert [i["status"] for i in books.intents] == ["canceled"]
    assert (books.held, books.kept) == (0, 0)


async def test_undo_without_a_hold(merchant: Merchant, steps: Steps, shop: Shop) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.undo(order, nothing_else=False)
    await steps.run(steps.payments.undo_payment, paying(order, asked))
    await steps.run(steps.parcels.cancel_parcel, shipping(order))
    assert (await shop.books(order.id)).intents == [], "it succeeded on nothing"
    votes = [
        await steps.run(steps.payments.authorize_payment, paying(order, asked)),
        await steps.run(steps.parcels.book_parcel, shipping(order)),
    ]
    assert [v.refusal.code for v in votes if v.refusal] == ["too_late", "too_late"]
    books = await shop.books(order.id)
    assert (books.intents, books.live_parcels) == ([], []), "and barred what came after it"


async def test_exception_drops_the_fence_row(merchant: Merchant, onlooker: Onlooker) -> None:
    await merchant.put_stock(mug=1)
    order = await merchant.order()
    await break_down(onlooker, order, lambda: merchant.hold(order))
    rows = await onlooker.fetchval("select count(*) from fence where order_id = $1", order.id)
    assert rows == 0
    assert [vote.answer for vote in await merchant.hold(order)] == ["yes", "yes"]
    assert await merchant.stock("mug") == (1, 0, 1)


async def test_commit_landed_answer_lost(merchant: Merchant, site: Ready) -> None:
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 1000)
    order = await merchant.order(voucher("V", 600))
    async with DroppingProxy(site.database) as proxy:
        pool = await connect_pool(proxy.url, size=2, application_name="far")
        far = Merchant(pool, tenant=merchant.tenant)
        for step in (far.hold, far.confirm):
            proxy.drop_next_commit = True
            with pytest.raises(DatabaseUnavailable):
                await step(order)
            before = await merchant.events(order)
            await step(order)
            assert await merchant.events(order) == before, "asked again, it only repeats itself"
        await pool.close()
    assert proxy.dropped == 2
    assert await merchant.stock("mug") == (4, 4, 0)
    assert await merchant.spendable("voucher", "V") == 400


async def test_loser_of_a_race_repeats_the_winners_vote(merchant: Merchant) -> None:
    await merchant.put_stock(mug=1)
    await merchant.put_voucher("V", 1000)
    await merchant.buy(await merchant.order(voucher("V", 1), lines=[("mug", 1)]))
    await merchant.put_stock(mug=1)
    merchant.stocked["mug"] = 2
    order = await merchant.order(voucher("V", 600))
    votes = await asyncio.gather(*(merchant.hold(order) for _ in range(RIVALS)))
    assert len(set(votes)) == 1
    decisions = await asyncio.gather(
        *(merchant.confirm(order) if i % 2 else merchant.undo(order) for i in range(RIVALS))
    )
    assert len({d.verdict for d in decisions}) == 1
    assert decisions[0].verdict == await merchant.verdict(order)


async def test_a_step_that_waited_for_its_turn_sees_what_the_one_before_it_wrote(
    merchant: Merchant, pool: Pool, onlooker: Onlooker
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    async with transaction(pool) as connection:
        locked = await lock_order(connection, order.id)
        failed = Happening.of("payment.failed", payment_id=asked.plan.id, code="card_declined")
        await record(connection, locked, failed)
        waiting = asyncio.create_task(merchant.look(order))
        await until_waiting(onlooker)
    assert (await waiting).state.payment(asked.plan.id).status == "failed"
