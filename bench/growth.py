"""What grows and what does not: long orders, one SKU that all want, thousands of orders that wait.

`python -m bench.growth [--part cost|lines|hot|waiting] [--output F]`. Goals: 200 lines take as many
statements as two, and no more than three times as long as one; of a hot SKU exactly what there is is sold, at
0.7 times the rate of many SKUs or more. How queries grow is tested: tests/postgres/test_plans.py.
`cost`: what an order costs each process, which is what docs/scaling.md counts with.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from bench.floor import (
    BY_BALANCE,
    BY_CARD,
    LATER,
    Floor,
    Json,
    at_once,
    be_quiet,
    open_floor,
    p50_ms,
    p99_ms,
    timed,
    write,
)
from bench.shop_window import count_lines
from worker.main import CACHED_WORKFLOWS

LINES: Final = (1, 2, 10, 50, 200)  # from two on, goods are locked in an order: a statement more
CLIENTS: Final = 32
SKUS: Final = 50  # what is bought, where not all want the same
MOVED: Final = 20  # orders of each kind that are moved, one by one
ENOUGH: Final = 1_000_000  # units


class Part(StrEnum):
    COST = "cost"
    LINES = "lines"
    HOT = "hot"
    WAITING = "waiting"


@dataclass(frozen=True)
class Sizes:
    cost: int
    rounds: int
    hot: int
    units: int
    waiting: int


def main(
    part: Annotated[list[Part] | None, typer.Option(help="Only these.")] = None,
    cost: Annotated[int, typer.Option(help="Orders of each mix.", min=10)] = 400,
    rounds: Annotated[int, typer.Option(help="Orders of each length.", min=3)] = 30,
    hot: Annotated[int, typer.Option(help="Orders for the hot SKU.", min=10)] = 2_000,
    units: Annotated[int, typer.Option(help="Units of it.", min=1)] = 500,
    waiting: Annotated[int, typer.Option(help="Orders that wait.", min=100)] = 5_000,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Measure, print, write the figures."""
    be_quiet()
    sizes = Sizes(cost=cost, rounds=rounds, hot=hot, units=units, waiting=waiting)
    write(asyncio.run(_run(frozenset(part or Part), sizes)), output)


async def _run(parts: frozenset[Part], sizes: Sizes) -> dict[str, object]:
    figures: dict[str, object] = {"cores": os.cpu_count()}
    async with open_floor("growth") as floor:
        if Part.COST in parts:
            figures["cost"] = await _cost(floor, sizes)
        if Part.LINES in parts:
            figures["lines"] = await _lines(floor, sizes)
        if Part.HOT in parts:
            figures["hot_sku"] = await _hot(floor, sizes)
        if Part.WAITING in parts:
            figures["waiting"] = await _waiting(floor, sizes)
    return figures


