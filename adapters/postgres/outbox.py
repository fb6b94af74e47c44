"""Events on their way to others: how they are stamped, read, and how far each sink has got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg

from adapters.postgres.pool import Connection, load_queries
from ordersaga.events import OrderEvent

_sql = load_queries("outbox")

PARTITIONS: Final = 8  # as the column's expression has it
STAMPED_CHANNEL: Final = "events_stamped"  # NOTIFY: the newest position
NO_POSITION: Final = -1  # of an event that is read by its order, not by the stream

# Advisory locks, of a session: (kind, number).
STAMPING: Final = 7_301  # number 0: who stamps
RELAYING: Final = 7_302  # number: the relay's own, so that they can be counted
SHARES: Final = 7_303  # number: a partition, of all sinks

AnyConnection: TypeAlias = "Connection | asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Batch:
    """Events of some partitions, by position; and where the sink's cursors were."""

    events: tuple[OrderEvent, ...]
    seen: Mapping[int, int]  # partition → cursor
    reached: Mapping[int, int]  # partition → position of its last event here
    is_full: bool  # some partition has more


@dataclass(frozen=True)
class Parked:
    """An order that a sink does not take for now, and why."""

    sink: str
    order_id: str
    sequence: int
    error: str
    tries: int
    parked_at: datetime
    next_try_at: datetime


@dataclass(frozen=True)
class Due:
    """A parked order that is to be tried again."""

    order_id: str
    sequence: int
    tries: int


@dataclass(frozen=True)
class Backlog:
    """What a sink has still to hear. `oldest_s`: for how long the oldest of it waits."""

    sink: str
    waiting: int
    oldest_s: float
    parked: int


async def stamp(connection: AnyConnection, *, limit: int) -> int:
    """Gives the next events their positions; how many. Only by who holds the lock `STAMPING`."""
    stamped: int = await _sql.stamp(connection, limit=limit)
    return stamped


async def begin_cursors(connection: AnyConnection, sink: str) -> None:
    """A sink that is new hears of what happens from now on."""
    await _sql.begin_cursors(connection, sink=sink)


async def read_batch(
    connection: AnyConnection, sink: str, *, partitions: Collection[int], limit: int
) -> Batch:
    """The next events of these partitions, at most `limit` of each."""
    rows = [
        row
        async for row in _sql.read_batch(
            connection, sink=sink, partitions=sorted(partitions), limit=limit
        )
    ]
    return Batch(
        events=tuple(event_of(row, position=row["position"]) for row in rows),
        seen={row["partition"]: row["cursor"] for row in rows},
        reached={row["partition"]: row["position"] for row in rows},
        is_full=limit in Counter(row["partition"] for row in rows).values(),
    )


async def read_after(
    connection: AnyConnection, position: int, *, tenant: str | None = None, limit: int
) -> tuple[OrderEvent, ...]:
    """The next events of all orders, or of a tenant's."""
    rows = _sql.read_after(connection, after=position, tenant=tenant, limit=limit)
    return tuple([event_of(row, position=row["position"]) async for row in rows])


async def newest_position(connection: AnyConnection) -> int:
    """Of all events that were stamped; 0: none were."""
    position: int = await _sql.newest_position(connection)
    return position


async def oldest_position(connection: AnyConnection) -> int:
    """Of those that are still there; 0: none are."""
    position: int = await _sql.oldest_position(connection)
    return position


async def move_cursors(connection: AnyConnection, sink: str, batch: Batch) -> None:
    """All of the batch is delivered or parked. Moves nothing where another relay was quicker."""
    partitions = sorted(batch.reached)
    await _sql.move_cursors(
        connection,
        sink=sink,
        partitions=partitions,
        seen=[batch.seen[p] for p in partitions],
        positions=[batch.reached[p] for p in partitions],
    )


async def parked_of(
    connection: AnyConnection, sink: str, order_ids: Collection[str]
) -> frozenset[str]:
    """Which of these orders wait for this sink."""
    rows = _sql.parked_of(connection, sink=sink, order_ids=sorted(order_ids))
    return frozenset([row["order_id"] async for row in rows])


