"""How long one waits before there is anything: `--help`, `ordersaga up`, a worker's first order.

`python -m bench.startup [--rounds R] [--output F]`. The first start makes the database; the next finds it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer

from bench.floor import BY_BALANCE, Floor, new_home, open_floor, timed, write
from cli.stack.stack import LocalStack

ENOUGH: Final = 1_000_000


def main(
    rounds: Annotated[int, typer.Option(help="Of each.", min=1)] = 5,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Measure, print, write the figures."""
    write(asyncio.run(_run(rounds)), output)


async def _run(rounds: int) -> dict[str, object]:
    helped = [await timed(_help()) for _ in range(rounds)]
    first, again = [], []
    for _ in range(rounds):
        with new_home("startup") as home:
            first.append(await _up(home))
            again.append(await _up(home))
    async with open_floor("startup") as floor:
        await floor.fill({"first": ENOUGH})
        await floor.place(["first"], BY_BALANCE)
        ordered = [await _to_first_order(floor) for _ in range(rounds)]
    return {
        "cores": os.cpu_count(),
        "rounds": rounds,
        "help_s": _median(helped),
        "up_first_time_s": _median([each["all"] for each in first]),
        "up_again_s": _median([each["all"] for each in again]),
        "parts_first_time_s": {part: _median([each[part] for each in first]) for part in first[0]},
        "worker_to_first_order_s": _median(ordered),
    }


async def _help() -> None:
    """As the installed command does it."""
    command = Path(sys.executable).with_name("ordersaga")
    process = await asyncio.create_subprocess_exec(
        command, "--help", stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0


async def _up(home: Path) -> dict[str, float]:
    async with LocalStack(data_dir=home / "data", port=0) as stack:
        return dict(stack.start_s)


async def _to_first_order(floor: Floor) -> float:
    """From the worker's start to an order's decision."""
    await floor.stack.stop("worker")

    async def both() -> None:
        placing = floor.place(["first"], BY_BALANCE)
        order, _ = await asyncio.gather(placing, floor.stack.start("worker"))
        assert order["status"] == "confirmed", order

    return await timed(both())


def _median(taken_s: list[float]) -> float:
    return round(median(taken_s), 2)


if __name__ == "__main__":
    typer.run(main)
