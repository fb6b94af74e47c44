"""`ordersaga chaos`: the command."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.endings import give_up

if TYPE_CHECKING:
    from rich.console import Console

    from cli.chaos.report import ChaosReport

NOT_FINISHED: Final = 2  # something did not come back, or did not come to rest
INTERRUPTED: Final = 130  # what a shell expects after Ctrl-C


@dataclass(frozen=True)
class _Options:
    orders: int
    seed: int
    concurrency: int
    data_dir: Path | None
    in_one: bool


def chaos(
    orders: Annotated[int, typer.Option(help="How many orders to send.", min=1)] = 500,
    seed: Annotated[
        int,
        typer.Option(help="The same seed draws the same orders, faults, senders and kills."),
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what it came to as one JSON object.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option(help="Orders with the API at once.", min=1, max=1000)
    ] = 50,
    in_one: Annotated[
        bool,
        typer.Option("--in-one", help="API and worker in one process, as `ordersaga up` has them."),
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep the stack's databases and logs here. Default: a temporary directory, "
            "which is kept only where something is wrong.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Kill every part again and again while orders come, then audit.

    Starts a stack of its own. Half of the orders meet a fault, a fifth of
    the requests is sent twice, some are canceled, some payers never come;
    meanwhile worker, Temporal, PostgreSQL, API, payment provider and carrier
    are killed with SIGKILL by turns and come back, and so are those who hear
    of orders: a receiver of webhooks, a mail server, RabbitMQ, a consumer of
    its queue, a follower of the live stream. Then it waits until nothing moves
    any more, asks again for every answer that was lost, audits, and compares
    what each of them heard with history.

    RabbitMQ is one of its own, of the rabbitmq-server of this machine; without
    that program there is no queue to listen to.

    A seed repeats what is drawn, not the machine's timing: how far a step has
    come when its part dies is new in every run.

    Exit code: 0 all is right; 1 a violation, each is named; 2 something did
    not come back, or did not come to rest in time.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    options = _Options(orders, seed, concurrency, data_dir, in_one)
    try:
        report = asyncio.run(_until_interrupted(options, console))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        from cli.chaos.report import show_report

        show_report(report, console)
    raise typer.Exit(report.exit_code)


async def _until_interrupted(options: _Options, console: Console) -> ChaosReport:
    """Ctrl-C ends it at any time, and its stack in good order."""
    running = asyncio.create_task(_chaos(options, console))
    loop = asyncio.get_running_loop()
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(how, running.cancel)
    return await running


async def _chaos(options: _Options, console: Console) -> ChaosReport:
    if options.data_dir is not None:
        return await _on_a_stack(options, options.data_dir, console)
    home = Path(tempfile.mkdtemp(prefix="ordersaga-chaos-"))
    await asyncio.to_thread(home.chmod, 0o711)  # root's PostgreSQL is another user: he passes here
    is_right = False
    try:
        report = await _on_a_stack(options, home / "data", console)
        is_right = report.exit_code == 0
    finally:
        _clear(home, console, keep=not is_right)
    return report


async def _on_a_stack(options: _Options, data_dir: Path, console: Console) -> ChaosReport:
    from cli.chaos.listening import Listeners
    from cli.chaos.run import PATIENCE, Chaos
    from cli.stack import ALL_IN_ONE, ALL_PARTS, LocalStack, StackError
    from ordersaga.errors import Unavailable

    def say(message: str) -> None:
        console.print(f"· {message}", markup=False)

    run = f"chaos-{secrets.token_hex(4)}"
    listeners = Listeners(data_dir / "listeners" / run, say=say)
    settings = {**PATIENCE, **listeners.settings}
    say(f"seed {options.seed}: starting PostgreSQL, Temporal, the sandbox, worker and API")
    try:
        parts = ALL_IN_ONE if options.in_one else ALL_PARTS
        async with LocalStack(
            data_dir=data_dir, port=0, settings=settings, parts=parts, say=say
        ) as stack:
            say(f"starting those who listen: {', '.join(listeners.parts)}")
            if not listeners.has_broker:
                say("rabbitmq-server is not on this machine: nobody listens to a queue")
            async with listeners.of(stack):
                return await Chaos(
                    stack,
                    listeners,
                    seed=options.seed,
                    orders=options.orders,
                    concurrency=options.concurrency,
                    run=run,
                    in_one=options.in_one,
                    say=say,
                ).run()
    except* (StackError, Unavailable) as errors:
        give_up(f"could not be finished: {_first(errors)}", code=NOT_FINISHED)


def _clear(home: Path, console: Console, *, keep: bool) -> None:
    from cli.stack.purge import purge

    if keep:
        console.print(f"· databases and logs are kept in {home / 'data'}", markup=False)
        return
    purge(home / "data")
    shutil.rmtree(home)


def _first(error: BaseException) -> BaseException:
    """Orders are sent side by side; the first that failed is the one to tell."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
