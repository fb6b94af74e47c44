"""The callers of one engine, in a process of their own: `python -m bench.engines.load ENGINE`.

Reads a command a line, writes an answer a line, both JSON: `Burst` → `Taken`, until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Final, TextIO

import uvloop

from bench.engines.calling import Caller, engine_module
from bench.engines.flow import MOST_CLIENTS, Ask, Mix, Shape, new_order
from bench.engines.participants import participants_of
from bench.engines.where import Where

LAST_IDS: Final = 100
MOST_FAILED: Final = (
    5  # of a burst: a machine that stalls meets somebody's time-out; more is a fault of ours
)


@dataclass(frozen=True, kw_only=True)
class Burst:
    """So many clients, one order after the other, for `seconds`, or longer until `orders` have ended,
    but not longer than `most_s`.

    `ramp_s`: for so long at the beginning nothing is counted, and not before each client has had an order:
    caches fill, clients fall out of step. 0: everything counts.
    `is_hot`: all clients want the same SKU.
    """

    mix: Mix
    shape: Shape
    clients: int
    ramp_s: float = 0.0
    seconds: float = 0.0
    orders: int = 1
    most_s: float = 600.0
    is_hot: bool = False


@dataclass
class Taken:
    """`spans`: when each order that ended between ramp and end was placed and ended, by the clock that
    all processes of a machine share. `window_s`: from the ramp to that end. `placed`: orders in all.
    `failed`: what callers were told of those that did not come to an end.
    """

    window_s: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)
    placed: int = 0
    order_ids: list[str] = field(default_factory=list)  # the last ones
    failed: list[str] = field(default_factory=list)

    @property
    def latencies_s(self) -> list[float]:
        return [ended_s - placed_s for placed_s, ended_s in self.spans]


async def run_burst(caller: Caller, burst: Burst) -> Taken:
    """Orders that are under way at the end are waited for, and not counted.

    Raises what an engine's caller raises, once too many have failed.
    """
    taken = Taken()
    ramp_ends_s = time.perf_counter() + burst.ramp_s
    began_s = None if burst.ramp_s else ramp_ends_s
    waiting = set(range(burst.clients))  # for their first order

    async def client(own: int) -> None:
        nonlocal began_s
        while not taken.window_s:
            order = new_order(own, burst.mix, is_hot=burst.is_hot)
            placed_s = time.perf_counter()
            try:
                await caller.place(order, Ask.of(order, burst.mix, burst.shape))
            except Exception as error:
                taken.failed.append(repr(error))
                if len(taken.failed) > MOST_FAILED:
                    raise
                continue
            ended_s = time.perf_counter()
            taken.placed += 1
            taken.order_ids.append(order.id)
            waiting.discard(own)
            if began_s is None:
                began_s = ended_s if ended_s >= ramp_ends_s and not waiting else None
            elif not taken.window_s:
                taken.spans.append((placed_s, ended_s))
                passed_s = ended_s - began_s
                is_enough = passed_s >= burst.seconds and len(taken.spans) >= burst.orders
                if is_enough or passed_s >= burst.most_s:
                    taken.window_s = passed_s

    await asyncio.gather(*(client(own) for own in range(burst.clients)))
    del taken.order_ids[:-LAST_IDS]
    return taken


async def serve(engine: str, where: Where, answers: TextIO) -> None:
    loop = asyncio.get_running_loop()
    async with (
        participants_of(where) as participants,
        engine_module(engine).calling(where, participants) as caller,
    ):
        await participants.fill_shelves(MOST_CLIENTS)
        print("ready", file=answers, flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            taken = await run_burst(caller, Burst(**json.loads(line)))
            print(json.dumps(asdict(taken)), file=answers, flush=True)


def _standard_output_alone() -> TextIO:
    """For what we answer: what an engine says there goes to the log with all else."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Where.from_env(), _standard_output_alone()))