async def park(
    connection: AnyConnection, sink: str, event: OrderEvent, *, error: str, again_in_s: float
) -> None:
    """From this event on, its order waits for this sink."""
    await _sql.park(
        connection,
        sink=sink,
        order_id=event.order_id,
        sequence=event.sequence,
        error=error,
        again_in_s=again_in_s,
    )


async def find_due(
    connection: AnyConnection, sink: str, *, partitions: Collection[int], limit: int
) -> tuple[Due, ...]:
    """Parked orders whose time has come."""
    rows = _sql.find_due(connection, sink=sink, partitions=sorted(partitions), limit=limit)
    return tuple([Due(row["order_id"], row["sequence"], row["tries"]) async for row in rows])


async def read_parked(connection: AnyConnection, sink: str, due: Due) -> tuple[OrderEvent, ...]:
    """What waits of a parked order, as far as the sink's cursor has gone."""
    rows = _sql.read_parked(connection, sink=sink, order_id=due.order_id, sequence=due.sequence)
    return tuple([event_of(row, position=row["position"]) async for row in rows])


async def unpark(connection: AnyConnection, sink: str, order_id: str) -> None:
    """All that waited is delivered."""
    await _sql.unpark(connection, sink=sink, order_id=order_id)


async def list_parked(connection: AnyConnection, *, limit: int) -> tuple[Parked, ...]:
    """For people: all orders that some sink does not take, the longest waiting first."""
    return tuple([Parked(**row) async for row in _sql.list_parked(connection, limit=limit)])


async def try_now(connection: AnyConnection, sink: str, order_id: str) -> bool:
    """False: nothing of it is parked there."""
    return await _sql.try_now(connection, sink=sink, order_id=order_id) is not None


async def skip(
    connection: AnyConnection, sink: str, order_id: str, *, sequence: int, note: str = ""
) -> bool:
    """Lets go of one event for this sink, for good. False: it is not the one that waits."""
    done = await _sql.skip(connection, sink=sink, order_id=order_id, sequence=sequence, note=note)
    return done is not None


async def read_backlog(connection: AnyConnection) -> tuple[Backlog, ...]:
    """By sink; the first, without a name, is what is not stamped yet."""
    unstamped = await _sql.unstamped(connection)
    rows = _sql.backlog(connection)
    return (
        Backlog("", unstamped["waiting"], unstamped["oldest_s"], 0),
        *[Backlog(**row) async for row in rows],
    )


async def forget(
    connection: AnyConnection, *, sinks: Collection[str], older_than_s: float, limit: int
) -> int:
    """Deletes what these sinks have all had for so long; how many."""
    gone: int = await _sql.forget(
        connection, sinks=sorted(sinks), older_than_s=older_than_s, limit=limit
    )
    return gone


async def try_lock(connection: AnyConnection, kind: int, number: int) -> bool:
    """An advisory lock of this session."""
    locked: bool = await _sql.try_lock(connection, kind=kind, number=number)
    return locked


async def unlock(connection: AnyConnection, kind: int, number: int) -> None:
    await _sql.unlock(connection, kind=kind, number=number)


async def count_holders(connection: AnyConnection, kind: int) -> int:
    """Sessions with a lock of this kind."""
    holders: int = await _sql.count_locks(connection, kind=kind)
    return holders


def event_of(row: asyncpg.Record, *, position: int = NO_POSITION) -> OrderEvent:
    """A row of history with its tenant, as others hear of it."""
    return OrderEvent(
        position=position,
        tenant=row["tenant"],
        order_id=row["order_id"],
        sequence=row["sequence"],
        type=row["type"],
        machine=row["machine"],
        from_state=row["from_state"],
        to_state=row["to_state"],
        data=row["data"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )


def by_order(events: Sequence[OrderEvent]) -> dict[str, list[OrderEvent]]:
    """Each order's own, as they came."""
    found: dict[str, list[OrderEvent]] = {}
    for event in events:
        found.setdefault(event.order_id, []).append(event)
    return found
