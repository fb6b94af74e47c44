"""Recorded orders from a file of JSON lines, each with the life that it is going to have.

The lines are a demo's (`cli/demo/file.py`), whose `recorded` also says how the order went: `status`,
`purchased_at`, and `approved_at`, `handed_to_carrier_at`, `delivered_at`, `promised_by` where known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.demo.file import BrokenLine, Line, Recorded, as_played, good_lines
from cli.replay.life import Life, draw_life
from cli.replay.timeline import Timeline


class _RecordedLife(Recorded, Timeline):
    """How an order was paid, and when what happened to it."""


class RecordedLine(Line):
    """One line."""

    recorded: _RecordedLife


@dataclass(frozen=True)
class RecordedLives:
    """The lives of a file. `tell` hears of each broken line, each time the file is gone through.

    Raises `OSError` where the file cannot be read.
    """

    path: Path
    seed: int
    tell: Callable[[BrokenLine], None] = lambda _: None

    def __iter__(self) -> Iterator[Life]:
        for number, line in good_lines(self.path, RecordedLine, self.tell):
            yield draw_life(
                as_played(number, line),
                reference=line.reference,
                timeline=line.recorded,
                seed=self.seed,
            )