async def _cost(floor: Floor, sizes: Sizes) -> dict[str, object]:
    """CPU by process, and what is written, until an order is decided."""
    shelves = [f"cost-{n}" for n in range(SKUS)]
    await floor.fill(dict.fromkeys(shelves, ENOUGH))
    figures: dict[str, object] = {}
    for mix, payments in (("own_site", BY_BALANCE), ("card", BY_CARD)):
        await _sell(floor, shelves, sizes.cost // 10, payments)  # plans, connections
        before = floor.cpu_s(), await floor.wal_bytes()
        taken_s = await _sell(floor, shelves, sizes.cost, payments)
        after = floor.cpu_s(), await floor.wal_bytes()
        figures[mix] = {
            "orders_per_s": round(sizes.cost / taken_s, 1),
            "cpu_ms": {
                part: round((after[0][part] - before[0][part]) / sizes.cost * 1000, 1)
                for part in before[0]
            },
            "wal_kb": round((after[1] - before[1]) / sizes.cost / 1024, 1),
        }
    return figures


async def _lines(floor: Floor, sizes: Sizes) -> dict[str, object]:
    """In turns, so that a busy moment of the machine is everybody's."""
    skus = [f"line-{n}" for n in range(max(LINES))]
    await floor.fill(dict.fromkeys(skus, ENOUGH))
    taken: dict[int, list[float]] = {count: [] for count in LINES}
    for count in LINES:
        await floor.place(skus[:count], BY_BALANCE)  # plans, connections
    for n in range(sizes.rounds):
        for count in LINES:
            placing = floor.place(skus[:count], BY_BALANCE, number=n)
            taken[count].append(await timed(placing))
    statements = await count_lines(floor.stack.ready, LINES)
    one, two, most = LINES[0], LINES[1], LINES[-1]
    return {
        "of": [
            {"lines": count, "p50_ms": p50_ms(taken[count]), "statements": statements[count]}
            for count in LINES
        ],
        "time_ratio": round(p50_ms(taken[most]) / p50_ms(taken[one]), 2),
        "statements_ratio_to_two": round(statements[most] / statements[two], 2),
    }


async def _hot(floor: Floor, sizes: Sizes) -> dict[str, object]:
    """The same share of the orders gets its goods, whether all want one SKU or many different ones."""
    spread_orders = sizes.hot // 2
    each = sizes.units * spread_orders // sizes.hot // SKUS
    shelves = {f"spread-{n}": each for n in range(SKUS)}
    await floor.fill({"hot": sizes.units, **shelves})
    spread_s = await _sell(floor, list(shelves), spread_orders)
    hot_s = await _sell(floor, ["hot"], sizes.hot)
    left: int = await floor.database.fetchval("select on_hand from stock where sku = 'hot'")
    sold = await floor.count(
        "status = 'confirmed' and exists"
        " (select from order_lines l where l.order_id = orders.id and l.sku = 'hot')"
    )
    spread_rate, hot_rate = spread_orders / spread_s, sizes.hot / hot_s
    return {
        "orders": sizes.hot,
        "units": sizes.units,
        "sold": sold,
        "left": left,
        "hot_orders_per_s": round(hot_rate, 1),
        "spread_orders_per_s": round(spread_rate, 1),
        "rate_ratio": round(hot_rate / spread_rate, 2),
    }


async def _sell(
    floor: Floor, skus: list[str], orders: int, payments: Sequence[Json] = BY_BALANCE
) -> float:
    return await at_once(
        CLIENTS,
        (partial(floor.place, [skus[n % len(skus)]], payments, number=n) for n in range(orders)),
    )


async def _waiting(floor: Floor, sizes: Sizes) -> dict[str, object]:
    """Orders whose goods are held and whose buyers have not said yet how they pay."""
    await floor.fill({"awaited": ENOUGH})
    await floor.place(["awaited"], BY_BALANCE)
    before = _memory(floor)
    ids: list[str] = []

    async def place(number: int) -> None:
        placed = await floor.place(["awaited"], LATER, number=number, prefer="respond-async")
        ids.append(placed["id"])

    started_s = await at_once(CLIENTS, (partial(place, n) for n in range(sizes.waiting)))
    await floor.until("status = 'pending' and is_started", sizes.waiting)
    after = _memory(floor)
    in_memory = [await timed(floor.pay(id_)) for id_ in ids[-MOVED:]]
    evicted = [await timed(floor.pay(id_)) for id_ in ids[:MOVED]]
    await floor.stack.kill("worker")
    restarted_s = await timed(_restart_and_move(floor, ids[MOVED]))
    cached = min(sizes.waiting, CACHED_WORKFLOWS)
    return {
        "orders": sizes.waiting,
        "started_per_s": round(sizes.waiting / started_s, 1),
        "worker_kb_per_order_in_memory": _kb(before, after, "worker", cached),
        "temporal_kb_per_order": _kb(before, after, "temporal", sizes.waiting),
        "move_one_in_memory_ms": {"p50": p50_ms(in_memory), "p99": p99_ms(in_memory)},
        "move_one_evicted_ms": {"p50": p50_ms(evicted), "p99": p99_ms(evicted)},
        "worker_restart_to_first_move_s": round(restarted_s, 2),
    }


async def _restart_and_move(floor: Floor, order_id: str) -> None:
    await asyncio.gather(floor.stack.start("worker"), floor.pay(order_id))


def _memory(floor: Floor) -> Mapping[str, int]:
    """Resident bytes."""
    pids = floor.stack.ready.pids
    return {name: psutil.Process(pids[name]).memory_info().rss for name in ("worker", "temporal")}


def _kb(before: Mapping[str, int], after: Mapping[str, int], name: str, orders: int) -> float:
    return round((after[name] - before[name]) / orders / 1024, 1)


if __name__ == "__main__":
    typer.run(main)
