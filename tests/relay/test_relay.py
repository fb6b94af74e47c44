"""Events reach every sink: none lost, each order's in their order, whoever is away, dies, or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import asyncpg
import pytest

from adapters.postgres import outbox
from adapters.postgres.pool import Connection, Pool, reading, transaction
from cli.stack.stack import LocalStack
from ordersaga.errors import DatabaseUnavailable, Unacceptable
from ordersaga.events import OrderEvent
from tests.postgres.merchant import Merchant, card
from tests.relay.conftest import Listener, happen, relaying, until
from worker.relay import lane, relay, session
from worker.relay.session import APPLICATION_NAME


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_RETRY_S", 0.2)
    monkeypatch.setattr(lane, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(lane, "LONGEST_PAUSE_S", 0.5)
    monkeypatch.setattr(relay, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(session, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(relay, "AGAIN_S", 0.1)


async def _orders(merchant: Merchant, count: int) -> list[str]:
    return [(await merchant.remote_order(card(1000))).id for _ in range(count)]


async def test_every_event_is_told_once_and_in_its_orders_order(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    listener = Listener("told-once")
    async with relaying(stack, pool, listener):
        await _is_known(pool, "told-once")
        orders = await _orders(merchant, 5)
        await asyncio.gather(*(happen(pool, order, 4) for order in orders))
        await until(lambda: all(len(listener.of(order)) == 5 for order in orders))
    mine = [e for e in listener.heard if e.order_id in orders]
    assert len(mine) == 25, "each once, where nothing goes wrong"
    assert all(listener.of(order) == [1, 2, 3, 4, 5] for order in orders)
    positions = [e.position for e in sorted(mine, key=lambda e: e.position)]
    assert len(set(positions)) == 25
    for order in orders:
        told = [e for e in mine if e.order_id == order]
        assert [e.position for e in told] == sorted(e.position for e in told)


async def test_a_refused_event_keeps_back_its_order_and_no_other(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    bad, good = await _orders(merchant, 2)
    listener = Listener("refuses", refuses=lambda e: e.order_id == bad and e.sequence == 2)
    async with relaying(stack, pool, listener):
        await _is_known(pool, "refuses")
        await happen(pool, good, 3)
        await happen(pool, bad, 3)
        await until(lambda: listener.of(good)[-3:] == [2, 3, 4])
        await until(lambda: _is_parked(pool, "refuses"))
        (parked,) = await _parked(pool, "refuses")
        assert (parked.order_id, parked.sequence, parked.error) == (bad, 2, "not this one")
        await happen(pool, bad)
        await asyncio.sleep(0.5)
        assert not {2, 3, 4, 5} & set(listener.of(bad))
        listener.refuses = lambda _: False
        await until(lambda: listener.of(bad)[-4:] == [2, 3, 4, 5])
        await until(lambda: _nothing_is_parked(pool, "refuses"))
        await happen(pool, bad)
        await until(lambda: listener.of(bad)[-1] == 6)


async def test_a_person_lets_go_of_an_event_that_nobody_can_take(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    (order,) = await _orders(merchant, 1)
    listener = Listener("skips", refuses=lambda e: e.sequence == 2)
    async with relaying(stack, pool, listener):
        await _is_known(pool, "skips")
        await happen(pool, order, 2)
        await until(lambda: _is_parked(pool, "skips"))
        async with reading(pool) as connection:
            assert not await outbox.skip(connection, "skips", order, sequence=3)
            assert await outbox.skip(connection, "skips", order, sequence=2)
            assert not await outbox.try_now(connection, "another", order)
        await until(lambda: listener.of(order)[-1:] == [3])
    assert 2 not in listener.of(order)


async def test_a_sink_that_is_away_stops_nobody_else_and_catches_up(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    away, there = Listener("away", is_away=True), Listener("there")
    async with relaying(stack, pool, away, there):
        await _is_known(pool, "away")
        await _is_known(pool, "there")
        orders = await _orders(merchant, 3)
        await asyncio.gather(*(happen(pool, order, 3) for order in orders))
        await until(lambda: all(there.of(order) == [1, 2, 3, 4] for order in orders))
        assert not away.heard
        async with reading(pool) as connection:
            backlog = {each.sink: each for each in await outbox.read_backlog(connection)}
        assert backlog["away"].waiting >= 12
        assert backlog["away"].oldest_s > 0
        assert not backlog["away"].parked, "away is not refused"
        away.is_away = False
        await until(lambda: all(away.of(order) == [1, 2, 3, 4] for order in orders))


async def test_relays_share_the_orders_and_the_dead_ones_share_is_taken_over(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    one, two = Listener("shared", takes_s=0.01), Listener("shared", takes_s=0.01)
    orders = await _orders(merchant, 40)
    async with relaying(stack, pool, one) as first:
        await _is_known(pool, "shared")
        async with relaying(stack, pool, two):
            await asyncio.sleep(2)  # the first gives up its half at its next heartbeat
            await asyncio.gather(*(happen(pool, order, 2) for order in orders))
            await until(lambda: [*_merged(one, two).values()] == 40 * [[1, 2, 3]])
            hands = [
                {event.order_id for event in each.heard if event.sequence > 1}
                for each in (one, two)
            ]
            assert all(hands)
            assert not hands[0] & hands[1], "each order in one hand"
            first.cancel()
            await asyncio.gather(*(happen(pool, order, 2) for order in orders))
            await until(lambda: all(s[-1] == 5 for s in _merged(one, two).values()))
    assert all(sequences == sorted(sequences) for sequences in two.all_of_them().values())


@pytest.mark.long
async def test_a_relay_whose_connections_are_cut_loses_nothing(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    listener = Listener("cut", takes_s=0.005)
    orders = await _orders(merchant, 10)
    another = await asyncpg.connect(stack.ready.database)
    async with relaying(stack, pool, listener):
        await _is_known(pool, "cut")
        work = [asyncio.create_task(happen(pool, order, 8)) for order in orders]
        for _ in range(3):
            await asyncio.sleep(0.2)
            await another.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
                APPLICATION_NAME,
            )
        await asyncio.gather(*work)
        await until(lambda: all(listener.of(order)[-8:] == [*range(2, 10)] for order in orders))
    await another.close()


@pytest.mark.long
async def test_a_relay_goes_on_after_each_loss_of_its_connection(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    listener = Listener("goes on")
    (order,) = await _orders(merchant, 1)
    another = await asyncpg.connect(stack.ready.database)
    async with relaying(stack, pool, listener) as working:
        await _is_known(pool, "goes on")
        for last in (2, 3, 4):
            await another.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
                APPLICATION_NAME,
            )
            await happen(pool, order, 1)
            await until(partial(_has_heard, listener, order, last))
        assert not working.done()
    await another.close()


def _has_heard(listener: Listener, order: str, sequence: int) -> bool:
    return listener.of(order)[-1:] == [sequence]


class Table:
    """A sink that writes rows of our own."""

    name = "table"

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses

    async def fan_out(self, connection: Connection, events: Sequence[OrderEvent]) -> None:
        if any(event.order_id == self.refuses for event in events):
            raise Unacceptable("not for this table")
        await connection.executemany(
            "insert into heard values ($1, $2)", [(e.order_id, e.sequence) for e in events]
        )


async def test_rows_of_our_own_are_written_once_with_the_cursor(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    owner = await asyncpg.connect(stack.ready.database_owner)
    await owner.execute(
        "create table heard (order_id text, sequence int, primary key (order_id, sequence));"
        "grant select, insert on heard to public"
    )
    bad, *good = await _orders(merchant, 4)
    table = Table(refuses=bad)
    async with relaying(stack, pool, fan_outs=(table,)):
        await _is_known(pool, "table")
        await asyncio.gather(*(happen(pool, order, 3) for order in (bad, *good)))

        async def has_all(*orders: str) -> bool:
            found = await owner.fetch(
                "select order_id, array_agg(sequence order by sequence) from heard"
                " where order_id = any($1) group by order_id",
                orders,
            )
            return len(found) == len(orders) and all(row[1][-3:] == [2, 3, 4] for row in found)

        await until(lambda: has_all(*good))
        assert not await owner.fetch("select from heard where order_id = $1", bad)
        table.refuses = ""
        await until(lambda: has_all(bad, *good))
    await owner.close()


async def test_only_what_every_sink_has_had_is_forgotten(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    told, bad = await _orders(merchant, 2)
    listener = Listener("forgets", refuses=lambda e: e.order_id == bad)
    async with relaying(stack, pool, listener):
        await _is_known(pool, "forgets")
        await happen(pool, told)
        await happen(pool, bad)
        await until(lambda: 2 in listener.of(told))
        await until(lambda: _is_parked(pool, "forgets"))
    async with transaction(pool) as connection:
        assert not await outbox.forget(connection, sinks=["forgets"], older_than_s=60, limit=10_000)
        await outbox.forget(connection, sinks=["forgets"], older_than_s=0, limit=10_000)
        left = await connection.fetch("select order_id from outbox where position is not null")
    assert {row["order_id"] for row in left} & {told, bad} == {bad}


def _merged(*listeners: Listener) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for listener in listeners:
        for order, sequences in listener.all_of_them().items():
            found.setdefault(order, []).extend(sequences)
    return {order: sorted(set(sequences)) for order, sequences in found.items()}


async def _parked(pool: Pool, sink: str) -> list[outbox.Parked]:
    async with reading(pool) as connection:
        return [p for p in await outbox.list_parked(connection, limit=100) if p.sink == sink]


async def _is_parked(pool: Pool, sink: str) -> bool:
    return bool(await _parked(pool, sink))


async def _nothing_is_parked(pool: Pool, sink: str) -> bool:
    return not await _parked(pool, sink)


async def _is_known(pool: Pool, sink: str) -> None:
    """From now on it hears of everything."""

    async def is_known() -> bool:
        async with reading(pool) as connection:
            return sink in [each.sink for each in await outbox.read_backlog(connection)]

    await until(is_known)


async def test_a_relay_that_is_stopped_as_its_connection_is_lost_stops(
    stack: LocalStack, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(stack, pool, Listener("stops")) as working:

        async def until_stopped(_: session.Session) -> None:
            await asyncio.sleep(0.1)
            working.cancel()
            raise DatabaseUnavailable("lost, in the same moment")

        monkeypatch.setattr(session.Session, "until_lost", until_stopped)
        done, _ = await asyncio.wait([working], timeout=10)
        monkeypatch.undo()
        assert done, "it is still at work"
