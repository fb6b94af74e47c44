"""Every fault at every point: each cell of the table is a test on real parts.

Right: the order ends as it should, all of it or none of it by the provider's and the carrier's own
books, and the audit finds nothing. `make faults` prints the table.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.runs import Runs
from tests.faults.table import CELLS, FAULTS, NOT_APPLICABLE, POINTS, Cell

BATCH_TIMEOUT_S: Final = 240  # the first cell of a kind waits for all of them


@pytest.mark.slow
@pytest.mark.timeout(BATCH_TIMEOUT_S)
@pytest.mark.parametrize(
    "cell", [pytest.param(c, id=c.name) for c in CELLS if c.reason_why_not is None]
)
async def test_faults(runs: Runs, cell: Cell) -> None:
    await runs.outcome(cell)


def test_what_is_not_applicable_says_why_in_a_sentence() -> None:
    names = {(point.name, fault.name) for point in POINTS for fault in FAULTS}
    assert set(NOT_APPLICABLE) <= names
    assert all(why.endswith(".") and " " in why for why in NOT_APPLICABLE.values())
