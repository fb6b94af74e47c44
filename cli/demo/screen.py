"""What a person sees of a demo. A live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cli.stack import Ready
from cli.traffic.table import COLORS, outcome_table
from cli.traffic.tally import OUTCOMES, Result, Tally, percentile

LINE_EVERY_S: Final = 2.0  # of the plain lines
NAMED_FAILURES: Final = 40  # orders that did not go through and are told one by one


class Screen:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.tally = Tally()
        self._progress: Progress | None = None
        self._began_s = self._last_line_s = time.monotonic()
        self._took_s = 0.0
        self._total = 0
        self._named = 0

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    def say(self, message: str) -> None:
        self.console.print(f"· {message}", markup=False)

    @contextmanager
    def counting(self, total: int) -> Iterator[None]:
        """While orders are sent; `result` tells of each."""
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
            self._took_s = time.monotonic() - self._began_s

    def result(self, result: Result) -> None:
        self.tally.add(result)
        if result.outcome != "confirmed":
            self._name(result)
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, advance=1, description=self._counts(colored=True))
        elif time.monotonic() - self._last_line_s >= LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            self.say(f"{self.tally.orders}/{self._total} orders: {self._counts(colored=False)}")

    def summary(self) -> None:
        """Outcome × reason, and how long it took."""
        self.console.print(outcome_table(self.tally))
        rate = self.tally.orders / self._took_s if self._took_s else 0.0
        self.console.print(
            f"{rate:.1f} orders/s over {self._took_s:.1f} s; from request to decision: "
            f"{_times(self.tally.at_once_s)}"
        )
        if self.tally.paid_later_s:
            self.console.print(f"those that waited for a payer: {_times(self.tally.paid_later_s)}")

    def addresses(self, ready: Ready) -> None:
        self.console.print(f"API docs     [bold]{ready.api}/docs[/]")
        self.console.print(f"Temporal UI  [bold]{ready.temporal_ui}[/]")

    def _name(self, result: Result) -> None:
        self._named += 1
        if self._named <= NAMED_FAILURES:
            color = COLORS[result.outcome]
            why = escape(": ".join(filter(None, (result.reason, result.detail))))
            self.console.print(f"{result.name} [{color}]{result.outcome}[/] [dim]{why}[/]")
        elif self._named == NAMED_FAILURES + 1:
            self.say("further ones are counted, not named")

    def _counts(self, *, colored: bool) -> str:
        counts = [(o, self.tally.outcomes[o]) for o in OUTCOMES if self.tally.outcomes[o]]
        return " ".join(
            f"[{COLORS[o]}]{count} {o}[/]" if colored else f"{count} {o}" for o, count in counts
        )


def _times(times_s: list[float]) -> str:
    if not times_s:
        return "no order was decided"
    p50, p99 = percentile(times_s, 0.5), percentile(times_s, 0.99)
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
