"""Kills parts of a stack, and those who listen to it, as a schedule says, and brings them back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Final

from cli.chaos.listening import Listeners
from cli.chaos.schedule import LISTENERS, Strike
from cli.stack import LocalStack, StackError

RETURN_PATIENCE_S: Final = 90.0  # the API is back only when PostgreSQL and Temporal are
RETRY_S: Final = 0.5  # a part that needs one that is dead just now ends again


class Striker:
    """`kills`: by part. `last_kill_at`: by the wall clock, as PostgreSQL's is."""

    def __init__(
        self,
        stack: LocalStack,
        listeners: Listeners,
        *,
        parts: Collection[str],
        say: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._listeners = listeners
        self._say = say
        self._turns = {part: asyncio.Lock() for part in parts}
        self.kills: Counter[str] = Counter(dict.fromkeys(parts, 0))
        self.last_kill_at: datetime | None = None

    async def strike_all(
        self, strikes: Iterable[Strike], *, ripe: Callable[[Strike], Awaitable[None]]
    ) -> None:
        """Returns when every part is back. Several may be dead at the same time.

        `ripe`: waits until a strike may fall whose time has come.
        Raises `StackError` in a group where one does not come back.
        """
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                group.create_task(self._strike(strike, began_s, ripe))

    async def _strike(
        self, strike: Strike, began_s: float, ripe: Callable[[Strike], Awaitable[None]]
    ) -> None:
        await asyncio.sleep(began_s + strike.at_s - time.monotonic())
        await ripe(strike)
        async with self._turns[strike.part]:  # one that is not back yet dies when it is
            await self._keeper(strike.part).kill(strike.part)
            self.kills[strike.part] += 1
            self.last_kill_at = datetime.now(UTC)
            await asyncio.sleep(strike.away_s)
            await self._bring_back(strike.part)

    async def _bring_back(self, part: str) -> None:
        gives_up_at_s = time.monotonic() + RETURN_PATIENCE_S
        while True:
            try:
                return await self._keeper(part).start(part)
            except StackError as error:
                if time.monotonic() > gives_up_at_s:
                    raise
                self._say(f"{part} is tried again: {str(error).splitlines()[0]}")
                await asyncio.sleep(RETRY_S)

    def _keeper(self, part: str) -> LocalStack | Listeners:
        """Who starts it."""
        return self._listeners if part in LISTENERS else self._stack
