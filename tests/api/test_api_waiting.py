"""Changes of orders reach those who wait for them, over lost connections too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.postgres.changes import FIRST_PAUSE_S, Change, OrderChanges
from adapters.postgres.outbox import STAMPED_CHANNEL
from cli.stack import LocalStack
from tests.api.calls import Database

NAME = "ordersaga-test-listener"
SOON_S = 10.0


@pytest.fixture
async def changes(postgres: LocalStack, database: Database) -> AsyncIterator[OrderChanges]:
    changes = OrderChanges(postgres.ready.database, application_name=NAME)
    listening = asyncio.create_task(changes.listen())
    await _until_listening(database)
    yield changes
    listening.cancel()


async def tell(database: Database, order_id: str, version: int) -> None:
    payload = f"{order_id} {version} pending unpaid"
    await database.execute("select pg_notify('order_changed', $1)", payload)


async def test_a_waiter_hears_of_its_order_alone(changes: OrderChanges, database: Database) -> None:
    async with changes.watch("ord_a") as watch:
        await tell(database, "ord_b", 1)
        await tell(database, "ord_a", 2)
        assert await watch.next(SOON_S) == Change(2, "pending", "unpaid")
        assert await watch.next(0.01) is None


async def test_a_slow_waiter_is_told_the_newest_only(
    changes: OrderChanges, database: Database
) -> None:
    async with changes.watch("ord_a") as slow, changes.watch("ord_a") as other:
        for version in (1, 2, 3):
            await tell(database, "ord_a", version)
        while (await other.next(SOON_S) or Change(0, "", "")).version < 3:
            pass
        assert await slow.next(SOON_S) == Change(3, "pending", "unpaid")


async def test_waiters_are_woken_when_a_lost_connection_is_back(
    changes: OrderChanges, database: Database
) -> None:
    async with changes.watch("ord_a") as watch:
        assert await _end_listeners(database) == 1
        assert await watch.next(SOON_S) is None, "something may have been missed: look"
        await _until_listening(database)
        await tell(database, "ord_a", 7)
        change = await watch.next(SOON_S)
        assert change == Change(7, "pending", "unpaid")


async def _until_listening(database: Database) -> None:
    """On the last of its channels: all who waited before were woken then."""
    listening = (
        "select count(*) from pg_stat_activity "
        "where application_name = $1 and query ilike 'listen%' || $2 || '%'"
    )
    while True:
        if await database.fetchval(listening, NAME, STAMPED_CHANNEL):
            return
        await asyncio.sleep(FIRST_PAUSE_S / 10)


async def _end_listeners(database: Database) -> int:
    ended = await database.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", NAME
    )
    return len(ended)
