"""A cancel across a worker's eviction: each task of an order is replayed from its history."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from cli.stack.stack import LocalStack
from tests.faults.lab import Lab
from tests.faults.moments import MOMENTS, Moment, PinnedOrder
from tests.faults.runs import assert_audit_is_clean

pytestmark = pytest.mark.long

# An order within a step of our own site is within a task, and no worker forgets it there.
LOCAL: Final = {"hold_own_site", "decide_order", "close_order", "reverse_own_site"}
QUEUED: Final = [m for m in MOMENTS if m.activity not in LOCAL and m.when == "after"]
TIMEOUT_S: Final = 240  # such a worker runs one task at a time, each from the order's beginning


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("cached", [0, 1])
async def test_a_worker_that_forgets_every_order_in_between_cancels_each_once(
    stack: LocalStack, cached: int
) -> None:
    async def cancel(lab: Lab, moment: Moment) -> None:
        order = await PinnedOrder.place_at(lab, moment)
        asked = asyncio.create_task(order.ask_to_cancel())
        await order.cancel_in_temporal()
        await order.until_asked([asked])
        order.let_go()
        await order.end_undone_once()
        await asked

    async with Lab(stack, cached_workflows=cached) as lab:
        await asyncio.gather(*(cancel(lab, moment) for moment in QUEUED))
        await assert_audit_is_clean(lab)
