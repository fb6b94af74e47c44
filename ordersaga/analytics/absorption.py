"""How orders end: from each state, the probability of each ending.

With Q the moves between states and R the endings, these are the rows of (I − Q)⁻¹ R, the fundamental matrix
times R. A state can be both: most completed orders stay completed, and some are sent back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ordersaga.analytics.matrix import Matrix, Row

# Less than this is a zero that went through divisions.
_NOTHING: Final = 1e-12

Endings = Mapping[str, float]  # ending → probability; what cannot be reached is left out


def absorb(matrix: Matrix) -> Mapping[str, Endings]:
    """State → how likely each ending is from there. Each sums to one.

    A ring of moves that nobody ever left for an ending has none; its states are not in the answer. Who went
    into one has not ended yet, and says nothing of how orders end.
    """
    probabilities = _of_those_that_end(matrix.probabilities)
    states = list(probabilities)
    endings = [state for state in states if probabilities[state].get(state, 0.0) > 0]
    system = [
        [float(state == after) - _moved(probabilities, state, after) for after in states]
        + [probabilities[state].get(state, 0.0) if state == ending else 0.0 for ending in endings]
        for state in states
    ]
    _solve(system)
    return {
        state: {
            ending: share
            for ending, share in zip(endings, row[len(states) :], strict=True)
            if share > _NOTHING
        }
        for state, row in zip(states, system, strict=True)
    }


def endings_after(
    row: Row, state: str, spent_s: float, absorption: Mapping[str, Endings], *, fewest: int
) -> Endings:
    """How an order ends that has been in `state` for `spent_s` seconds.

    Only those past orders speak for it that stayed as long; where they are fewer than `fewest`, all do.
    Of those whose stay nobody timed, the same share as of the others is taken to have stayed so long.
    """
    timed = sum(len(leavers.stays_s) for leavers in row.to.values())
    longer = {after: leavers.longer_than(spent_s) for after, leavers in row.to.items()}
    survivors = sum(longer.values())
    if survivors < fewest:
        return absorption.get(state, {})
    weights = {
        after: longer[after] + leavers.untimed * survivors / timed
        for after, leavers in row.to.items()
    }
    weights[state] = float(row.ended)  # who ended here stayed for good
    endings: dict[str, float] = {}
    for after, weight in weights.items():
        ends = {state: 1.0} if after == state else absorption.get(after, {})
        for ending, share in ends.items():
            endings[ending] = endings.get(ending, 0.0) + share * weight
    whole = sum(endings.values())
    if whole == 0:  # all who stayed as long went into a ring
        return absorption.get(state, {})
    return {e: share / whole for e, share in endings.items() if share / whole > _NOTHING}


def _moved(probabilities: Mapping[str, Mapping[str, float]], state: str, after: str) -> float:
    return 0.0 if state == after else probabilities[state].get(after, 0.0)


def _of_those_that_end(
    probabilities: Mapping[str, Mapping[str, float]],
) -> Mapping[str, Mapping[str, float]]:
    """The states from which an ending can be reached, and their moves to one another: so the system has
    one solution. Each row sums to one."""
    states = _that_end(probabilities)
    rows = {}
    for state in states:
        kept = {after: p for after, p in probabilities[state].items() if after in states}
        whole = sum(kept.values())
        rows[state] = {after: p / whole for after, p in kept.items()}
    return rows


def _that_end(probabilities: Mapping[str, Mapping[str, float]]) -> list[str]:
    reaching = {state for state, row in probabilities.items() if row.get(state, 0.0) > 0}
    grown = True
    while grown:
        more = {state for state, row in probabilities.items() if reaching.intersection(row)}
        grown = not more <= reaching
        reaching |= more
    return [state for state in probabilities if state in reaching]


def _solve(system: list[list[float]]) -> None:
    """Gauss and Jordan, with the largest pivot: leaves the solutions behind the identity matrix."""
    for column in range(len(system)):
        best = max(range(column, len(system)), key=lambda i: abs(system[i][column]))
        system[column], system[best] = system[best], system[column]
        pivot = system[column][column]
        system[column] = [value / pivot for value in system[column]]
        for i, row in enumerate(system):
            if i != column and row[column]:
                factor = row[column]
                system[i] = [a - factor * b for a, b in zip(row, system[column], strict=True)]
