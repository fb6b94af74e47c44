"""What past orders say, fitted now and then, and kept by this process for a while."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import structlog

from adapters.postgres.analytics import Source, read_fit
from adapters.postgres.pool import Pool
from ordersaga.analytics.fit import Fit
from ordersaga.errors import Unavailable

log = structlog.get_logger(__name__)

# A fit is kept for a hundred times as long as it took to make: one hundredth of the time goes into fits,
# however large the shop and slow the machine. Whoever asks later gets it once more, and has it made anew.
KEPT_PER_S_TAKEN: Final = 100.0
KEPT_AT_LEAST_S: Final = 5.0
KEPT_AT_MOST_S: Final = 600.0
OLD_AT_MOST_S: Final = 600.0  # behind its time; then its reader waits for a new one
MOST_FITS: Final = 64  # of 40,000 orders each has about 6 MB; then the one made first is forgotten

_Key: TypeAlias = tuple[str, str, Source]


@dataclass(frozen=True)
class DatedFit:
    """A fit, and when it was made."""

    fit: Fit
    fitted_at: datetime
    fresh_until_s: float  # by the process's own clock

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.fresh_until_s

    @property
    def is_usable(self) -> bool:
        return time.monotonic() < self.fresh_until_s + OLD_AT_MOST_S


class Fits:
    """By tenant, machine, and whose orders they are made of."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._made: dict[_Key, DatedFit] = {}
        self._one_at_a_time = asyncio.Lock()  # each is up to a second of a core
        self._beside: dict[_Key, asyncio.Task[None]] = {}

    async def of(self, tenant: str, machine: str, source: Source = "all") -> DatedFit:
        """Made now, unless there is one; one that is not fresh is made anew beside, and nobody waits.

        Raises `DatabaseUnavailable`.
        """
        key = tenant, machine, source
        made = self._made.get(key)
        if made is None or not made.is_usable:
            return await self._make_once(key)
        if not made.is_fresh and key not in self._beside:
            task = self._beside[key] = asyncio.create_task(self._make_beside(key))
            task.add_done_callback(lambda _: self._beside.pop(key, None))
        return made

    async def close(self) -> None:
        """Ends what is made beside."""
        for task in list(self._beside.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _make_beside(self, key: _Key) -> None:
        try:
            await self._make_once(key)
        except Unavailable as error:
            log.warning("fit.not_made", error=str(error))  # the next reader asks again

    async def _make_once(self, key: _Key) -> DatedFit:
        async with self._one_at_a_time:
            made = self._made.get(key)  # whoever came first has made it meanwhile
            if made is None or not made.is_fresh:
                made = await self._make(key)
            return made

    async def _make(self, key: _Key) -> DatedFit:
        tenant, machine, source = key
        fitted_at, begun_at_s = datetime.now(UTC), time.monotonic()
        fit = await read_fit(self._pool, tenant=tenant, machine=machine, source=source)
        made_at_s = time.monotonic()
        kept_s = min(
            max(KEPT_AT_LEAST_S, (made_at_s - begun_at_s) * KEPT_PER_S_TAKEN), KEPT_AT_MOST_S
        )
        self._made.pop(key, None)
        if len(self._made) >= MOST_FITS:
            del self._made[next(iter(self._made))]
        made = self._made[key] = DatedFit(fit, fitted_at, made_at_s + kept_s)
        return made
