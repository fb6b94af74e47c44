"""What a dead process leaves behind: a coordinator killed between the phases, a worker killed in the middle.

Both while orders for one SKU are under way; measured is how long everybody else's orders for it wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import asyncpg

from bench.engines.load import Burst
from bench.engines.registry import OURS_APART
from bench.engines.stage import Stage, database
from bench.engines.two_phase import DATABASES, STOCK

CLIENTS: Final = 8
KILL_AFTER_S: Final = 0.7
FOR_EVER_S: Final = 600.0
HOT: Final = Burst(mix="own site", shape="merged", is_hot=True, clients=CLIENTS)
TRIES: Final = 10  # a kill may fall beside the phases: then nothing is in doubt
OURS_BEFORE_S: Final = 3.0


@dataclass(frozen=True, kw_only=True)
class InDoubt:
    """After the kill of a coordinator, of everybody else's orders for the SKU.

    `prepared`: transactions that it left; `orders_meanwhile`: confirmed in `observed_s`, before a person
    decided; `first_after_person_s`: from then to the first one.
    """

    tries: int
    prepared: int
    observed_s: float
    orders_meanwhile: int
    first_after_person_s: float


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """After the kill of a worker, of orders for the SKU that were placed later.

    `longest_gap_s`: between two confirmed ones; `own_longest_s`: of orders that the dead worker had.
    """

    longest_gap_before_s: float
    first_s: float
    longest_gap_s: float
    orders_meanwhile: int
    observed_s: float
    own_longest_s: float


async def kill_coordinator(
    stage: Stage, *, observed_s: float, tell: Callable[[str], None]
) -> InDoubt:
    """Raises `RuntimeError` when no kill of ten fell between the phases."""
    others = stage.loads["two_phase"]
    for tries in range(1, TRIES + 1):
        tell(f"two-phase commit: killing the coordinator, try {tries}")
        victim = await stage.start_load("two_phase")
        under_way = asyncio.create_task(victim.run(replace(HOT, seconds=FOR_EVER_S)))
        await asyncio.sleep(KILL_AFTER_S + tries * 0.013)
        victim.kill()
        with suppress(RuntimeError):
            await under_way
        in_doubt = await _prepared(stage)
        if database(STOCK) in in_doubt.values():
            break
        await _decide_by_hand(
            stage, in_doubt
        )  # they lock no goods, only what this order's payer has
    else:
        raise RuntimeError("no kill fell between the phases")
    tell(f"two-phase commit: {len(in_doubt)} in doubt; everybody else waits")
    before = await _confirmed(stage)
    waiting = asyncio.create_task(others.run(replace(HOT, orders=CLIENTS)))
    await asyncio.sleep(observed_s)
    meanwhile = await _confirmed(stage) - before
    decided_s = time.perf_counter()
    await _decide_by_hand(stage, in_doubt)
    taken = await waiting
    first_s = min(ended_s for _, ended_s in taken.spans) - decided_s
    return InDoubt(
        tries=tries,
        prepared=len(in_doubt),
        observed_s=observed_s,
        orders_meanwhile=meanwhile,
        first_after_person_s=round(first_s, 3),
    )


async def kill_worker(
    stage: Stage, *, observed_s: float, tell: Callable[[str], None]
) -> Undisturbed:
    """One of two; its callers go on."""
    tell("ordersaga: killing one of two workers")
    await stage.start_worker("second worker")
    burst = replace(HOT, seconds=OURS_BEFORE_S + observed_s)
    began_s = time.perf_counter()
    under_way = asyncio.create_task(stage.loads[OURS_APART].run(burst))
    await asyncio.sleep(OURS_BEFORE_S)
    killed_s = time.perf_counter()
    await stage.stack.kill("worker")
    return undisturbed((await under_way).spans, began_s=began_s, killed_s=killed_s)


def undisturbed(
    spans: Sequence[tuple[float, float]], *, began_s: float, killed_s: float
) -> Undisturbed:
    """Times are of one clock; a span is when an order was placed and when it was confirmed."""
    later = [ended for placed, ended in spans if placed >= killed_s]
    own = [ended - placed for placed, ended in spans if placed < killed_s <= ended]
    before = [ended for _, ended in spans if ended < killed_s]
    return Undisturbed(
        longest_gap_before_s=round(_longest_gap([began_s, *before]), 3),
        first_s=round(min(later) - killed_s, 3),
        longest_gap_s=round(_longest_gap([killed_s, *later]), 3),
        orders_meanwhile=len(later),
        observed_s=round(max(later) - killed_s, 1),
        own_longest_s=round(max(own, default=0.0), 3),
    )


def _longest_gap(moments: Sequence[float]) -> float:
    ordered = sorted(moments)
    return max((later - earlier for earlier, later in pairwise(ordered)), default=0.0)


async def _prepared(stage: Stage) -> dict[str, str]:
    """What is prepared, and by nobody alive: transaction → its database."""
    connection = await asyncpg.connect(stage.superuser)
    rows = await connection.fetch("select gid, database from pg_prepared_xacts")
    await connection.close()
    return {row["gid"]: row["database"] for row in rows}


async def _confirmed(stage: Stage) -> int:
    connection = await asyncpg.connect(stage.where_of("two_phase").owner)
    count: int = await connection.fetchval("select count(*) from orders where status = 'confirmed'")
    await connection.close()
    return count


async def _decide_by_hand(stage: Stage, in_doubt: Mapping[str, str]) -> None:
    """What an operator does: looks into the coordinator's log, then commits or rolls back each."""
    log = await asyncpg.connect(stage.where_of("two_phase").owner)
    decided = {row["gid"] for row in await log.fetch("select gid from coordinator_log")}
    await log.close()
    for name in DATABASES:
        site = await asyncpg.connect(stage.superuser.replace("/postgres?", f"/{database(name)}?"))
        for gid in (gid for gid, where in in_doubt.items() if where == database(name)):
            verb = "commit" if gid.partition(":")[0] in decided else "rollback"
            await site.execute(f"{verb} prepared '{gid}'")
        await site.close()
