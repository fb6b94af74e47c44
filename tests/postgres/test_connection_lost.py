"""A connection lost in the middle is an outage, never an answer; what is asked again is done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from adapters.postgres.pool import Pool, connect_pool, reading, transaction
from cli.stack.ready import Ready
from ordersaga.errors import DatabaseUnavailable
from ordersaga.order import Decision
from tests.postgres.books import assert_books_are_true
from tests.postgres.concurrency import Onlooker
from tests.postgres.dropping_proxy import DroppingProxy
from tests.postgres.merchant import (
    CHANGED_MIND,
    CUSTOMER,
    Merchant,
    answer,
    payment,
    step_of,
    voucher,
)


@pytest.fixture
async def proxy(database: Ready) -> AsyncIterator[DroppingProxy]:
    async with DroppingProxy(database.database) as proxy:
        yield proxy


@pytest.fixture
async def far(merchant: Merchant, proxy: DroppingProxy) -> AsyncIterator[Merchant]:
    """The same merchant, over a line that can break."""
    pool = await connect_pool(proxy.url, size=2, application_name="far")
    far = Merchant(pool, tenant=merchant.tenant, stocked=merchant.stocked)
    yield far
    await assert_books_are_true(far)
    await pool.close()


async def end(onlooker: Onlooker, pid: int) -> None:
    """As an administrator, a failover or the kernel would."""
    assert await onlooker.fetchval("select pg_terminate_backend($1, 2000)", pid)


async def test_a_connection_that_ends_before_its_commit_is_an_outage_and_leaves_nothing(
    pool: Pool, onlooker: Onlooker, merchant: Merchant
) -> None:
    await merchant.put_stock(mug=5)

    async def end_in_the_middle() -> None:
        async with transaction(pool) as connection:
            await connection.execute(
                "update stock set on_hand = 6, available = 6 where tenant = $1", merchant.tenant
            )
            await end(onlooker, await connection.fetchval("select pg_backend_pid()"))

    with pytest.raises(DatabaseUnavailable) as outage:
        await end_in_the_middle()
    assert outage.value.__cause__ is not None, "what PostgreSQL said is kept"
    assert await merchant.stock("mug") == (5, 5, 0)


async def test_a_connection_that_ends_under_a_statement_is_an_outage(
    pool: Pool, onlooker: Onlooker
) -> None:
    async def wait_long() -> None:
        async with reading(pool) as connection:
            pid.set_result(await connection.fetchval("select pg_backend_pid()"))
            await connection.execute("select pg_sleep(4)")

    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_long())
    await end(onlooker, await pid)
    with pytest.raises(DatabaseUnavailable):
        await waiting


async def test_after_an_outage_the_pool_serves_again(
    pool: Pool, onlooker: Onlooker, merchant: Merchant
) -> None:
    await merchant.put_stock(mug=1)  # through the pool, so that it has a connection
    await onlooker.execute(
        "select pg_terminate_backend(pid, 2000) from pg_stat_activity "
        "where application_name = 'tests'"
    )
    for _ in range(2 * pool.get_max_size()):  # each connection once, dead or alive
        with suppress(DatabaseUnavailable):
            await merchant.stock("mug")
    assert await merchant.stock("mug") == (1, 1, 0)


async def test_a_connection_that_was_told_of_its_end_and_not_closed_yet_is_an_outage(
    onlooker: Onlooker, proxy: DroppingProxy
) -> None:
    """The moment between PostgreSQL's farewell and the end of the line, made long enough to see."""
    pool = await connect_pool(proxy.url, size=1, application_name="far")
    async with reading(pool) as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
    proxy.keep_line_open = True
    await end(onlooker, pid)
    await asyncio.wait_for(proxy.server_left.wait(), timeout=2)
    with pytest.raises(DatabaseUnavailable):
        async with reading(pool) as connection:
            await connection.fetchval("select 1")
    pool.terminate()


