"""What past orders say, fitted now and then, and kept by this process for a while."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from adapters.postgres.analytics import Source, read_fit
from adapters.postgres.pool import Pool
from ordersaga.analytics.fit import Fit

# A fit is kept for a hundred times as long as it took to make: one hundredth of the time goes into fits,
# however large the shop and slow the machine. A small shop's are always fresh.
KEPT_PER_S_TAKEN: Final = 100.0
KEPT_AT_LEAST_S: Final = 5.0
KEPT_AT_MOST_S: Final = 600.0
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


class Fits:
    """By tenant, machine, and whose orders they are made of."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._made: dict[_Key, DatedFit] = {}
        self._one_at_a_time = asyncio.Lock()  # each is up to a second of a core

    async def of(self, tenant: str, machine: str, source: Source = "all") -> DatedFit:
        """Made now, unless one is fresh. Raises `DatabaseUnavailable`."""
        key = tenant, machine, source
        made = self._made.get(key)
        if made is not None and made.is_fresh:
            return made
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
