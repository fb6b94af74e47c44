"""The funnel: of all orders, how many came so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ordersaga.analytics.courses import Course
from ordersaga.lifecycle import Status

# The way that an order should go.
STEPS: Final = (
    Status.PENDING,
    Status.CONFIRMED,
    Status.SHIPPED,
    Status.DELIVERED,
    Status.COMPLETED,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """`reached`: orders that came to `state`, or past it. Shares are from 0 to 1."""

    state: str
    reached: int
    of_all: float
    of_previous: float


def fit_funnel(courses: Iterable[Course], steps: Sequence[str] = STEPS) -> tuple[Step, ...]:
    """Who skipped a step (a merchant's parcel may be delivered without a word of its shipping) has come
    past it. Without courses there are no steps."""
    places = {state: i for i, state in enumerate(steps)}
    reached = [0] * len(steps)
    for course in courses:
        furthest = max((places.get(visit.state, -1) for visit in course.visits), default=-1)
        for i in range(furthest + 1):
            reached[i] += 1
    if not reached[0]:
        return ()
    return tuple(
        Step(
            state=state,
            reached=count,
            of_all=count / reached[0],
            of_previous=count / before if before else 0.0,
        )
        for state, count, before in zip(steps, reached, [reached[0], *reached[:-1]], strict=True)
    )
