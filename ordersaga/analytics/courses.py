"""A course: the states that one order went through on one machine, and when it came to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visit:
    """An order came to `state`, in seconds since 1970; None: nobody knows when."""

    state: str
    entered_at_s: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """`visits`: at least one, in the order in which they happened.

    `is_over`: nothing is going to move it any more, so that its last state is where it ended. One that
    is not over says nothing of where it goes next.
    """

    visits: tuple[Visit, ...]
    is_over: bool
    promised_at_s: float | None = None  # when its buyer was told to expect it

    @property
    def dwells_s(self) -> tuple[float | None, ...]:
        """How long it stayed in each state that it left; None where that is not known."""
        return tuple(
            None
            if visit.entered_at_s is None or after.entered_at_s is None
            else after.entered_at_s - visit.entered_at_s
            for visit, after in zip(self.visits, self.visits[1:], strict=False)
        )

    def entered_at_s(self, state: str) -> float | None:
        """When it first came to `state`; None: never, or nobody knows when."""
        return next((v.entered_at_s for v in self.visits if v.state == state), None)


def make_course(
    states: Sequence[str],
    entered_at_s: Sequence[float | None],
    *,
    is_over: bool,
    promised_at_s: float | None = None,
) -> Course:
    """Clocks disagree: nothing is left before it was entered, so a time that lies before an earlier one
    counts as that. Repeated words for one state are one visit."""
    visits: list[Visit] = []
    latest_s: float | None = None
    for state, at_s in zip(states, entered_at_s, strict=True):
        if visits and visits[-1].state == state:
            continue
        if at_s is not None:
            latest_s = at_s if latest_s is None else max(latest_s, at_s)
            at_s = latest_s
        visits.append(Visit(state, at_s))
    return Course(tuple(visits), is_over, promised_at_s)
