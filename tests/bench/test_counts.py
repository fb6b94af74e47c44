"""What an order costs must not creep up: `make bench-quick`, and what it says of more and of less."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import pytest

from bench.counting import COUNTS
from bench.counts import LIMITS, higher, lower

pytestmark = pytest.mark.long

ROOT: Final = Path(__file__).parent.parent.parent
LIMIT: Final = {kind: dict.fromkeys(COUNTS, 5) for kind in ("own_site", "card")}
MEASURED_WITHIN_S: Final = 240  # half a minute on a machine that is not busy


async def test_no_kind_of_order_costs_more_than_it_did() -> None:
    measuring = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.counts"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(MEASURED_WITHIN_S):
            said, _ = await measuring.communicate()
    finally:
        if measuring.returncode is None:
            measuring.kill()
            await measuring.wait()
    assert measuring.returncode == 0, said.decode()


def test_more_of_anything_is_told_and_less_of_it_too() -> None:
    costs = {kind: dict(counts) for kind, counts in LIMIT.items()}
    costs["card"]["workflow_tasks"] = 6
    costs["own_site"]["worker_statements"] = 4
    assert higher(costs, LIMIT) == ["card: workflow_tasks 5 → 6"]
    assert lower(costs, LIMIT) == ["own_site: worker_statements 5 → 4"]


def test_a_kind_of_order_without_limits_and_one_that_is_not_measured_are_told() -> None:
    costs = {"own_site": LIMIT["own_site"], "gift": LIMIT["card"]}
    assert higher(costs, LIMIT) == ["gift has no limits", "card is not measured"]


def test_until_it_is_confirmed_an_order_takes_no_more_events_and_tasks_than_it_was_designed_with() -> (
    None
):
    limits = json.loads(LIMITS.read_text())
    for kind, events, tasks in (("own_site", 9, 1), ("card", 20, 3)):
        assert limits[kind]["history_events"] <= events
        assert limits[kind]["workflow_tasks"] <= tasks
