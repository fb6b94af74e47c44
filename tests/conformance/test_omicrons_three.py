"""Omicron's three: fail every step in turn, run every step twice, run every undo twice; then each again
with a second fault inside the undo. What remains is everything, or a clean slate."""

from __future__ import annotations

from typing import Final

import pytest

from tests.conformance.meddling import (
    UNDOS,
    Around,
    Meddler,
    both,
    fails_first,
    runs_twice,
    undisturbed,
)
from tests.saga.shop import Json, Shop, card, payment

REMOTE_STEPS: Final = ["authorize_payment", "charge_payment", "book_parcel", "capture_payment"]
OWN_STEPS: Final = ["hold_own_site", "decide_order"]
BACK: Final = [*sorted(UNDOS), "close_order", "refund_payment", "open_reversal", "reverse_own_site"]

# A second fault, inside the undo.
UNDO_FAULTS: Final[dict[str, Around]] = {
    "undo_fine": undisturbed,
    "undo_fails_before_its_effect": fails_first(*BACK, effect=False),
    "undo_fails_after_its_effect": fails_first(*BACK, effect=True),
    "undo_runs_twice": runs_twice(*BACK, at_once=False),
    "undo_runs_twice_at_once": runs_twice(*BACK, at_once=True),
}
second_fault = pytest.mark.parametrize(
    "in_undo",
    [
        pytest.param(around, id=name, marks=[] if name == "undo_fine" else [pytest.mark.slow])
        for name, around in UNDO_FAULTS.items()
    ],
)
effect_or_not = pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])


async def of_everything(shop: Shop, *, capture: str = "tok_ok") -> Json:
    """Two held cards, a wallet and a parcel: every step that there is, some of them twice."""
    return await shop.order(
        card("tok_ok", 300),
        card(capture, 300),
        payment("alipay"),
        carrier="sandbox",
        prefer="respond-async",
    )


# --- Fail every step in turn ---------------------------------------------------------------------


@second_fault
@pytest.mark.parametrize(
    "effect", [pytest.param(False, marks=pytest.mark.slow), True], ids=["before", "after"]
)
@pytest.mark.parametrize("step", REMOTE_STEPS)
async def test_fail_every_step_in_turn_and_leave_a_clean_slate(
    *, shop: Shop, meddler: Meddler, step: str, effect: bool, in_undo: Around
) -> None:
    """It fails for good, with or without its effect: nobody can know which, and nothing remains."""
    meddler.around = both(fails_first(step, effect=effect, final=True), in_undo)
    order = await shop.until_final((await of_everything(shop))["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "provider_unavailable")
    await shop.assert_clean_slate(order)


@second_fault
async def test_a_no_at_the_last_step_leaves_a_clean_slate(
    shop: Shop, meddler: Meddler, in_undo: Around
) -> None:
    meddler.around = in_undo
    order = await of_everything(shop, capture="tok_capture_declined")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "capture_declined")
    await shop.assert_clean_slate(order)


@effect_or_not
@pytest.mark.parametrize("step", [*OWN_STEPS, *REMOTE_STEPS])
@pytest.mark.slow
async def test_fail_every_step_once_and_get_all_of_it(
    *, shop: Shop, meddler: Meddler, step: str, effect: bool
) -> None:
    meddler.around = fails_first(step, effect=effect)
    order = await shop.until_final((await of_everything(shop))["id"])
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


# --- Run every step twice ------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [False, True], ids=["in_turn", "at_once"])
async def test_run_every_step_twice(*, shop: Shop, meddler: Meddler, at_once: bool) -> None:
    meddler.around = runs_twice(at_once=at_once)
    order = await shop.until_final((await of_everything(shop))["id"])
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    await shop.assert_all_of_it(order)


@pytest.mark.slow
@pytest.mark.parametrize("in_undo", list(UNDO_FAULTS.values())[1:], ids=list(UNDO_FAULTS)[1:])
async def test_run_every_step_twice_and_then_undo_them(
    shop: Shop, meddler: Meddler, in_undo: Around
) -> None:
    steps = runs_twice(*OWN_STEPS, *REMOTE_STEPS, at_once=False)
    meddler.around = both(steps, in_undo)
    order = await of_everything(shop, capture="tok_capture_declined")
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    await shop.assert_clean_slate(order)


# --- Run every undo twice while undoing ----------------------------------------------------------


@pytest.mark.parametrize(
    "at_once", [pytest.param(False, marks=pytest.mark.slow), True], ids=["in_turn", "at_once"]
)
async def test_run_every_undo_twice_while_undoing(
    *, shop: Shop, meddler: Meddler, at_once: bool
) -> None:
    meddler.around = runs_twice(*BACK, at_once=at_once)
    order = await of_everything(shop, capture="tok_capture_declined")
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    assert (await shop.history(order["id"])).count("payment.refunded") == 2, "one each taken"
    assert len((await shop.books(order["id"])).refunds) == 2
    await shop.assert_clean_slate(order)


@pytest.mark.slow
@effect_or_not
async def test_run_every_undo_twice_with_a_second_fault_inside(
    *, shop: Shop, meddler: Meddler, effect: bool
) -> None:
    meddler.around = both(runs_twice(*BACK, at_once=False), fails_first(*BACK, effect=effect))
    order = await of_everything(shop, capture="tok_capture_declined")
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    await shop.assert_clean_slate(order)


@pytest.mark.slow
@pytest.mark.parametrize("in_undo", list(UNDO_FAULTS.values()), ids=list(UNDO_FAULTS))
async def test_a_reversal_with_a_fault_inside_gives_back_once(
    shop: Shop, meddler: Meddler, in_undo: Around
) -> None:
    meddler.around = in_undo
    order = await shop.until_final((await of_everything(shop))["id"])
    assert order["status"] == "confirmed"
    await shop.cancel(order["id"], prefer="wait=0")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert (await shop.history(order["id"])).count("payment.refunded") == 3
    await shop.assert_clean_slate(order)
