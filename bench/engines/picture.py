"""The README's picture: orders a second by engine, as SVG, readable on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.engines.figures import Figures
from bench.engines.flow import MIXES
from bench.engines.registry import OURS
from bench.engines.report import title_of

WIDTH: Final = 760
LABEL: Final = 330  # where the bars begin
BAR: Final = 330  # the longest one
ROW: Final = 24
HEAD: Final = 34
PAD: Final = 14

STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .bar { fill: #8c959f }
  .ours { fill: #1f883d }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .bar { fill: #6e7681 }
    .ours { fill: #3fb950 }
  }
"""


def draw(figures: Sequence[Figures], *, clients: int) -> str:
    """One block a mix, a bar an engine. No background: the page's own is behind it."""
    rows: list[str] = []
    y = PAD
    for mix in MIXES:
        shown = [f for f in figures if f.mix == mix and f.clients == clients]
        if not shown:
            continue
        y += HEAD - ROW
        rows.append(
            f'<text class="title" x="{PAD}" y="{y + 14}">{escape(mix)}: orders a second, '
            f"{clients} clients, two cores</text>"
        )
        y += ROW
        most = max(f.orders_per_s for f in shown)
        for figure in shown:
            rows += _row(figure, most, y)
            y += ROW
    height = y + PAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="orders a second by engine">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(rows) + "\n</svg>\n"
    )


def _row(figure: Figures, most: float, y: int) -> list[str]:
    width = max(1.0, BAR * figure.orders_per_s / most)
    kind = "ours" if figure.key.startswith(OURS) else "bar"
    return [
        f'<text x="{PAD}" y="{y + 14}">{escape(title_of(figure.key))}</text>',
        f'<rect class="{kind}" x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{ROW - 8}" rx="2"/>',
        f'<text x="{LABEL + width + 8:.1f}" y="{y + 14}">{figure.orders_per_s:.0f}</text>',
    ]
