"""Waits until nothing moves any more: in our tables, and in Temporal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.postgres.pool import Pool, reading
from adapters.postgres.unrest import Ending, find_restless, read_endings, read_open_returns
from ordersaga import keys
from ordersaga.errors import DatabaseUnavailable
from ordersaga.lifecycle import FINAL, UNDECIDED, Status

# An outage's patience, a payer's deadline and two retries of each undo come to a minute on an idle
# machine; a busy one, with a backlog of orders, gets so much more.
QUIET_WITHIN_S: Final = 180.0
QUIET_WITHIN_S_AN_ORDER: Final = 0.1
LOOK_EVERY_S: Final = 0.5
SENDER_TIMEOUT_S: Final = 10.0  # nobody kills the sandbox any more by then
MOST_NAMED: Final = 1000  # restless orders that one look reads
# Workflows beside the orders' own: what begins their ids.
GIVE_BACKS: Final = ("return:", "refund:", "payment-news:")


@dataclass(frozen=True)
class Quiet:
    """`restless`: order by order, what did not come to rest in time. Empty: all did."""

    waited_s: float
    endings: tuple[Ending, ...]
    restless: tuple[str, ...]


async def wait_until_quiet(
    pool: Pool, engine: Client, *, run: str, within_s: float, senders: Sequence[str] = ()
) -> Quiet:
    """Looks until nothing moves, or until patience ends. PostgreSQL may be away meanwhile.

    `senders`: addresses of sandbox programs, whose messages have to have arrived.
    """
    began_s = time.monotonic()
    while True:
        try:
            restless = [*await _unsent(senders), *await _restless(pool)]
            async with reading(pool) as connection:
                endings = await read_endings(connection, run=run)
                returns = await read_open_returns(connection)
            is_over = time.monotonic() - began_s > within_s
            if not restless or is_over:  # only then: it lists every running workflow
                restless += _disagreements(endings, returns, await _running(engine))
            if not restless or is_over:
                return Quiet(time.monotonic() - began_s, endings, tuple(restless))
        except (DatabaseUnavailable, RPCError, httpx.HTTPError):
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
        + (", and money of it is still to go back" if each.gives_back else "")
        + (", and has not heard of a message about it" if each.has_mail else "")
        + (", and its parcel will not arrive" if each.comes_back else "")
        for each in found
    ]


async def _unsent(senders: Sequence[str]) -> list[str]:
    found = []
    async with httpx.AsyncClient(timeout=SENDER_TIMEOUT_S, trust_env=False) as http:
        for sender in senders:
            waiting = (await http.get(f"{sender}/test/deliveries")).json()["waiting"]
            if waiting:
                found.append(f"{waiting} messages wait at {sender}")
    return found


async def _running(engine: Client) -> frozenset[str]:
    found = engine.list_workflows("ExecutionStatus = 'Running'")
    return frozenset([workflow.id async for workflow in found])


def _disagreements(
    endings: Sequence[Ending], returns: Collection[str], running: Collection[str]
) -> list[str]:
    """An order lives on in its workflow until it is over, and so does a return; money that goes back
    does not wait for anybody."""
    told = []
    for each in endings:
        lives = keys.workflow_id(each.id) in running
        is_over = each.status in FINAL
        if not lives and not is_over and each.status not in UNDECIDED:
            told.append(f"{each.id} is {each.status}, and no workflow runs for it")
        if each.status == Status.DELIVERED:
            told.append(f"{each.id} is delivered, and its window has not passed")
        if lives and is_over:
            told.append(f"{each.id} is {each.status}, and its workflow still runs")
    owed = {keys.return_workflow_id(return_id) for return_id in returns}
    idle = owed.difference(running)
    busy = {workflow for workflow in running if workflow.startswith(GIVE_BACKS)} - owed
    told += [f"{workflow} is not over, and does not run" for workflow in sorted(idle)]
    told += [f"{workflow} still runs" for workflow in sorted(busy)]
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
