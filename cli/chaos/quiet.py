"""Waits until nothing moves any more: in our tables, and in Temporal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError

from adapters.postgres.pool import Pool, reading
from adapters.postgres.unrest import Ending, find_restless, read_endings
from cli.traffic.tally import outcome_of
from ordersaga import keys
from ordersaga.errors import DatabaseUnavailable

# An outage's patience, a payer's deadline and two retries of each undo come to a minute on an idle
# machine; a busy one, with a backlog of orders, gets so much more.
QUIET_WITHIN_S: Final = 180.0
QUIET_WITHIN_S_AN_ORDER: Final = 0.1
LOOK_EVERY_S: Final = 0.5
MOST_NAMED: Final = 1000  # restless orders that one look reads


@dataclass(frozen=True)
class Quiet:
    """`restless`: order by order, what did not come to rest in time. Empty: all did."""

    waited_s: float
    endings: tuple[Ending, ...]
    restless: tuple[str, ...]


async def wait_until_quiet(pool: Pool, engine: Client, *, run: str, within_s: float) -> Quiet:
    """Looks until nothing moves, or until patience ends. PostgreSQL may be away meanwhile."""
    began_s = time.monotonic()
    while True:
        try:
            restless = await _restless(pool)
            async with reading(pool) as connection:
                endings = await read_endings(connection, run=run)
            is_over = time.monotonic() - began_s > within_s
            if not restless or is_over:  # only then: it lists every running workflow
                restless += _disagreements(endings, await _running(engine))
            if not restless or is_over:
                return Quiet(time.monotonic() - began_s, endings, tuple(restless))
        except (DatabaseUnavailable, RPCError):
            if time.monotonic() - began_s > within_s:
                raise
        await asyncio.sleep(LOOK_EVERY_S)


async def _restless(pool: Pool) -> list[str]:
    async with reading(pool) as connection:
        found = await find_restless(connection, limit=MOST_NAMED)
    now = datetime.now(UTC)
    return [
        f"{each.id} is {each.status}, {each.payment_status}, {each.fulfillment_status}, "
        f"at version {each.version} for {(now - each.updated_at).total_seconds():.0f} s"
        + (f", in attention for {each.attention}" if each.attention else "")
        + (", and was asked something that is not answered" if each.is_asked else "")
        + (", and its carrier was not told to come" if each.awaits_release else "")
        for each in found
    ]


async def _running(engine: Client) -> frozenset[str]:
    found = engine.list_workflows("ExecutionStatus = 'Running'")
    return frozenset([workflow.id async for workflow in found])


def _disagreements(endings: Sequence[Ending], running: Collection[str]) -> list[str]:
    """A confirmed order lives on in its workflow; one that is undone has none any more."""
    told = []
    for each in endings:
        lives = keys.workflow_id(each.id) in running
        outcome = outcome_of(each.status)
        if outcome == "confirmed" and not lives:
            told.append(f"{each.id} is {each.status}, and no workflow runs for it")
        if outcome in ("rejected", "canceled") and lives:
            told.append(f"{each.id} is {each.status}, and its workflow still runs")
    return told


def recovery_s(
    endings: Sequence[Ending], *, since: datetime, only: Collection[str]
) -> tuple[float, ...]:
    """How long after `since` each order came to rest that was under way then: seconds, sorted.

    `only`: references of the orders that need nobody to come to rest.
    """
    times = [
        (each.updated_at - since).total_seconds()
        for each in endings
        if each.reference in only and each.created_at < since < each.updated_at
    ]
    return tuple(sorted(times))
