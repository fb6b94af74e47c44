"""What became of the orders of a run, for people."""

from __future__ import annotations

from typing import Final

from rich.markup import escape
from rich.table import Table

from cli.traffic.tally import OUTCOMES, Tally

COLORS: Final = {
    "confirmed": "green",
    "rejected": "yellow",
    "canceled": "cyan",
    "refused": "magenta",
    "undecided": "bold red",
}


def outcome_table(tally: Tally) -> Table:
    """Outcome × reason, the most frequent reasons first."""
    table = Table("outcome", "reason", box=None, title="orders", title_justify="left")
    table.add_column("orders", justify="right")
    for outcome in OUTCOMES:
        reasons = [
            (reason, count) for (of, reason), count in tally.reasons.items() if of == outcome
        ]
        for reason, count in sorted(reasons, key=lambda each: (-each[1], each[0])):
            table.add_row(f"[{COLORS[outcome]}]{outcome}[/]", escape(reason), str(count))
    return table
