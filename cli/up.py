"""`ordersaga up`: the whole product on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.endings import give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from cli.stack.screen import Screen


def command(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    port: Annotated[
        int | None,
        typer.Option(
            help="TCP port of the API; where it is taken, a free one. "
            "0: free ports for all parts, none of them the usual.",
            show_default="that of last time, or 8000",
            min=0,
            max=65535,
        ),
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Written once all is ready: what runs where, and keys to use, as JSON.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Start everything on this machine, and keep it running until Ctrl-C.

    PostgreSQL, Temporal with its UI, sandbox payment provider and carrier,
    API and worker in one process. Nothing is downloaded, nothing listens beyond this machine;
    the data stays for the next time.
    """
    from cli.stack import StackError
    from cli.stack.screen import Screen

    screen = Screen()
    try:
        asyncio.run(_run(data_dir=data_dir, port=port, ready_file=ready_file, screen=screen))
    except StackError as error:
        give_up(str(error))


async def _run(
    *, data_dir: Path, port: int | None, ready_file: Path | None, screen: Screen
) -> None:
    from cli.stack import ALL_IN_ONE, LocalStack

    _cancel_on_signals(screen)
    with contextlib.suppress(asyncio.CancelledError):
        screen.starting()
        async with LocalStack(
            data_dir=data_dir, port=port, parts=ALL_IN_ONE, ready_file=ready_file, say=screen.say
        ) as stack:
            screen.show(stack.ready, wished_port=port, ended_stale=stack.ended_stale)
            await asyncio.Event().wait()
    screen.stopped()


def _cancel_on_signals(screen: Screen) -> None:
    """The first signal stops the stack in order; later ones must not disturb that."""
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()
    assert running is not None

    def stop() -> None:
        if running.cancelling():
            screen.say("stopping already")
        else:
            running.cancel()
            screen.stopping()

    for how in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(how, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored: by `nohup`
        loop.add_signal_handler(signal.SIGHUP, stop)
