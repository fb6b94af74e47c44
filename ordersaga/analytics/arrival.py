"""When a running order arrives: as past orders did that were where it is, for as long as it has been.

No curve is fitted. Of the past orders that came to the same state, stayed as long, and arrived, those count
whose promise was most like this one's (how far ahead it lay on coming to the state): a promise has the
distance, the carrier and the season in it. Without a promise, all of them count. What remained to them
is what remains to it; p50 and p90 are its quantiles. Chosen by measuring: docs/analytics.md.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ordersaga.analytics.courses import Course
from ordersaga.analytics.quantiles import quantile
from ordersaga.lifecycle import Status

NEIGHBOURS: Final = 200  # 100 to 400 give the same error; fewer make the p90 restless
FEWEST_NEIGHBOURS: Final = 100  # with fewer of a known promise, all count, whatever was promised
FEWEST: Final = 20  # past orders; of fewer there is no tenth part to speak of
MOST_COMPARED: Final = (
    2_000  # of those without a promise: enough for a p90, and sorted in a millisecond
)
ARRIVED: Final = Status.DELIVERED


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Seconds from now; of `sample_size` past orders. `by_promise`: those of a similar promise."""

    p50_s: float
    p90_s: float
    sample_size: int
    by_promise: bool


@dataclass(frozen=True)
class _Stays:
    """Past orders that came to one state, and arrived. Columns, a place an order; all in seconds.

    `ahead`: how far ahead the promise lay when the state was entered; sorted by it.
    `stayed`: in the state. `took`: from entering it to arriving.
    """

    ahead: Sequence[float]
    stayed: Sequence[float]
    took: Sequence[float]

    def nearest(self, ahead_s: float, spent_s: float, *, most: int) -> list[float]:
        """What remained to those who stayed as long, of the promises nearest to this one."""
        found: list[float] = []
        for i in self._outward(ahead_s):
            if self.stayed[i] > spent_s:
                found.append(self.took[i] - spent_s)
                if len(found) == most:
                    break
        return found

    def _outward(self, ahead_s: float) -> Iterator[int]:
        above = bisect_left(self.ahead, ahead_s)
        below = above - 1
        while below >= 0 or above < len(self.ahead):
            is_below_nearer = below >= 0 and (
                above == len(self.ahead)
                or ahead_s - self.ahead[below] <= self.ahead[above] - ahead_s
            )
            if is_below_nearer:
                yield below
                below -= 1
            else:
                yield above
                above += 1


@dataclass(frozen=True)
class _AllStays:
    """The same of all orders, promised or not; sorted by how long they stayed."""

    stayed: Sequence[float]
    took: Sequence[float]

    def longer_than(self, spent_s: float) -> list[float]:
        """What remained to those who stayed longer; of very many, every n-th."""
        first = bisect_right(self.stayed, spent_s)
        every = max(1, (len(self.stayed) - first) // MOST_COMPARED)
        return [took - spent_s for took in self.took[first::every]]


@dataclass(frozen=True)
class Arrivals:
    """By state: what past orders say. Where a state is missing, none came from there."""

    _promised: Mapping[str, _Stays]
    _all: Mapping[str, _AllStays]

    def estimate(
        self, state: str, *, spent_s: float, promised_in_s: float | None = None
    ) -> Arrival | None:
        """For an order that has been in `state` for `spent_s` and is promised in `promised_in_s` from now.

        None: too few past orders have been there for so long.
        """
        left_s: list[float] = []
        if promised_in_s is not None and state in self._promised:
            left_s = self._promised[state].nearest(
                promised_in_s + spent_s, spent_s, most=NEIGHBOURS
            )
        by_promise = len(left_s) >= FEWEST_NEIGHBOURS
        if not by_promise:
            left_s = self._all[state].longer_than(spent_s) if state in self._all else []
        if len(left_s) < FEWEST:
            return None
        left_s.sort()
        return Arrival(
            p50_s=quantile(left_s, 0.5),
            p90_s=quantile(left_s, 0.9),
            sample_size=len(left_s),
            by_promise=by_promise,
        )


def fit_arrivals(courses: Iterable[Course]) -> Arrivals:
    """Of the courses that arrived, and whose times are known."""
    promised: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    every: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for course in courses:
        arrived_at_s = course.entered_at_s(ARRIVED)
        if arrived_at_s is None:
            continue
        for visit, stay_s in zip(course.visits, course.dwells_s, strict=False):
            if visit.state == ARRIVED:
                break
            if visit.entered_at_s is None or stay_s is None:
                continue
            took_s = arrived_at_s - visit.entered_at_s
            every[visit.state].append((stay_s, took_s))
            if course.promised_at_s is not None:
                ahead_s = course.promised_at_s - visit.entered_at_s
                promised[visit.state].append((ahead_s, stay_s, took_s))
    return Arrivals(
        {state: _Stays(*_columns(sorted(stays))) for state, stays in promised.items()},
        {state: _AllStays(*_columns(sorted(stays))) for state, stays in every.items()},
    )


def _columns(rows: Sequence[tuple[float, ...]]) -> list[array[float]]:
    """Each by a loop of its own, which gives other threads their turn."""
    return [array("d", [row[i] for row in rows]) for i in range(len(rows[0]))]