async def test_a_lock_that_is_held_too_long_is_an_outage_and_not_a_wait(
    pool: Pool, onlooker: Onlooker, merchant: Merchant
) -> None:
    order = await merchant.order()
    async with onlooker.transaction():
        await onlooker.execute("select from orders where id = $1 for update", order.id)
        with pytest.raises(DatabaseUnavailable) as outage:
            await merchant.hold(order)
    assert isinstance(outage.value.__cause__, asyncpg.LockNotAvailableError)


async def test_a_mistake_of_ours_is_no_outage(pool: Pool) -> None:
    """Retried for ever as an outage, it would never be seen."""
    with pytest.raises(asyncpg.UndefinedTableError):
        async with transaction(pool) as connection:
            await connection.execute("select from no_such_table")


async def test_a_database_that_is_not_there_is_an_outage() -> None:
    nowhere = "postgresql://ordersaga_app@127.0.0.1:1/ordersaga?sslmode=disable"
    with pytest.raises(DatabaseUnavailable):
        await connect_pool(nowhere, size=1, application_name="tests")


# --- The commit landed, its answer was lost ----------------------------------------------------


async def test_a_hold_whose_commit_was_not_answered_is_repeated_and_held_once(
    merchant: Merchant, far: Merchant, proxy: DroppingProxy
) -> None:
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 1000)
    order = await merchant.order(voucher("V", 600))
    proxy.drop_next_commit = True
    with pytest.raises(DatabaseUnavailable):
        await far.hold(order)
    assert proxy.dropped == 1
    assert await merchant.stock("mug") == (5, 4, 1), "it had landed"
    votes = await far.hold(order)
    assert [vote.answer for vote in votes] == ["yes", "yes", "yes"]
    assert await merchant.stock("mug") == (5, 4, 1)
    assert await merchant.spendable("voucher", "V") == 400


@pytest.mark.parametrize("verdict", ["confirm", "undo"])
async def test_a_decision_whose_commit_was_not_answered_stands(
    merchant: Merchant, far: Merchant, proxy: DroppingProxy, verdict: str
) -> None:
    """The next to decide, with whatever in mind, reads it and follows."""
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 1000)
    order = await merchant.order(voucher("V", 600))
    await merchant.hold(order)
    proxy.drop_next_commit = True
    with pytest.raises(DatabaseUnavailable):
        await (far.confirm(order) if verdict == "confirm" else far.undo(order))
    assert proxy.dropped == 1
    decisions: list[Decision] = [await far.confirm(order), await far.undo(order)]
    assert [d.verdict for d in decisions] == [verdict, verdict]
    left = 400 if verdict == "confirm" else 1000
    assert await merchant.spendable("voucher", "V") == left


async def test_a_reversal_whose_commit_was_not_answered_gives_back_once(
    merchant: Merchant, far: Merchant, proxy: DroppingProxy
) -> None:
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 1000)
    order = await merchant.order(voucher("V", 600))
    await merchant.buy(order)
    proxy.drop_next_commit = True
    with pytest.raises(DatabaseUnavailable):
        await far.own_site.open_reversal(order.id, CHANGED_MIND)
    await far.own_site.open_reversal(order.id, CHANGED_MIND)
    proxy.drop_next_commit = True
    with pytest.raises(DatabaseUnavailable):
        await far.own_site.reverse(order.id)
    assert proxy.dropped == 2
    assert (await far.own_site.reverse(order.id)).status == "canceled"
    assert (await merchant.events(order)).count("order.reversing") == 1
    assert await merchant.stock("mug") == (5, 5, 0)
    assert await merchant.spendable("voucher", "V") == 1000


async def test_store_credit_whose_commit_was_not_answered_is_posted_once(
    merchant: Merchant, far: Merchant, proxy: DroppingProxy
) -> None:
    asked = payment("boleto", 500, "tok_ok")
    order = await merchant.remote_order(asked)
    step = step_of(order, asked)
    await merchant.records.payment_answered(step, asked.plan.id, answer("taken", asked))

    async def give_back() -> None:
        await far.records.payment_given_back(step, asked.plan.id, amount=500, to="store_credit")

    proxy.drop_next_commit = True
    with pytest.raises(DatabaseUnavailable):
        await give_back()
    assert proxy.dropped == 1
    await give_back()
    assert await merchant.spendable("credit", CUSTOMER) == 500
