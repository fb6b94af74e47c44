"""One sink's way: the next events of this relay's share, each order's in their order.

An order whose event the sink does not take waits alone (it is *parked*); a sink that is away waits with
all of its orders, and no other sink with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from adapters.postgres import outbox
from adapters.postgres.pool import Connection, Pool, reading, transaction
from ordersaga.errors import DatabaseUnavailable, Unacceptable, Unavailable
from ordersaga.events import OrderEvent
from worker.relay.session import Session

BATCH: Final = 100  # events of a partition; of all of them eight times as many
AT_ONCE: Final = 100  # orders that are told side by side
FIRST_PAUSE_S: Final = 0.2  # a sink that is away
LONGEST_PAUSE_S: Final = 15.0
FIRST_RETRY_S: Final = 10.0  # a parked order
LONGEST_RETRY_S: Final = 3600.0
MOST_DUE: Final = 20  # parked orders a round
LOOK_EVERY_S: Final = 5.0  # without being woken: for parked orders, and should a NOTIFY be lost
PARKED_EVERY_S: Final = 1.0  # and no more often, however often it is woken
FAN_OUT_GATHER_S: Final = 0.25  # after a batch; what is stamped meanwhile is the next one

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """An event that its sink does not take, and why."""

    event: OrderEvent
    error: str


class Publisher(Protocol):
    """Tells somebody outside of one event."""

    @property
    def name(self) -> str: ...

    async def publish(self, event: OrderEvent) -> None:
        """Returns when it is certain that it arrived. Raises `Unacceptable`, `Unavailable`."""


class FanOut(Protocol):
    """Writes rows of our own for each event, in the transaction that moves its cursor: once."""

    @property
    def name(self) -> str: ...

    async def fan_out(self, connection: Connection, events: Sequence[OrderEvent]) -> None:
        """All of them, in their order. Raises `Unacceptable`."""


class Lane(ABC):
    """`await lane.run()` until it is cancelled. Raises `DatabaseUnavailable`."""

    gather_s = 0.0  # after what it brought, before it looks again: the first of many does not wait

    def __init__(self, pool: Pool, name: str, session: Session) -> None:
        self._pool = pool
        self._name = name
        self._session = session
        self._pause_s = FIRST_PAUSE_S
        self._parked_again_s = 0.0  # monotonic

    async def run(self) -> None:
        async with reading(self._pool) as connection:
            await outbox.begin_cursors(connection, self._name)
        while True:
            heard = self._session.stamped_again()
            try:
                while self._session.shares and await self._bring_batch():
                    pass
                await self._bring_parked()
            except DatabaseUnavailable:
                raise
            except Unavailable as error:
                log.warning("relay.sink_away", sink=self._name, error=str(error))
                await self._pause()
                continue
            except Exception:  # our mistake, and this sink's alone
                log.exception("relay.sink_failed", sink=self._name)
                await self._pause()
                continue
            self._pause_s = FIRST_PAUSE_S
            await asyncio.sleep(self.gather_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await heard.wait()

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_s * (0.5 + random.random()))  # noqa: S311
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    @abstractmethod
    async def _bring_batch(self) -> bool:
        """The next events of this relay's share; True: there may be more."""

    @abstractmethod
    async def _bring_order(self, events: Sequence[OrderEvent]) -> Refusal | None:
        """One order's events, in their order, until one is refused."""

    async def _bring_parked(self) -> None:
        """Parked orders whose time has come, each by itself."""
        if time.monotonic() < self._parked_again_s:
            return
        self._parked_again_s = time.monotonic() + PARKED_EVERY_S
        async with reading(self._pool) as connection:
            due = await outbox.find_due(
                connection, self._name, partitions=self._session.shares, limit=MOST_DUE
            )
        for each in due:
            async with reading(self._pool) as connection:
                events = await outbox.read_parked(connection, self._name, each)
            refusal = await self._bring_order(events)
            async with reading(self._pool) as connection:
                if refusal is None:
                    await outbox.unpark(connection, self._name, each.order_id)
                    log.info("relay.unparked", sink=self._name, order_id=each.order_id)
                else:
                    is_next = refusal.event.sequence == each.sequence
                    await self._park(connection, refusal, tries=each.tries if is_next else 0)

    async def _park(self, connection: Connection, refusal: Refusal, *, tries: int = 0) -> None:
        event = refusal.event
        log.error(
            "relay.parked",
            sink=self._name,
            order_id=event.order_id,
            sequence=event.sequence,
            type=event.type,
            error=refusal.error,
            tries=tries + 1,
        )
        await outbox.park(
            connection,
            self._name,
            event,
            error=refusal.error,
            again_in_s=min(FIRST_RETRY_S * 2**tries, LONGEST_RETRY_S),
        )


class PublisherLane(Lane):
    """To somebody outside: at least once, each order's one after the other, many orders side by side."""

    def __init__(self, pool: Pool, publisher: Publisher, session: Session) -> None:
        super().__init__(pool, publisher.name, session)
        self._publisher = publisher
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def _bring_batch(self) -> bool:
        async with reading(self._pool) as connection:
            batch = await outbox.read_batch(
                connection, self._name, partitions=self._session.shares, limit=BATCH
            )
            if not batch.events:
                return False
            chains = outbox.by_order(batch.events)
            for order_id in await outbox.parked_of(connection, self._name, chains):
                del chains[order_id]
        outcomes = await asyncio.gather(
            *map(self._bring_order, chains.values()), return_exceptions=True
        )  # all of them: nobody is still at an order when its next try begins
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        refusals = [each for each in outcomes if isinstance(each, Refusal)]
        async with transaction(self._pool) as connection:
            for refusal in refusals:
                await self._park(connection, refusal)
            await outbox.move_cursors(connection, self._name, batch)
        return batch.is_full

    async def _bring_order(self, events: Sequence[OrderEvent]) -> Refusal | None:
        async with self._turns:
            for event in events:
                try:
                    await self._publisher.publish(event)
                except Unacceptable as error:
                    return Refusal(event, str(error))
        return None


class FanOutLane(Lane):
    """Into tables of our own, in the transaction that moves the cursor: exactly once."""

    gather_s = FAN_OUT_GATHER_S

    def __init__(self, pool: Pool, sink: FanOut, session: Session) -> None:
        super().__init__(pool, sink.name, session)
        self._sink = sink

    async def _bring_batch(self) -> bool:
        async with transaction(self._pool) as connection:
            batch = await outbox.read_batch(
                connection, self._name, partitions=self._session.shares, limit=BATCH
            )
            if not batch.events:
                return False
            chains = outbox.by_order(batch.events)
            parked = await outbox.parked_of(connection, self._name, chains)
            wanted = [event for event in batch.events if event.order_id not in parked]
            try:
                async with connection.transaction():
                    await self._sink.fan_out(connection, wanted)
            except Unacceptable:  # one of them; which, shows when each order goes alone
                for order_id, chain in chains.items():
                    if order_id not in parked:
                        refusal = await self._write(connection, chain)
                        if refusal is not None:
                            await self._park(connection, refusal)
            await outbox.move_cursors(connection, self._name, batch)
        return batch.is_full

    async def _bring_order(self, events: Sequence[OrderEvent]) -> Refusal | None:
        async with transaction(self._pool) as connection:
            return await self._write(connection, events)

    async def _write(self, connection: Connection, events: Sequence[OrderEvent]) -> Refusal | None:
        for event in events:
            try:
                async with connection.transaction():
                    await self._sink.fan_out(connection, [event])
            except Unacceptable as error:
                return Refusal(event, str(error))
        return None
