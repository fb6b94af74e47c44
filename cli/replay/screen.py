"""What a person sees of a replay."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.replay.life import Act, Cancels, Life, Pays, Seen, SeenAgain
from cli.replay.verdict import Placed, Verdict
from cli.traffic.screen import RunScreen
from cli.traffic.table import COLORS
from ordersaga.client import ApiProblem, Order

REFUSED: Final = "refused"
MATCH: Final = "[green]match[/]"
MISMATCH: Final = "[bold red]mismatch[/]"


class ReplayScreen(RunScreen):
    """Counts what happens; keeps who was placed."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self.placed_orders: list[Placed] = []
        self.verdict = Verdict()
        self._done = self._refused = self._late = 0
        self._acts: Counter[type[Act]] = Counter()

    # --- while it runs ---

    def refused(self, life: Life, problem: ApiProblem) -> None:
        self._refused += 1
        self.name(
            f"{life.order.name} [{COLORS[REFUSED]}]{REFUSED}[/] [dim]{escape(str(problem))}[/]"
        )
        self._one_more_done()

    def placed(self, life: Life, order: Order) -> None:
        self.placed_orders.append(Placed.of(life, order))
        self.count(self._done, self._counts())

    def acted(self, act: Act) -> None:
        self._acts[type(act)] += 1
        self._late += isinstance(act, Seen) and act.is_late
        self.count(self._done, self._counts())

    def lived(self, life: Life, order: Order) -> None:
        self._one_more_done()

    def _one_more_done(self) -> None:
        self._done += 1
        self.count(self._done, self._counts())

    def _counts(self) -> str:
        counts = {
            "placed": len(self.placed_orders),
            REFUSED: self._refused,
            "paid later": self._acts[Pays],
            "canceled": self._acts[Cancels],
            "seen": self._acts[Seen],
        }
        return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)

    # --- at the end ---

    def summary(self) -> None:
        """Recorded × ours, and how many messages it took."""
        table = Table("recorded", "ours", "", box=None, title="lives", title_justify="left")
        table.add_column("orders", justify="right")
        wrong = Counter((m.placed.recorded, m.order.status) for m in self.verdict.mismatches)
        for found, word in ((self.verdict.matched, MATCH), (wrong, MISMATCH)):
            for (recorded, status), count in sorted(found.items()):
                table.add_row(recorded, status, word, str(count))
        self.console.print(table)
        for mismatch in self.verdict.mismatches:
            self.name(f"{MISMATCH} {escape(str(mismatch))}")
        acts = self._acts
        self.console.print(
            f"{acts[Pays]:,} payers paid later, {acts[Cancels]:,} buyers canceled; carriers sent "
            f"{acts[Seen]:,} messages, {self._late:,} of them late, {acts[SeenAgain]:,} twice; "
            f"in {self.took_s:.1f} s"
        )
        placed = len(self.placed_orders)
        self.console.print(
            f"{placed + self._refused} orders, {placed} placed, {self._refused} refused"
        )

    def last_line(self, *, violations: int) -> str:
        """For people and scripts: its form never changes."""
        placed, wrong = len(self.placed_orders), len(self.verdict.mismatches)
        return f"replay: {placed} orders, {placed - wrong} match, {violations} violations"
