"""What a burst counts: orders that come to an end; those that fail are told, and too many end it."""

from __future__ import annotations

import asyncio

import pytest

from bench.engines.flow import Ask
from bench.engines.load import MOST_FAILED, Burst, run_burst
from ordersaga.order import NewOrder

BURST = Burst(mix="own site", shape="merged", clients=2, orders=12)


class Failing:
    """Fails the first so many orders."""

    def __init__(self, failures: int) -> None:
        self._left = failures

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await asyncio.sleep(0)
        if self._left:
            self._left -= 1
            raise TimeoutError(order.id)


async def test_an_order_that_fails_is_told_and_not_counted() -> None:
    taken = await run_burst(Failing(MOST_FAILED), BURST)
    assert len(taken.failed) == MOST_FAILED
    assert len(taken.spans) >= BURST.orders
    assert len(taken.order_ids) == taken.placed >= len(taken.spans)
    assert not any(order_id in said for order_id in taken.order_ids for said in taken.failed)


async def test_too_many_that_fail_end_the_burst() -> None:
    with pytest.raises(TimeoutError):
        await run_burst(Failing(MOST_FAILED + 1), BURST)
