"""What a person sees of a demo."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from cli.traffic.screen import RunScreen
from cli.traffic.table import COLORS, outcome_table
from cli.traffic.tally import OUTCOMES, Result, Tally, percentile


class DemoScreen(RunScreen):
    """Counts what becomes of the orders, and names those that do not go through."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self.tally = Tally()

    def result(self, result: Result) -> None:
        self.tally.add(result)
        if result.outcome != "confirmed":
            color = COLORS[result.outcome]
            why = escape(": ".join(filter(None, (result.reason, result.detail))))
            self.name(f"{result.name} [{color}]{result.outcome}[/] [dim]{why}[/]")
        counts = [(o, self.tally.outcomes[o]) for o in OUTCOMES if self.tally.outcomes[o]]
        self.count(self.tally.orders, " ".join(f"[{COLORS[o]}]{n} {o}[/]" for o, n in counts))

    def summary(self) -> None:
        """Outcome × reason, and how long it took."""
        self.console.print(outcome_table(self.tally))
        rate = self.tally.orders / self.took_s if self.took_s else 0.0
        self.console.print(
            f"{rate:.1f} orders/s over {self.took_s:.1f} s; from request to decision: "
            f"{_times(self.tally.at_once_s)}"
        )
        if self.tally.paid_later_s:
            self.console.print(f"those that waited for a payer: {_times(self.tally.paid_later_s)}")


def _times(times_s: list[float]) -> str:
    if not times_s:
        return "no order was decided"
    p50, p99 = percentile(times_s, 0.5), percentile(times_s, 0.99)
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
