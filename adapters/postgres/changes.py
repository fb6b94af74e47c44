"""Tells those who wait for an order that it changed: one LISTEN connection a process, no polling.

    async with changes.watch(order_id) as watch:
        …  # look at the order, then:
        change = await watch.next(timeout_s)

Notifications of a lost connection are lost with it: when a new one listens, everybody who waits is
woken without news, and looks for himself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import asyncpg
import structlog

from adapters.postgres.history import CHANGES_CHANNEL
from adapters.postgres.outbox import STAMPED_CHANNEL
from adapters.postgres.pool import CONNECT_TIMEOUT_S

log = structlog.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.1  # a PostgreSQL that restarts is back within a second
LONGEST_PAUSE_S: Final = 5.0
HEARTBEAT_S: Final = 10.0  # a connection whose other end vanished says nothing by itself
HEARTBEAT_TIMEOUT_S: Final = 3.0

# No connection, or none any more: also asyncpg's word between PostgreSQL's farewell and the line's end.
_LOST: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_Listener: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Change:
    """An order as it is since `version`."""

    version: int
    status: str
    payment_status: str


class Watch:
    """One waiter's view of one order. Only the newest change is kept."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._newest: Change | None = None

    async def next(self, timeout_s: float) -> Change | None:
        """The newest change since the last call; None: none in time, or some may be lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        self._woken.clear()
        newest, self._newest = self._newest, None
        return newest

    def tell(self, change: Change | None) -> None:
        self._newest = change
        self._woken.set()


class Ear(Protocol):
    """Hears of all orders. Called within the loop: it notes what it hears, and looks later."""

    def hear_change(self, order_id: str) -> None:
        """This order's history grew."""

    def hear_stamped(self) -> None:
        """Events have got their positions."""

    def hear_again(self) -> None:
        """Some news may be lost."""


class OrderChanges:
    """All watches and ears of this process, fed by one connection."""

    def __init__(self, database_url: str, *, application_name: str) -> None:
        self._database_url = database_url
        self._application_name = application_name
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._ears: list[Ear] = []

    @property
    def waited_for(self) -> int:
        """How many orders somebody waits for, here."""
        return len(self._watches)

    def tell(self, ear: Ear) -> None:
        """From now on, of everything."""
        self._ears.append(ear)

    @asynccontextmanager
    async def watch(self, order_id: str) -> AsyncIterator[Watch]:
        """Nothing is missed from the moment it is entered: enter it, then look at the order."""
        watch = Watch()
        self._watches[order_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[order_id].discard(watch)
            if not self._watches[order_id]:
                del self._watches[order_id]

    def wake_all(self) -> None:
        """Everybody looks for himself."""
        for watches in self._watches.values():
            for watch in watches:
                watch.tell(None)

    async def listen(self) -> None:
        """Listens until it is cancelled, over as many connections as that takes."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                connection = await self._connect()
            except _LOST as error:
                log.warning("changes.no_connection", error=type(error).__name__, again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            try:
                await _until_lost(connection)
            finally:
                connection.terminate()
            log.warning("changes.connection_lost")

    async def _connect(self) -> _Listener:
        connection: _Listener = await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={"application_name": self._application_name},
        )
        try:
            await connection.add_listener(CHANGES_CHANNEL, self._heard)
            self.wake_all()  # at once: whoever hears of a change from here on has lost none after it
            await connection.add_listener(STAMPED_CHANNEL, self._heard_stamped)
        except BaseException:  # stopped, or lost, in between
            connection.terminate()
            raise
        for ear in self._ears:
            ear.hear_again()
        return connection

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        order_id, version, status, payment_status = str(payload).split()
        change = Change(int(version), status, payment_status)
        for watch in self._watches.get(order_id, ()):
            watch.tell(change)
        for ear in self._ears:
            ear.hear_change(order_id)

    def _heard_stamped(self, connection: object, pid: int, channel: str, payload: object) -> None:
        for ear in self._ears:
            ear.hear_stamped()


async def _until_lost(connection: _Listener) -> None:
    """Returns when the connection does not answer any more."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    while not lost.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT_S):
                await lost.wait()
            return
        try:
            await connection.execute("select 1", timeout=HEARTBEAT_TIMEOUT_S)
        except _LOST:
            return
