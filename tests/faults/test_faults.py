"""Every fault at every point: each cell of the table is a test on real parts.

Right: the order ends as it should, all of it or none of it by the provider's and the carrier's own
books, and the audit finds nothing. `make faults` prints the table.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.runs import Runs
from tests.faults.table import CELLS, FAULTS, NOT_APPLICABLE, POINTS, QUICK, Cell

BATCH_TIMEOUT_S: Final = 240  # the first cell of a kind waits for all of them


def _param(cell: Cell) -> object:
    return pytest.param(cell, id=cell.name, marks=() if cell.is_quick else pytest.mark.slow)


@pytest.mark.timeout(BATCH_TIMEOUT_S)
@pytest.mark.parametrize("cell", [_param(c) for c in CELLS if c.reason_why_not is None])
async def test_faults(runs: Runs, cell: Cell) -> None:
    await runs.outcome(cell)


def test_what_is_not_applicable_says_why_in_a_sentence() -> None:
    names = {(point.name, fault.name) for point in POINTS for fault in FAULTS}
    assert set(NOT_APPLICABLE) <= names
    assert all(why.endswith(".") and " " in why for why in NOT_APPLICABLE.values())


def test_the_quick_part_has_every_point_and_every_fault_but_the_longest() -> None:
    quick = [cell for cell in CELLS if cell.is_quick]
    assert all(cell.reason_why_not is None for cell in quick)
    assert sum(len(points) for points in QUICK.values()) == len(quick)
    assert {cell.point.name for cell in quick} == {point.name for point in POINTS}
    assert {fault.name for fault in FAULTS} - {cell.fault.name for cell in quick} == {
        "time_out",
        "temporal_killed",
        "postgres_killed",
    }
