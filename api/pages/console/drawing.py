"""A saga drawn: a lane a participant, time from left to right, the decision across all of them.

Where each part is, in the units of an SVG; colours are classes of console.css. What is drawn is also a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.pages.console.saga import PHASES, Lane, Phase, Saga, StepDone
from api.pages.console.words import span

WIDE: Final = 1150  # as a desktop's page has it; what has many steps is wider, and scrolls
LABEL: Final = 130  # width of what stands before a lane
LEAST_BOX: Final = 132
MOST_BOX: Final = 210
GAP: Final = 28
CHARACTER: Final = 7  # width of one, on the average
BOX_HEIGHT: Final = 46
LANE: Final = 66
HEAD: Final = 34
PIVOT: Final = 128  # width of the decision
MARGIN: Final = 8

GLYPHS: Final = {
    "yes": "✓",
    "no": "✕",
    "undone": "↩",
    "waiting": "…",
    "running": "⟳",
    "attention": "!",
}
ANSWERS: Final = {
    "yes": "yes",
    "no": "no",
    "undone": "given back",
    "waiting": "waits for its payer",
    "running": "under way",
    "attention": "keeps failing",
}


@dataclass(frozen=True)
class Box:
    """A step. `note`: what stands below its name; `title`: all of it."""

    x: int
    y: int
    width: int
    answer: str
    glyph: str
    verb: str
    note: str
    title: str


@dataclass(frozen=True)
class Rail:
    """A participant's line, and its name before it."""

    y: int
    x_end: int
    name: str
    about: str


@dataclass(frozen=True)
class Link:
    x1: int
    x2: int
    y: int
    answer: str


@dataclass(frozen=True)
class Head:
    x: int
    text: str


@dataclass(frozen=True)
class Pivot:
    """The decision's column."""

    x: int
    y: int
    height: int
    word: str
    kind: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    boxes: tuple[Box, ...]
    rails: tuple[Rail, ...]
    links: tuple[Link, ...]
    heads: tuple[Head, ...]
    pivot: Pivot


def draw(saga: Saga) -> Drawing:
    columns = {
        phase: max([1 if phase != "take" else 0, *(len(lane.of(phase)) for lane in saga.lanes)])
        for phase in PHASES
    }
    room = WIDE - LABEL - PIVOT - GAP - MARGIN
    box = max(LEAST_BOX, min(MOST_BOX, room // sum(columns.values()) - GAP))
    begins = _begins(columns, box + GAP)
    pivot_x = begins["after"] - PIVOT - GAP
    width = begins["after"] + columns["after"] * (box + GAP) - GAP + MARGIN
    boxes: list[Box] = []
    links: list[Link] = []
    rails: list[Rail] = []
    for row, lane in enumerate(saga.lanes):
        y = HEAD + row * LANE
        placed = _place(lane, saga, begins, y, box)
        boxes += placed
        middle = y + BOX_HEIGHT // 2
        about = _cut(lane.about, LABEL // CHARACTER)
        rails.append(Rail(middle, width - MARGIN, lane.name, about))
        links += _links(placed, middle, pivot_x, box)
    height = HEAD + len(saga.lanes) * LANE - (LANE - BOX_HEIGHT) + MARGIN
    heads = [
        Head(begins[phase] + (columns[phase] * (box + GAP) - GAP) // 2, _head(phase, saga))
        for phase in PHASES
        if columns[phase]
    ]
    return Drawing(
        width=width,
        height=height,
        boxes=tuple(boxes),
        rails=tuple(rails),
        links=tuple(links),
        heads=(*heads, Head(pivot_x + PIVOT // 2, "decide")),
        pivot=_pivot(saga, pivot_x, height),
    )


def _begins(columns: dict[Phase, int], step: int) -> dict[Phase, int]:
    """Where each phase begins; the decision stands before the last."""
    begins: dict[Phase, int] = {}
    x = LABEL
    for phase in PHASES:
        if phase == "after":
            x += PIVOT + GAP
        begins[phase] = x
        x += columns[phase] * step
    return begins


def _place(lane: Lane, saga: Saga, begins: dict[Phase, int], y: int, width: int) -> list[Box]:
    return [
        _box(step, saga.began_at, begins[phase] + at * (width + GAP), y, width)
        for phase in PHASES
        for at, step in enumerate(lane.of(phase))
    ]


def _links(placed: list[Box], y: int, pivot_x: int, width: int) -> list[Link]:
    """From step to step, through the decision: before it as the last one answered, behind it as the next."""
    links = []
    at, answer = LABEL - GAP, ""
    for box in placed:
        if at < pivot_x < box.x:
            links.append(Link(at, pivot_x, y, answer))
            at, answer = pivot_x + PIVOT, box.answer
        links.append(Link(at, box.x, y, answer))
        at, answer = box.x + width, box.answer
    if placed and at < pivot_x:
        links.append(Link(at, pivot_x, y, answer))
    return links


def _box(step: StepDone, began_at: datetime, x: int, y: int, width: int) -> Box:
    return Box(
        x=x,
        y=y,
        width=width,
        answer=step.answer,
        glyph=GLYPHS[step.answer],
        verb=step.verb,
        note=_cut(_note(step, began_at), width // CHARACTER),
        title=describe(step, began_at),
    )


def _note(step: StepDone, began_at: datetime) -> str:
    if step.answer in ("running", "attention") and step.tries:
        return f"try {step.tries}"
    if step.detail:
        return step.detail.replace("_", " ")
    tries = f", try {step.tries}" if step.tries and step.tries > 1 else ""
    at = step.answered_at or step.begun_at
    return "" if at is None else f"{offset(at, began_at)}{tries}"


def describe(step: StepDone, began_at: datetime) -> str:
    """`hold: yes, +0.31 s, try 2 …`"""
    parts = [f"{step.verb}: {ANSWERS[step.answer]}"]
    if step.detail:
        parts.append(step.detail.replace("_", " "))
    if step.begun_at is not None:
        parts.append(f"begun {offset(step.begun_at, began_at)}")
    if step.answered_at is not None:
        parts.append(f"answered {offset(step.answered_at, began_at)}")
    if step.tries:
        parts.append(f"{step.tries} {'try' if step.tries == 1 else 'tries'}")
    if step.error:
        parts.append(step.error)
    return ", ".join(parts)


def offset(at: datetime, began_at: datetime) -> str:
    """Since the order was placed: `+0.31 s`"""
    return f"+{span(max(0.0, (at - began_at).total_seconds()))}"


def _head(phase: Phase, saga: Saga) -> str:
    if phase != "after":
        return phase
    if saga.decision is None:
        return "then"
    return "undo" if saga.decision.decision == "undo" else "see it through"


def _pivot(saga: Saga, x: int, height: int) -> Pivot:
    decision = saga.decision
    if decision is None:
        notes: tuple[str, ...] = ("not yet",)
        word, kind = "?", "open"
    else:
        failure = decision.failure or {}
        code = str(failure.get("code", "")).replace("_", " ")
        at = offset(decision.decided_at, saga.began_at)
        notes = (at, code) if code else (at,)
        word, kind = decision.decision, decision.decision
    return Pivot(
        x,
        HEAD - MARGIN,
        height - HEAD,
        word,
        kind,
        tuple(_cut(n, PIVOT // CHARACTER) for n in notes),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
