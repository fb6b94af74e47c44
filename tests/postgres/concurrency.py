"""Waiting until others wait, and rivals that start at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias, TypeVar

import asyncpg
import pytest

from ordersaga.errors import DatabaseUnavailable
from ordersaga.order import NewOrder

T = TypeVar("T")
Onlooker: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PATIENCE_S = 1.8  # the service's own lock timeout is 2 s: whoever waits longer is gone
LOOK_EVERY_S = 0.005


async def until_waiting(onlooker: Onlooker, how_many: int = 1) -> None:
    """Returns when so many of the service's connections wait for a lock."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            waiting = await onlooker.fetchval(
                "select count(*) from pg_stat_activity "
                "where application_name = 'tests' and wait_event_type = 'Lock'"
            )
            if waiting >= how_many:
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def end_waiting(onlooker: Onlooker) -> None:
    """Ends the service's connections that wait for a lock, as an administrator or a crash would."""
    await onlooker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'tests' and wait_event_type = 'Lock'"
    )


async def break_down(
    onlooker: Onlooker, order: NewOrder, doing: Callable[[], Awaitable[object]]
) -> None:
    """Lets it do everything but its last statement, the history's, and ends its connection then."""
    async with onlooker.transaction():
        version = await onlooker.fetchval("select version from orders where id = $1", order.id)
        # Its own next outbox row: whoever writes history waits until this transaction ends.
        await onlooker.execute("insert into outbox values ($1, $2)", order.id, version + 1)
        task = asyncio.ensure_future(doing())
        await until_waiting(onlooker)
        await end_waiting(onlooker)
        with pytest.raises(DatabaseUnavailable):
            await task
        await onlooker.execute(
            "delete from outbox where order_id = $1 and sequence = $2", order.id, version + 1
        )


async def at_once(rivals: Iterable[Callable[[], Awaitable[T]]], *, most: int) -> list[T]:
    """All of them, never more than `most` at a time; the first error is raised."""
    gate = asyncio.Semaphore(most)

    async def one(rival: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await rival()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(rival)) for rival in rivals]
    return [task.result() for task in tasks]
