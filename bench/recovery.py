"""A worker is killed with a thousand orders in flight: until all are decided, beside a run without that.

`python -m bench.recovery [--orders N] [--output F]`. Half by store credit, half by card. Both runs begin with
all of the orders accepted and no worker there, so that both have the same in front of them.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.floor import BY_BALANCE, BY_CARD, Floor, at_once, open_floor, write

CLIENTS: Final = 32
KILLED_AT: Final = 0.3  # of the orders are decided then
ENOUGH: Final = 1_000_000


def main(
    orders: Annotated[int, typer.Option(help="In flight.", min=20)] = 1_000,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Measure, print, write the figures."""
    write(asyncio.run(_run(orders)), output)


async def _run(orders: int) -> dict[str, object]:
    async with open_floor("recovery") as floor:
        undisturbed_s = await _decide_all(floor, "undisturbed", orders, is_killed=False)
        killed_s = await _decide_all(floor, "killed", orders, is_killed=True)
    return {
        "cores": os.cpu_count(),
        "orders": orders,
        "undisturbed_s": round(undisturbed_s, 1),
        "worker_killed_s": round(killed_s, 1),
        "longer_by_s": round(killed_s - undisturbed_s, 1),
        "ratio": round(killed_s / undisturbed_s, 2),
    }


async def _decide_all(floor: Floor, sku: str, orders: int, *, is_killed: bool) -> float:
    """Seconds from the worker's start until the last one is decided, all of them confirmed."""
    await floor.fill({sku: ENOUGH})
    for payments in (BY_BALANCE, BY_CARD):
        await floor.place([sku], payments)  # plans, connections
    await floor.stack.stop("worker")
    await at_once(
        CLIENTS,
        (
            partial(
                floor.place,
                [sku],
                BY_CARD if n % 2 else BY_BALANCE,
                number=n,
                prefer="respond-async",
            )
            for n in range(orders)
        ),
    )
    began_s = time.perf_counter()
    await floor.stack.start("worker")
    confirmed = (
        "status = 'confirmed' and exists"
        " (select from order_lines l where l.order_id = orders.id and l.sku = $1)"
    )
    if is_killed:
        await floor.until(confirmed, int(orders * KILLED_AT), sku)
        await floor.stack.kill("worker")
        await floor.stack.start("worker")
    await floor.until(confirmed, orders + len((BY_BALANCE, BY_CARD)), sku)
    taken_s = time.perf_counter() - began_s
    left: int = await floor.database.fetchval("select on_hand from stock where sku = $1", sku)
    assert ENOUGH - left == orders + 2, "each order takes its unit once"
    return taken_s


if __name__ == "__main__":
    typer.run(main)
