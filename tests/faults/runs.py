"""Runs cells side by side: those without a kill together; those with one share the same kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Final

from cli.audit import AuditReport, Sources, run_audit
from tests.faults.bench import ENDS_WITHIN_S, Bench, SharedShop
from tests.faults.lab import Lab
from tests.faults.lives import bench_of
from tests.faults.table import Cell

SOON: Final = ("messages.told", "events.stamped")  # by the sweep, after its grace; by the relay
DONE_WITHIN_S: Final = 40.0
AT_ONCE: Final = 20  # orders; more would make two cores the fault
ARRANGEMENTS: Final[Mapping[str, Callable[[Bench], Awaitable[None]]]] = {
    "error_before_effect": lambda bench: bench.fail_first(),
    "lost_reply": lambda bench: bench.lose_reply(),
    "time_out": lambda bench: bench.time_out(),
    "duplicate": lambda bench: bench.duplicate(),
    "late_after_undo": lambda bench: bench.come_late(),
    "undo_before_action": lambda bench: bench.undo_first(),
    "dropped_at_commit": lambda bench: bench.drop_at_commit(),
    "slow": lambda bench: bench.slow_down(),
    "poison": lambda bench: bench.poison(),
}


class Runs:
    """`await runs.outcome(cell)` returns, or raises why it is wrong.

    The first cell of a kind runs all of its kind that are in `cells`.
    """

    def __init__(self, lab: Lab, cells: Collection[Cell]) -> None:
        self._lab = lab
        self._cells = tuple(cells)
        self._wrong: dict[str, BaseException | None] = {}

    async def outcome(self, cell: Cell) -> None:
        if cell.name not in self._wrong:
            kind = [c for c in self._cells if c.fault.kills == cell.fault.kills]
            await self._run(kind, kills=cell.fault.kills)
        error = self._wrong[cell.name]
        if error is not None:
            raise error

    async def _run(self, cells: Collection[Cell], *, kills: str) -> None:
        benches = [await self._bench(cell) for cell in cells]
        gate = asyncio.Semaphore(len(cells) if kills else AT_ONCE)
        arrived = {bench: asyncio.Event() for bench in benches}
        back = asyncio.Event()

        async def run(bench: Bench) -> None:
            async with gate:
                try:
                    await _run_one(bench, arrived[bench], back)
                except BaseException as error:
                    error.add_note(await _story(bench))
                    self._wrong[bench.cell.name] = error
                    if not isinstance(error, Exception):
                        raise
                else:
                    self._wrong[bench.cell.name] = None
                finally:
                    arrived[bench].set()

        tasks = [asyncio.create_task(run(bench)) for bench in benches]
        if kills:
            await asyncio.gather(*(event.wait() for event in arrived.values()))
            await self._lab.kill(kills)
            if kills == "temporal":
                _open(benches)  # what happens now, happens without the engine
                await asyncio.sleep(1)
            await self._lab.bring_back(kills)
            back.set()
        await asyncio.gather(*tasks)
        await self._audit(benches)

    async def _bench(self, cell: Cell) -> Bench:
        shop = await SharedShop.open(self._lab)
        return bench_of(cell.point)(self._lab, cell, shop)

    async def _audit(self, benches: Collection[Bench]) -> None:
        report = await _audit_at_rest(self._lab, {bench.order_id for bench in benches})
        for bench in benches:
            if self._wrong[bench.cell.name] is not None:
                continue
            found = [v for v in report.violations if v.order_id == bench.order_id]
            if found or bench.order_id in report.in_flight:
                self._wrong[bench.cell.name] = AssertionError(f"the audit: {found or 'in flight'}")


async def _run_one(bench: Bench, arrived: asyncio.Event, back: asyncio.Event) -> None:
    fault = bench.cell.fault
    if not fault.kills:
        await bench.begin(lambda: ARRANGEMENTS[fault.name](bench))
    else:
        beginning = asyncio.create_task(bench.begin(lambda: bench.wait_at(fault.moment)))
        try:
            await _reached(bench, beginning)
            arrived.set()
            await back.wait()
            _open([bench])
            await beginning
        finally:
            beginning.cancel()
            with suppress(asyncio.CancelledError):
                await beginning
    await bench.end()
    await bench.assert_hit()
    await bench.check()
    await bench.afterwards()
    await bench.check()


async def _reached(bench: Bench, beginning: asyncio.Task[None]) -> None:
    """Until the order waits at its gate. Raises what went wrong before it got there."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while bench.gate is None or not bench.gate.reached.is_set():
            if beginning.done():
                beginning.result()
            await asyncio.sleep(0.02)


async def _story(bench: Bench) -> str:
    """For whoever wonders why a cell is wrong."""
    try:
        order = await bench.shop.get(bench.order_id)
        return "\n".join(
            [
                f"{bench.cell.name}: {bench.order_id} is {order['status']}, {order['failure']}",
                f"history: {', '.join(await bench.shop.history(bench.order_id))}",
                f"books: {await bench.shop.books(bench.order_id)}",
                f"stock: {await bench.shop.stock()}",
            ]
        )
    except Exception as error:
        return f"{bench.cell.name}: {bench.order_id or 'no order'}; {error!r}"


def _open(benches: Collection[Bench]) -> None:
    for bench in benches:
        if bench.gate is not None:
            bench.gate.opened.set()


async def assert_audit_is_clean(lab: Lab) -> None:
    """Of the orders that ended in this laboratory."""
    report = await _audit_at_rest(lab, lab.ended)
    found = [v for v in report.violations if v.order_id in lab.ended]
    assert not found, found
    assert not set(report.in_flight) & set(lab.ended)


async def _audit_at_rest(lab: Lab, orders: Collection[str]) -> AuditReport:
    """Once these orders have heard what was said of them, and a relay has stamped what happened to them."""
    deadline_s = time.monotonic() + DONE_WITHIN_S
    while True:
        report = await run_audit(Sources.of_stack(lab.stack.ready), settle_s=0)
        late = [v for v in report.violations if v.invariant in SOON and v.order_id in orders]
        if not late or time.monotonic() > deadline_s:
            return report
        await asyncio.sleep(0.5)
