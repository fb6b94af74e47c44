"""`ordersaga demo`: the command."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.endings import FAILED, MISUSED, UNDECIDED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir
from ordersaga.methods import DAY_S

if TYPE_CHECKING:
    from cli.demo.run import Run
    from cli.stack import Ready

INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C


@dataclass(frozen=True)
class _Where:
    """Which stack to use."""

    data_dir: Path
    ready_file: Path | None


def demo(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE.jsonl",
            help="Orders to send, one JSON object a line, with how each was paid. A line that is "
            "no order is named with its number and left out; the rest goes on. "
            "Without a file orders are drawn.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    orders: Annotated[
        int, typer.Option(help="How many orders to draw, where there is no file.", min=1)
    ] = 200,
    concurrency: Annotated[
        int,
        typer.Option(
            help="Orders with the API at once; those that wait for a payer not counted.",
            min=1,
            max=1000,
        ),
    ] = 16,
    seed: Annotated[
        int, typer.Option(help="The same seed draws the same orders, or the same noise in lives.")
    ] = 1,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Each order of FILE lives as recorded: paid, handed over, delivered, canceled; "
            "with late and doubled messages of its carrier.",
        ),
    ] = False,
    speed: Annotated[
        float,
        typer.Option(help="Recorded seconds that pass in one second of a replay.", min=1),
    ] = DAY_S,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the stack that `ordersaga up --ready-file FILE` describes.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Push orders through everything, and audit what remains.

    Uses the stack that runs on --data-dir, or that --ready-file describes;
    else it starts one for itself. Puts the goods on the shelf, issues vouchers
    and store credit, sends the orders, plays the payers of slips, tells what
    failed and why, and audits our tables against the payment provider's and
    the carrier's own books.

    On a terminal a stack of its own stays up until Ctrl-C. Exit code: that of
    `ordersaga audit`; 2 also where an order was not decided, 1 also where a
    replayed one is not where its record ends.
    """
    from cli.stack import StackError

    run: Run
    if replay:
        run = _replay(file, seed=seed, concurrency=concurrency, speed=speed)
    else:
        run = _demo(file, orders=orders, seed=seed, concurrency=concurrency)
    try:
        code = asyncio.run(_until_interrupted(run, _Where(data_dir, ready_file)))
    except StackError as error:
        give_up(str(error))
    raise typer.Exit(code)


def _demo(file: Path | None, *, orders: int, seed: int, concurrency: int) -> Run:
    from cli.demo.run import DemoRun

    if file is None:
        from cli.traffic.draw import DrawnOrders

        return DemoRun(DrawnOrders(seed=seed, count=orders), concurrency)
    from cli.demo.file import FileOrders

    return DemoRun(FileOrders(_regular(file)), concurrency)


def _replay(file: Path | None, *, seed: int, concurrency: int, speed: float) -> Run:
    from cli.replay.run import ReplayRun
    from cli.replay.source import RecordedLives

    if file is None:
        give_up("--replay needs a FILE: nobody has recorded drawn orders", code=MISUSED)
    return ReplayRun(RecordedLives(_regular(file), seed), concurrency, speed)


def _regular(file: Path) -> Path:
    if not file.is_file():
        give_up(f"{file} is no regular file: it is read twice, for its stock first", code=MISUSED)
    return file


async def _until_interrupted(run: Run, where: _Where) -> int:
    """Ctrl-C ends it at any time, and its stack in good order."""
    running = asyncio.create_task(_run_and_stay(run, where))
    loop = asyncio.get_running_loop()
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(how, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return INTERRUPTED


async def _run_and_stay(run: Run, where: _Where) -> int:
    async with _a_stack(run, where) as (ready, is_own):
        stays_up = is_own and run.screen.is_terminal
        code = await _run_and_audit(run, ready, stays_up=stays_up)
        if stays_up:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    return code


@asynccontextmanager
async def _a_stack(run: Run, where: _Where) -> AsyncIterator[tuple[Ready, bool]]:
    """One that runs, or one of our own (True), which ends with this."""
    from cli.stack import ALL_IN_ONE, LocalStack, find_running

    screen = run.screen
    running = _described(where.ready_file) or find_running(where.data_dir)
    if running is not None:
        if not await _is_alive(running):
            give_up(f"the stack at {running.api} does not answer", code=FAILED)
        screen.say(f"using the stack at {running.api}")
        yield running, False
        return
    screen.say("starting PostgreSQL, Temporal, the sandbox, worker and API")
    async with LocalStack(
        data_dir=where.data_dir, settings=run.settings, parts=ALL_IN_ONE, say=screen.say
    ) as stack:
        screen.say(f"up in {stack.ready.start_s['all']} s, API at {stack.ready.api}")
        yield stack.ready, True


def _described(ready_file: Path | None) -> Ready | None:
    if ready_file is None:
        return None
    from pydantic import ValidationError

    from cli.stack import Ready

    try:
        return Ready.model_validate_json(ready_file.read_bytes())
    except (OSError, ValidationError) as error:
        give_up(f"{ready_file} does not describe a stack: {error}", code=MISUSED)


async def _is_alive(ready: Ready) -> bool:
    from ordersaga.client import ApiClient

    async with ApiClient(base_url=ready.api, key=ready.keys.read) as api:
        return await api.is_ready()


async def _run_and_audit(run: Run, ready: Ready, *, stays_up: bool) -> int:
    """Everything but the stack; returns the exit code."""
    from cli.audit import Sources, run_audit, show
    from ordersaga.client import ApiProblem
    from ordersaga.errors import Unavailable

    try:
        await run.play(ready)
        report = await run_audit(Sources.of_stack(ready))
    except (ApiProblem, Unavailable, ExceptionGroup) as error:
        reason = _first(error)
        if isinstance(reason, ApiProblem):
            give_up(f"the API does not take what the demo needs: {reason}", code=FAILED)
        if isinstance(reason, Unavailable):
            give_up(f"could not be finished: {reason}", code=UNDECIDED)
        raise
    screen = run.screen
    show(report, screen.console)
    screen.addresses(ready, buyers_page=await _find_buyers_page(ready))
    if stays_up:
        screen.say("all of it stays up; Ctrl-C stops it, and keeps the data")
    screen.console.print(run.last_line(violations=len(report.violations)))
    return report.exit_code or run.exit_code


async def _find_buyers_page(ready: Ready) -> str | None:
    """Of the newest order; None: there is no order."""
    from ordersaga.client import ApiClient

    async with ApiClient(base_url=ready.api, key=ready.keys.ops) as api:
        async for order in api.list_orders(limit=1):
            return order.links.track
    return None


def _first(group: BaseException) -> BaseException:
    """Orders are sent side by side; the first that failed is the one to tell."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
