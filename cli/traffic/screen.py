"""What every run shows a person: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.stack import Ready

LINE_EVERY_S: Final = 2.0  # of the plain lines
NAMED: Final = 40  # orders that are told one by one


class RunScreen:
    """Of one run."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.took_s = 0.0  # of what was counted
        self._progress: Progress | None = None
        self._began_s = self._last_line_s = time.monotonic()
        self._total = 0
        self._named = 0

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    def say(self, message: str) -> None:
        self.console.print(f"· {message}", markup=False)

    @contextmanager
    def counting(self, total: int) -> Iterator[None]:
        """While orders are under way; `count` tells how many are done."""
        self._total = total
        self._began_s = self._last_line_s = time.monotonic()
        try:
            if not self.is_terminal:
                yield
                return
            with Progress(
                TextColumn("[bold]orders[/]"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
            ) as self._progress:
                self._progress.add_task("", total=total)
                yield
        finally:
            self._progress = None
            self.took_s = time.monotonic() - self._began_s

    def count(self, done: int, counts: str) -> None:
        """So many orders are done; `counts` says how, in rich's markup."""
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=done, description=counts)
        elif time.monotonic() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            self.say(f"{done}/{self._total} orders: {Text.from_markup(counts).plain}")

    def name(self, line: str) -> None:
        """Tells of one order, in rich's markup; of the first of many."""
        self._named += 1
        if self._named <= NAMED:
            self.console.print(line)
        elif self._named == NAMED + 1:
            self.say("further ones are counted, not named")

    def addresses(self, ready: Ready, *, buyers_page: str | None) -> None:
        """Where to look. `buyers_page`: of some order. A key is for the eyes of who sits here."""
        key = f"  [dim]ops key {ready.keys.ops}[/]" if self.is_terminal else ""
        self.console.print(f"Console      [bold]{ready.console}[/]{key}")
        if buyers_page:
            self.console.print(f"Buyer's page [bold]{buyers_page}[/]")
        self.console.print(f"API docs     [bold]{ready.api}/docs[/]")
        self.console.print(f"Temporal UI  [bold]{ready.temporal_ui}[/]")
