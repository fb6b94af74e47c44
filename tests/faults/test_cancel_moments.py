"""A cancel at any moment, each pinned by a worker that stays in the named activity until it is told.

Whoever cancels, how often, and whatever else happens then: one outcome, undone once.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.faults.lab import Lab
from tests.faults.moments import MOMENTS, Moment, PinnedOrder
from tests.faults.table import CANCELED

pytestmark = pytest.mark.long

WAYS: Final = ("by its buyer", "twice at once", "in Temporal", "by its buyer and in Temporal")
# In `make test-long`: each phase once.
QUICK: Final = {
    ("hold-after-authorize_payment", "twice at once"),
    ("take-before-capture_payment", "in Temporal"),
    ("decide-after-decide_order", "by its buyer"),
    ("undo-before-undo_payment", "by its buyer and in Temporal"),
    ("release-before-release_parcel", "by its buyer"),
}


async def _canceled(order: PinnedOrder) -> None:
    await order.until(lambda o: o["status"] == "canceled")


def _param(moment: Moment, way: str) -> object:
    marks = () if (moment.name, way) in QUICK else pytest.mark.slow
    return pytest.param(moment, way, id=f"{moment.name}, {way}", marks=marks)


@pytest.mark.parametrize(("moment", "way"), [_param(m, w) for m in MOMENTS for w in WAYS])
async def test_a_cancel_at_any_moment_has_one_outcome_and_undoes_once(
    lab: Lab, moment: Moment, way: str
) -> None:
    order = await PinnedOrder.place_at(lab, moment)
    times = {"by its buyer": 1, "twice at once": 2, "by its buyer and in Temporal": 1}.get(way, 0)
    asked = [asyncio.create_task(order.ask_to_cancel(n)) for n in range(times)]
    if way.endswith("in Temporal"):
        await order.cancel_in_temporal()
    await order.until_asked(asked)
    if moment.interrupts:
        await _canceled(order)  # while the step still hangs
    order.let_go()
    await order.end_undone_once()
    codes = {answer.status_code for answer in await asyncio.gather(*asked)}
    assert codes <= ({409} if moment.too_late else {200, 202, 409})
    assert codes != {409} or moment.too_late, "the first of them was to be taken"


def test_each_phase_has_a_quick_test() -> None:
    names = {name for name, _ in QUICK}
    assert names <= {moment.name for moment in MOMENTS}
    assert {name.partition("-")[0] for name in names} == {
        "hold",
        "take",
        "decide",
        "undo",
        "release",
    }


# --- With the engine away -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [m for m in MOMENTS if m.activity != "hold_own_site" and m.ends == CANCELED],
    ids=lambda m: m.name,
)
async def test_a_cancel_with_temporal_away_is_heard_when_it_is_back(
    lab: Lab, moment: Moment
) -> None:
    order = await PinnedOrder.place_at(lab, moment)
    await lab.kill("temporal")
    try:
        asked = asyncio.create_task(order.ask_to_cancel())
        await order.until_asked([asked])
        order.let_go()
    finally:
        await lab.bring_back("temporal")
    await order.end_undone_once()
    assert (await asked).status_code == (409 if moment.too_late else 202)
