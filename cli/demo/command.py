"""`ordersaga demo`: the command."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.endings import FAILED, MISUSED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from cli.demo.screen import Screen
    from cli.stack import Ready
    from cli.traffic.orders import OrderSource

UNDECIDED: Final = 2  # orders without an end, or an audit that could not be made
INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C

# A demo's own stack asks after slips each second: its payers pay within that.
OWN_PAYER_POLL_S: Final = 1


@dataclass(frozen=True)
class _Options:
    source: OrderSource
    concurrency: int
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
    seed: Annotated[int, typer.Option(help="The same seed draws the same orders.")] = 1,
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
    `ordersaga audit`; 2 also where an order was not decided.
    """
    from cli.stack import StackError

    source = _source(file, orders=orders, seed=seed)
    options = _Options(source, concurrency, data_dir, ready_file)
    try:
        code = asyncio.run(_until_interrupted(options))
    except StackError as error:
        give_up(str(error))
    raise typer.Exit(code)


def _source(file: Path | None, *, orders: int, seed: int) -> OrderSource:
    if file is None:
        from cli.traffic.draw import DrawnOrders

        return DrawnOrders(seed=seed, count=orders)
    from cli.demo.file import FileOrders

    if not file.is_file():
        give_up(f"{file} is no regular file: it is read twice, for its stock first", code=MISUSED)
    return FileOrders(file)


async def _until_interrupted(options: _Options) -> int:
    """Ctrl-C ends it at any time, and its stack in good order."""
    from cli.demo.screen import Screen

    running = asyncio.create_task(_demo(options, Screen()))
    loop = asyncio.get_running_loop()
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(how, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return INTERRUPTED


async def _demo(options: _Options, screen: Screen) -> int:
    async with _a_stack(options, screen) as (ready, is_own):
        code = await _run(options, ready, screen, stays_up=is_own and screen.is_terminal)
        if is_own and screen.is_terminal:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    return code


@asynccontextmanager
async def _a_stack(options: _Options, screen: Screen) -> AsyncIterator[tuple[Ready, bool]]:
    """One that runs, or one of our own (True), which ends with this."""
    from cli.stack import LocalStack, find_running

    running = _described(options.ready_file) or find_running(options.data_dir)
    if running is not None:
        if not await _is_alive(running):
            give_up(f"the stack at {running.api} does not answer", code=FAILED)
        screen.say(f"using the stack at {running.api}")
        yield running, False
        return
    screen.say("starting PostgreSQL, Temporal, the sandbox, worker and API")
    settings = {"payer_poll_s": OWN_PAYER_POLL_S}
    async with LocalStack(data_dir=options.data_dir, settings=settings, say=screen.say) as stack:
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
    from adapters.api_client import ApiClient

    async with ApiClient(base_url=ready.api, key=ready.keys.read) as api:
        return await api.is_ready()


async def _run(options: _Options, ready: Ready, screen: Screen, *, stays_up: bool) -> int:
    """Everything but the stack; returns the exit code."""
    from adapters.api_client import ApiProblem
    from cli.audit import Sources, run_audit, show
    from ordersaga.errors import Unavailable

    try:
        await _send_all(options, ready, screen)
        screen.summary()
        report = await run_audit(Sources.of_stack(ready))
    except (ApiProblem, Unavailable, ExceptionGroup) as error:
        reason = _first(error)
        if isinstance(reason, ApiProblem):
            give_up(f"the API does not take what the demo needs: {reason}", code=FAILED)
        if isinstance(reason, Unavailable):
            give_up(f"could not be finished: {reason}", code=UNDECIDED)
        raise
    show(report, screen.console)
    screen.addresses(ready)
    if stays_up:
        screen.say("all of it stays up; Ctrl-C stops it, and keeps the data")
    screen.console.print(screen.tally.last_line(violations=len(report.violations)))
    if report.exit_code == 0 and screen.tally.outcomes["undecided"]:
        return UNDECIDED
    return report.exit_code


async def _send_all(options: _Options, ready: Ready, screen: Screen) -> None:
    from adapters.api_client import ApiClient
    from cli.demo.drive import MOST_WAITING, Driver
    from cli.traffic.orders import survey
    from cli.traffic.stage import Payers, Stage

    run = f"demo-{secrets.token_hex(4)}"
    wanted = survey(_telling(options.source, screen))
    payers = Payers(ready.payment_provider)
    playing = asyncio.create_task(payers.play())
    try:
        async with ApiClient(
            base_url=ready.api,
            key=ready.keys.ops,
            connections=options.concurrency + MOST_WAITING,
        ) as api:
            stage = Stage(api, run=run)
            await stage.fill_shelves(options.source.stock_for(wanted.demand))
            driver = Driver(
                api=api, stage=stage, payers=payers, run=run, concurrency=options.concurrency
            )
            with screen.counting(wanted.orders):
                await driver.drive(options.source, screen.result)
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing


def _telling(source: OrderSource, screen: Screen) -> OrderSource:
    """The same orders; broken lines of their file are named."""
    from dataclasses import replace

    from cli.demo.file import BrokenLine, FileOrders

    def tell(line: BrokenLine) -> None:
        screen.say(f"line {line.number} is left out: {line.reason}")

    return replace(source, tell=tell) if isinstance(source, FileOrders) else source


def _first(group: BaseException) -> BaseException:
    """Orders are sent side by side; the first that failed is the one to tell."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
