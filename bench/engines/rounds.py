"""The run itself: interleaved rounds, then what is counted and not timed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median, quantiles
from typing import Final

from temporalio.client import Client

from bench.engines import two_phase
from bench.engines.costs import StatementCount, cpu_of, read_history
from bench.engines.flow import MIXES, Mix
from bench.engines.load import Burst, Taken
from bench.engines.registry import OURS, OURS_APART, OURS_QUEUED, Entry
from bench.engines.stage import Stage, database
from bench.engines.temporal_sample import workflow_id as sample_id
from ordersaga.keys import workflow_id

COUNTED_ORDERS: Final = 10  # each costs the same, but for what happens now and then
SETTLE_S: Final = 0.5  # what follows an order: the relay's stamp, an engine's last row
ALONE_ORDERS: Final = 15
IDLE_S: Final = 3.0
ALONE_MOST_S: Final = 8.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long it takes. A slow engine's burst lasts until `least` orders have ended, or `most_s`."""

    rounds: int = 3
    clients: int = 50
    ramp_s: float = 1.0
    seconds: float = 4.0
    least: int = 100
    most_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """One engine's turn. CPU in ms an order, by process. `failed`: what callers were told of orders that did
    not come to an end."""

    number: int
    mix: Mix
    key: str
    clients: int
    orders_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    orders: int
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one order costs, counted. None: the engine has no such thing."""

    key: str
    mix: Mix
    statements: float
    history_events: float | None = None
    workflow_tasks: float | None = None
    billable_actions: float | None = None


@dataclass
class Measured:
    """`idle_cpu`: of one core, by process, while nobody places an order: all are up all the time."""

    rounds: list[Round] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    idle_cpu: dict[str, float] = field(default_factory=dict)


Tell = Callable[[str], None]


async def measure(stage: Stage, entries: Sequence[Entry], plan: Plan, tell: Tell) -> Measured:
    """Everything but the killing."""
    measured = Measured()
    turns = [(entry, mix) for mix in MIXES for entry in entries if mix in entry.mixes]
    for entry, mix in turns:
        tell(f"warm-up: {entry.key}, {mix}")
        await _turn(stage, entry, mix, replace(_burst(entry, mix), clients=8, seconds=0.5))
    measured.idle_cpu = await _idle(stage, entries)
    for number in range(plan.rounds):
        # There and back, so that nobody always follows the same one.
        for entry, mix in turns if number % 2 == 0 else reversed(turns):
            tell(f"round {number + 1} of {plan.rounds}: {entry.key}, {mix}")
            burst = replace(
                _burst(entry, mix),
                clients=plan.clients,
                ramp_s=plan.ramp_s,
                seconds=plan.seconds,
                orders=plan.least,
                most_s=plan.most_s,
            )
            measured.rounds.append(await _timed(stage, entry, mix, burst, number))
    for entry, mix in turns:
        tell(f"one client alone: {entry.key}, {mix}")
        burst = replace(_burst(entry, mix), orders=ALONE_ORDERS, most_s=ALONE_MOST_S)
        measured.rounds.append(await _timed(stage, entry, mix, burst, 0))
    client = await Client.connect(stage.where.temporal, namespace=stage.where.temporal_namespace)
    async with StatementCount(stage.superuser, stage.stack.logs / "postgres.log") as counting:
        for entry, mix in turns:
            tell(f"counting: {entry.key}, {mix}")
            measured.costs.append(await _counted(stage, entry, mix, client, counting))
    return measured


def percentile(taken: Sequence[float], percent: int) -> float:
    return taken[0] if len(taken) == 1 else quantiles(taken, n=100, method="inclusive")[percent - 1]


async def _turn(stage: Stage, entry: Entry, mix: Mix, burst: Burst) -> Taken:
    return await stage.loads[entry.engine].run(burst)


async def _idle(stage: Stage, entries: Sequence[Entry]) -> dict[str, float]:
    pids = {
        f"{name} of {entry.engine}" if name == "callers" else name: pid
        for entry in entries
        for name, pid in stage.pids(entry.engine, entry.parts).items()
    }
    await asyncio.sleep(SETTLE_S)
    before = cpu_of(pids)
    await asyncio.sleep(IDLE_S)
    after = cpu_of(pids)
    return {name: round((after[name] - before[name]) / IDLE_S, 3) for name in pids}


async def _timed(stage: Stage, entry: Entry, mix: Mix, burst: Burst, number: int) -> Round:
    pids = stage.pids(entry.engine, entry.parts)
    before = cpu_of(pids)
    taken = await _turn(stage, entry, mix, burst)
    after = cpu_of(pids)
    return Round(
        number=number,
        mix=mix,
        key=entry.key,
        clients=burst.clients,
        orders_per_s=round(len(taken.spans) / taken.window_s, 2),
        p50_ms=round(percentile(taken.latencies_s, 50) * 1000, 1),
        p99_ms=round(percentile(taken.latencies_s, 99) * 1000, 1),
        cpu_ms={n: round((after[n] - before[n]) * 1000 / taken.placed, 2) for n in pids},
        orders=len(taken.spans),
        failed=taken.failed,
    )


async def _counted(
    stage: Stage, entry: Entry, mix: Mix, client: Client, counting: StatementCount
) -> Cost:
    before = counting.by_database()
    burst = replace(_burst(entry, mix), orders=COUNTED_ORDERS)
    taken = await _turn(stage, entry, mix, burst)
    await asyncio.sleep(SETTLE_S)
    sent = counting.by_database() - before
    engines = two_phase.DATABASES if entry.engine == "two_phase" else (entry.engine,)
    statements = sum(sent[database(engine)] for engine in engines) / taken.placed
    cost = Cost(key=entry.key, mix=mix, statements=round(statements, 1))
    ids = {
        OURS: workflow_id,
        OURS_APART: workflow_id,
        OURS_QUEUED: workflow_id,
        "temporal_sample": sample_id,
    }.get(entry.engine)
    if ids is None:
        return cost
    found = defaultdict(list)
    for order_id in taken.order_ids:
        for name, value in asdict(await read_history(client, ids(order_id))).items():
            found[name].append(value)
    return Cost(
        key=entry.key,
        mix=mix,
        statements=cost.statements,
        history_events=median(found["events"]),
        workflow_tasks=median(found["workflow_tasks"]),
        billable_actions=median(found["actions"]),
    )


def _burst(entry: Entry, mix: Mix) -> Burst:
    """Of one client."""
    return Burst(mix=mix, shape=entry.shape, clients=1)
