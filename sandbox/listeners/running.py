"""How a listener is started, and how one without a port of its own runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from sandbox.books import BooksVersionError
from sandbox.listeners.diary import Diary


def listener_parser(*, program: str, description: str) -> argparse.ArgumentParser:
    """With the option that all listeners take."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--books", required=True, help="SQLite file, made when it is not there")
    return parser


def open_diary(parser: argparse.ArgumentParser, books: str) -> Diary:
    """Ends the program where that cannot be done."""
    try:
        return Diary(Path(books))
    except (OSError, sqlite3.Error, BooksVersionError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def say_ready(program: str) -> None:
    """From now on, nothing that happens is missed."""
    print(f"{program} ready", flush=True)


def run_until_told(work: Callable[[], Awaitable[None]]) -> None:
    """Until SIGTERM or SIGINT, or until it ends by itself."""
    asyncio.run(_run(work))


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    working = asyncio.ensure_future(work())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working
