"""What an order costs, in counts: they do not depend on the machine, and must not creep up.

`python -m bench.counts [--write]`: orders through the API and the worker, both in this process, on a real
PostgreSQL, Temporal, provider and carrier. Each kind several times, and the least of each count: whatever
comes between can only add. Compared with `bench/results/counts.json`; more of anything is a failure.

Sweeps, the relay and messages from outside are not in it: what these cost goes by time and by how much
comes at once, not by the order.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from bench.counting import COUNTS, Counts
from bench.floor import be_quiet, new_home
from bench.shop_window import KINDS, ShopWindow, open_shop_window
from cli.stack.stack import LocalStack

LIMITS: Final = Path(__file__).parent / "results" / "counts.json"
REMOTE_KINDS: Final = ("card", "carrier")  # that ask others before the decision
PARTS: Final = {"postgres", "temporal", "provider", "carrier"}
WARM_UP: Final = 1  # the first of a kind asks PostgreSQL for the types of what it sends
TIMES: Final = 3

HEADINGS: Final = dict(
    zip(
        COUNTS,
        (
            *("events", "tasks", "activities", "actions"),
            *("API: SQL", "trips", "worker: SQL", "trips", "provider", "carrier"),
        ),
        strict=True,
    )
)

Costs: TypeAlias = Mapping[str, Counts]  # by kind of order


def main(
    write: Annotated[
        bool, typer.Option("--write", help="Make what is measured now the limits.")
    ] = False,
) -> None:
    """Measure, compare, print a table; ends with 1 where something costs more than it did."""
    be_quiet()
    with new_home("counts") as home:
        costs = asyncio.run(_measure(home))
    if write:
        LIMITS.write_text(json.dumps(costs, indent=1) + "\n")
    limits = json.loads(LIMITS.read_text())
    _print(costs, limits)
    console = Console()
    for line in lower(costs, limits):
        console.print(f"lower: {line}: update the file (--write)")
    higher_now = higher(costs, limits)
    for line in higher_now:
        console.print(f"[red]higher: {line}[/red]")
    if higher_now:
        raise typer.Exit(1)


def higher(costs: Costs, limits: Costs) -> list[str]:
    """What costs more than it may; or has no limit, or is not measured any more."""
    unknown = [f"{kind} has no limits" for kind in costs.keys() - limits.keys()]
    gone = [f"{kind} is not measured" for kind in limits.keys() - costs.keys()]
    return unknown + gone + _differing(costs, limits, sign=1)


def lower(costs: Costs, limits: Costs) -> list[str]:
    """What costs less than it may."""
    return _differing(costs, limits, sign=-1)


def _differing(costs: Costs, limits: Costs, *, sign: int) -> list[str]:
    return [
        f"{kind}: {count} {limits[kind][count]} → {costs[kind][count]}"
        for kind in limits
        if kind in costs
        for count in COUNTS
        if sign * (costs[kind][count] - limits[kind][count]) > 0
    ]


async def _measure(home: Path) -> Costs:
    async with LocalStack(data_dir=home / "data", port=0, keep_data=False, parts=PARTS) as stack:
        async with open_shop_window(stack.ready) as window:
            costs = {kind: await _least(window, kind) for kind in KINDS}
        async with open_shop_window(stack.ready, remote_lane="queued") as window:
            queued = {f"{kind}_queued": await _least(window, kind) for kind in REMOTE_KINDS}
    return costs | queued


async def _least(window: ShopWindow, kind: str) -> Counts:
    for _ in range(WARM_UP):
        await KINDS[kind](window)
    each = [await KINDS[kind](window) for _ in range(TIMES)]
    return {count: min(counts[count] for counts in each) for count in COUNTS}


def _print(costs: Costs, limits: Costs) -> None:
    """A row a kind; where it differs, now / limit."""
    table = Table("", *HEADINGS.values(), title="one order costs")
    for kind, counts in costs.items():
        cells = []
        for count in HEADINGS:
            now, limit = counts[count], limits.get(kind, {}).get(count)
            cells.append(str(now) if now == limit else f"{now} / {limit}")
        table.add_row(kind.replace("_", " "), *cells)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
