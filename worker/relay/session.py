"""A relay's own connection: its advisory locks, and what wakes it. Both are gone with it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

import asyncpg

from adapters.postgres import outbox
from adapters.postgres.history import CHANGES_CHANNEL
from adapters.postgres.pool import CONNECT_TIMEOUT_S, translated_errors
from ordersaga.errors import DatabaseUnavailable

APPLICATION_NAME: Final = "ordersaga-relay"
MOST_RELAYS: Final = 64
HEARTBEAT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 10.0  # a busy server answers late, and a new session is no quicker


class Session:
    """`async with Session(url) as session:`; raises `DatabaseUnavailable`.

    `written`: set when an order's history grew. `shares`: the partitions that are this relay's now.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._lost = asyncio.Event()
        self._turn = asyncio.Lock()  # a connection takes one statement at a time
        self._stamps = False
        self.written = asyncio.Event()
        self._stamped = asyncio.Event()
        self.shares: frozenset[int] = frozenset()

    async def __aenter__(self) -> Self:
        with translated_errors():
            self._connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                self._database_url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=ANSWER_TIMEOUT_S,
                server_settings={"application_name": APPLICATION_NAME},
            )
            try:
                self._connection.add_termination_listener(lambda _: self._lost.set())
                await self._connection.add_listener(CHANGES_CHANNEL, lambda *_: self.written.set())
                await self._connection.add_listener(
                    outbox.STAMPED_CHANNEL, lambda *_: self._wake_lanes()
                )
                await self._register()
            except BaseException:
                self._connection.terminate()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.terminate()  # with its locks

    def stamped_again(self) -> asyncio.Event:
        """Set at the next events that get their positions; ask for it before you look."""
        return self._stamped

    def _wake_lanes(self) -> None:
        self._stamped.set()
        self._stamped = asyncio.Event()

    async def _register(self) -> None:
        """So that relays can be counted."""
        for number in range(MOST_RELAYS):
            if await outbox.try_lock(self._connection, outbox.RELAYING, number):
                return
        raise DatabaseUnavailable(f"there are {MOST_RELAYS} relays already")

    async def is_stamper(self) -> bool:
        """Whether this relay is the one that stamps; it stays that, once it is."""
        if not self._stamps:
            async with self._turn:
                with translated_errors():
                    self._stamps = await outbox.try_lock(self._connection, outbox.STAMPING, 0)
        return self._stamps

    async def stamp(self, limit: int) -> int:
        """On the connection that has the lock: who lost it stamps nothing. How many."""
        async with self._turn:
            with translated_errors():
                return await outbox.stamp(self._connection, limit=limit)

    async def settle_shares(self) -> None:
        """Takes what nobody has, up to a fair share of all; gives back what is beyond it."""
        async with self._turn:
            with translated_errors():
                relays = max(1, await outbox.count_holders(self._connection, outbox.RELAYING))
                fair = -(-outbox.PARTITIONS // relays)
                mine = sorted(self.shares)
                for partition in mine[fair:]:
                    await outbox.unlock(self._connection, outbox.SHARES, partition)
                kept = set(mine[:fair])
                for partition in range(outbox.PARTITIONS):
                    if len(kept) >= fair:
                        break
                    if partition not in kept and await outbox.try_lock(
                        self._connection, outbox.SHARES, partition
                    ):
                        kept.add(partition)
        if kept != self.shares:
            self.shares = frozenset(kept)
            self._wake_lanes()  # there may be something in what is new

    async def until_lost(self) -> None:
        """Raises `DatabaseUnavailable` when the connection does not answer any more."""
        while not self._lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._lost.wait()
                break
            await self.settle_shares()
        raise DatabaseUnavailable("the relay's connection is lost")
