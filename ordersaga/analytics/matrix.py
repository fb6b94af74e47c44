"""The transition matrix of a machine: who went where from each state, how likely, and after how long."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ordersaga.analytics.courses import Course
from ordersaga.analytics.quantiles import Dwell, summarise


@dataclass(frozen=True)
class Leavers:
    """Those who went from one state to another: their stays in the first, sorted, in seconds.

    `untimed`: how many more there are, of whom nobody knows how long they stayed.
    """

    stays_s: Sequence[float]
    untimed: int

    @property
    def count(self) -> int:
        return len(self.stays_s) + self.untimed

    def longer_than(self, spent_s: float) -> int:
        """How many are known to have stayed longer."""
        return len(self.stays_s) - bisect_right(self.stays_s, spent_s)


@dataclass(frozen=True)
class Row:
    """One state: where orders went from it, how many ended in it, how many are in it still."""

    to: Mapping[str, Leavers]
    ended: int
    still: int  # neither left nor ended: they say nothing yet of where they go
    dwell: Dwell | None

    @property
    def left(self) -> int:
        return sum(leavers.count for leavers in self.to.values())

    def probabilities(self, state: str) -> Mapping[str, float]:
        """Of each state that comes next; of `state` itself: that an order ends here. They sum to one.

        Where nobody left and nobody ended, orders stay, as far as anybody has seen.
        """
        known = self.left + self.ended
        if not known:
            return {state: 1.0}
        shares = {after: leavers.count / known for after, leavers in self.to.items()}
        return {**shares, state: self.ended / known} if self.ended else shares


@dataclass(frozen=True)
class Matrix:
    """Of `orders` courses. States are those that were visited, in the order of `fit_matrix`'s `states`."""

    orders: int
    rows: Mapping[str, Row]

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many went from one state to another."""
        return {
            state: {after: leavers.count for after, leavers in row.to.items()}
            for state, row in self.rows.items()
        }

    @property
    def probabilities(self) -> Mapping[str, Mapping[str, float]]:
        """P(next | state), a row for each state that was visited."""
        return {state: row.probabilities(state) for state, row in self.rows.items()}


def fit_matrix(courses: Iterable[Course], states: Sequence[str]) -> Matrix:
    """What these courses say, however many; `states`: the machine's, in the order they are shown in."""
    stays: dict[tuple[str, str], array[float]] = defaultdict(lambda: array("d"))
    untimed: dict[tuple[str, str], int] = defaultdict(int)
    ended: dict[str, int] = defaultdict(int)
    still: dict[str, int] = defaultdict(int)
    orders = 0
    for course in courses:
        orders += 1
        visited = course.visits
        for visit, after, stay_s in zip(visited, visited[1:], course.dwells_s, strict=False):
            move = visit.state, after.state
            if stay_s is None:
                untimed[move] += 1
            else:
                stays[move].append(stay_s)
        (ended if course.is_over else still)[visited[-1].state] += 1
    moves = {
        move: Leavers(array("d", sorted(stays.get(move, ()))), untimed.get(move, 0))
        for move in {*stays, *untimed}
    }
    seen = {*ended, *still, *(state for move in moves for state in move)}
    return Matrix(
        orders=orders,
        rows={
            state: _row(
                {after: moves[state, after] for after in states if (state, after) in moves},
                ended=ended.get(state, 0),
                still=still.get(state, 0),
            )
            for state in states
            if state in seen
        },
    )


def _row(to: Mapping[str, Leavers], *, ended: int, still: int) -> Row:
    all_stays = sorted(stay for leavers in to.values() for stay in leavers.stays_s)
    return Row(to=to, ended=ended, still=still, dwell=summarise(all_stays))
