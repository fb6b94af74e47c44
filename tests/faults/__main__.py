"""Runs the whole table and prints it: `python -m tests.faults`, or `make faults`.

What comes after the name goes to pytest: `python -m tests.faults -k capture` runs one row.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.table import Table

from tests.faults.table import CELLS, FAULTS, POINTS

TESTS: Final = Path(__file__).with_name("test_faults.py")
WIDE: Final = 190  # columns, where the output is no terminal: 14 faults and the points' names
RIGHT, WRONG, NOT_APPLICABLE, NOT_RUN = "right", "WRONG", "–", "not run"
STYLES: Final = {RIGHT: "green", WRONG: "bold red", NOT_APPLICABLE: "dim", NOT_RUN: "yellow"}


class Results:
    """What became of each cell: a pytest plugin."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}
        self.chosen: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.chosen = {item.name for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.of[name] = WRONG
        elif report.when == "call" and report.passed:
            self.of.setdefault(name, RIGHT)

    def word(self, cell: str) -> str:
        """A cell that was to run and did not is wrong: nobody knows."""
        name = f"test_faults[{cell}]"
        return self.of.get(name, WRONG if name in self.chosen else NOT_RUN)


def main() -> int:
    """0: all that was run is right."""
    results = Results()
    options = ["-q", "--no-header", "--tb=short", "-m", "", *sys.argv[1:]]
    pytest.main([str(TESTS), *options], plugins=[results])
    words = {
        cell.name: NOT_APPLICABLE if cell.reason_why_not else results.word(cell.name)
        for cell in CELLS
    }
    _show(words)
    counts = {word: list(words.values()).count(word) for word in STYLES}
    wrong = counts[WRONG] or (0 if counts[RIGHT] else 1)
    if counts[NOT_RUN]:
        print(f"{counts[NOT_RUN]} cells were not chosen to run")
    print(
        f"faults: {counts[RIGHT]} right, {wrong} wrong, {counts[NOT_APPLICABLE]} not applicable",
        flush=True,
    )
    return 1 if wrong else 0


def _show(words: dict[str, str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    table = Table("point", title="faults at points", title_justify="left")
    for fault in FAULTS:
        table.add_column(fault.name.replace("_", "\n"), justify="center")
    for point in POINTS:
        row = [words[f"{point.name}-{fault.name}"] for fault in FAULTS]
        table.add_row(point.name, *(f"[{STYLES[word]}]{word}[/]" for word in row))
    console.print(table)
    for fault in FAULTS:
        console.print(f"[bold]{fault.name}[/]: {fault.says}")
    reasons: dict[str, list[str]] = {}
    for cell in CELLS:
        if cell.reason_why_not:
            reasons.setdefault(cell.reason_why_not, []).append(cell.name)
    for why, cells in reasons.items():
        console.print(f"[dim]not applicable[/] {', '.join(cells)}: {why}")


if __name__ == "__main__":
    sys.exit(main())
