"""A fit whose time is over is given to whoever asks, while a new one is made beside: nobody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.postgres.pool import Pool
from api.fits import OLD_AT_MOST_S, DatedFit, Fits
from ordersaga.errors import Unavailable
from ordersaga.lifecycle import STATUS
from tests.api.running import RunningApi


@asynccontextmanager
async def nothing_can_be_fitted(pool: Pool) -> AsyncIterator[None]:
    """Whoever reads the past waits until it cannot be had."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table past_orders in access exclusive mode")
        yield


def _age(fits: Fits, made: DatedFit, tenant: str, by_s: float) -> None:
    aged = replace(made, fresh_until_s=time.monotonic() - by_s)
    fits._made[(tenant, STATUS, "all")] = aged


async def test_an_old_fit_is_given_while_a_new_one_is_made(api: RunningApi, tenant: str) -> None:
    fits = Fits(api.pool)
    first = await fits.of(tenant, STATUS)
    _age(fits, first, tenant, 1)
    async with nothing_can_be_fitted(api.pool):
        found = [await fits.of(tenant, STATUS) for _ in range(3)]
        assert {one.fitted_at for one in found} == {first.fitted_at}
        assert len(fits._beside) == 1, "one is made, however many ask"
    await fits.of(tenant, STATUS)  # on a slow machine the first may have given up
    await asyncio.gather(*fits._beside.values())
    assert (await fits.of(tenant, STATUS)).fitted_at > first.fitted_at


async def test_a_fit_that_cannot_be_made_leaves_the_old_one_for_a_while(
    api: RunningApi, tenant: str
) -> None:
    fits = Fits(api.pool)
    first = await fits.of(tenant, STATUS)
    _age(fits, first, tenant, 1)
    async with nothing_can_be_fitted(api.pool):
        await fits.of(tenant, STATUS)
        await asyncio.gather(*fits._beside.values())
        assert (await fits.of(tenant, STATUS)).fitted_at == first.fitted_at
        await fits.close()
        assert not fits._beside
        _age(fits, first, tenant, OLD_AT_MOST_S + 1)
        with pytest.raises(Unavailable):
            await fits.of(tenant, STATUS)
