"""How good the estimate is: fitted on four fifths of the past, asked about the fifth that it has not seen.

    python -m tests.analytics.held_back FILE [SEED …]

prints a table a seed, and one for the newest fifth by those before it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from ordersaga.analytics.arrival import ARRIVED, Arrivals, fit_arrivals
from ordersaga.analytics.courses import Course, Visit
from ordersaga.analytics.past_orders import PastOrder, course_of

DAY_S: Final = 86_400.0
UNDER_WAY: Final = "under way"


@dataclass(frozen=True)
class Question:
    """An order that was under way, what was promised, and what became of it. Seconds from then."""

    asked: str  # when: on coming to which state, or some time after
    state: str
    spent_s: float
    promised_in_s: float
    arrived_in_s: float


@dataclass(frozen=True)
class Score:
    """`covered`: the share that had arrived by its p90. Errors are medians, in days."""

    asked: str
    questions: int
    covered: float
    error_d: float
    promise_error_d: float


def split(courses: Sequence[Course], *, seed: int) -> tuple[list[Course], list[Course]]:
    """Four fifths to learn from, and the fifth to be asked about."""
    shuffled = list(courses)
    random.Random(seed).shuffle(shuffled)
    held_back = len(shuffled) // 5
    return shuffled[held_back:], shuffled[:held_back]


def split_by_time(courses: Sequence[Course]) -> tuple[list[Course], list[Course]]:
    """What had arrived before the newest fifth began, and that fifth."""
    in_order = sorted(courses, key=_began_at_s)
    first = len(in_order) - len(in_order) // 5
    began_s = _began_at_s(in_order[first])
    known = [c for c in in_order[:first] if (c.entered_at_s(ARRIVED) or began_s) < began_s]
    return known, in_order[first:]


def questions(held_back: Sequence[Course], *, seed: int) -> Iterator[Question]:
    """On coming to each state; and once while it was under way, at an age that another order drawn by
    `seed` came to, so that how old it is says nothing of how old it is going to be."""
    arrived = [c for c in held_back if c.entered_at_s(ARRIVED) and c.promised_at_s]
    ages_s = [_arrived_at_s(course) - _began_at_s(course) for course in arrived]
    dice = random.Random(seed)
    for course in arrived:
        for visit in course.visits:
            if visit.state != ARRIVED and visit.entered_at_s is not None:
                yield _ask(course, visit, f"on {visit.state}", visit.entered_at_s)
        now_s = _began_at_s(course) + dice.choice(ages_s)
        if now_s < _arrived_at_s(course):
            reached = [v for v in course.visits if (v.entered_at_s or 0.0) <= now_s]
            yield _ask(course, reached[-1], UNDER_WAY, now_s)


def score(arrivals: Arrivals, asked: Sequence[Question], *, tell: bool = True) -> list[Score]:
    """By when they were asked. What has no estimate is not covered, and wrong by as much as the promise.

    `tell`: whether the estimate is told what was promised.
    """
    kinds = list(dict.fromkeys(question.asked for question in asked))
    return [
        _score(arrivals, kind, [q for q in asked if q.asked == kind], tell=tell) for kind in kinds
    ]


def table(title: str, scores: Sequence[Score]) -> str:
    lines = [title, f"{'asked':>16} {'orders':>7} {'≤ p90':>7} {'error':>7} {'promise':>8}"]
    lines += [
        f"{s.asked:>16} {s.questions:7} {s.covered:6.1%} {s.error_d:5.2f} d {s.promise_error_d:6.2f} d"
        for s in scores
    ]
    return "\n".join(lines)


def _began_at_s(course: Course) -> float:
    return course.visits[0].entered_at_s or 0.0


def _arrived_at_s(course: Course) -> float:
    return course.entered_at_s(ARRIVED) or 0.0


def _ask(course: Course, visit: Visit, asked: str, now_s: float) -> Question:
    return Question(
        asked=asked,
        state=visit.state,
        spent_s=now_s - (visit.entered_at_s or now_s),
        promised_in_s=(course.promised_at_s or 0.0) - now_s,
        arrived_in_s=_arrived_at_s(course) - now_s,
    )


def _score(arrivals: Arrivals, kind: str, asked: Sequence[Question], *, tell: bool) -> Score:
    covered, errors, promise_errors = 0, [], []
    for q in asked:
        promised_in_s = q.promised_in_s if tell else None
        found = arrivals.estimate(q.state, spent_s=q.spent_s, promised_in_s=promised_in_s)
        promise_errors.append(abs(q.promised_in_s - q.arrived_in_s))
        if found is None:
            errors.append(promise_errors[-1])
            continue
        covered += q.arrived_in_s <= found.p90_s
        errors.append(abs(found.p50_s - q.arrived_in_s))
    return Score(
        kind,
        len(asked),
        covered / len(asked),
        median(errors) / DAY_S,
        median(promise_errors) / DAY_S,
    )


def main(path: Path, seeds: Sequence[int]) -> None:
    with path.open("rb") as file:
        courses = [course_of(PastOrder.model_validate_json(line)) for line in file]
    for seed in seeds:
        known, held_back = split(courses, seed=seed)
        asked = list(questions(held_back, seed=seed))
        arrivals = fit_arrivals(known)
        print(table(f"a fifth by seed {seed}", score(arrivals, asked)))
        print(table("the same, not told the promise", score(arrivals, asked, tell=False)))
    known, newest = split_by_time(courses)
    asked = list(questions(newest, seed=0))
    print(table("the newest fifth", score(fit_arrivals(known), asked)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(word) for word in sys.argv[2:]] or [1, 2, 3])
