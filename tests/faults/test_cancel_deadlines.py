"""A cancel together with a deadline: whichever comes first says why, and both undo the same once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest

from cli.stack.stack import LocalStack
from tests.faults.acts import Gate
from tests.faults.lab import Lab
from tests.faults.moments import Moment, PinnedOrder
from tests.faults.runs import assert_audit_is_clean
from tests.saga.shop import card

pytestmark = pytest.mark.long

PAYER_PATIENCE_S: Final = 3
OUTAGE_PATIENCE_S: Final = 3
NOBODY_PAYS: Final = (card("tok_requires_action"),)
EXPIRED: Final = ("canceled", "payment_expired")
UNAVAILABLE: Final = ("canceled", "provider_unavailable")


@pytest.fixture(scope="module")
async def hasty(stack: LocalStack) -> AsyncIterator[Lab]:
    """Where nobody waits long for a payer or for a provider."""
    patience = {"payer_patience_s": PAYER_PATIENCE_S, "outage_patience_s": OUTAGE_PATIENCE_S}
    async with Lab(stack, patience=patience) as lab:
        yield lab
        await assert_audit_is_clean(lab)


@pytest.mark.slow
async def test_a_cancel_just_after_the_deadline_changes_nothing(hasty: Lab) -> None:
    too_late = Moment("decide", "decide_order", "before", payments=NOBODY_PAYS, ends=EXPIRED)
    order = await PinnedOrder.place_at(hasty, too_late)
    asked = asyncio.create_task(order.ask_to_cancel())
    await order.until_asked([asked])
    order.let_go()
    await order.end_undone_once()
    assert (await asked).status_code in (200, 202)


@pytest.mark.slow
async def test_a_deadline_that_passes_while_a_cancel_is_carried_out_changes_nothing(
    hasty: Lab,
) -> None:
    order = await PinnedOrder.prepare(hasty, Moment("undo", "undo_payment", "before",
                                                    payments=NOBODY_PAYS))  # fmt: skip
    placed = await order.until(lambda o: o["payment_status"] == "requires_action")
    asked = asyncio.create_task(order.ask_to_cancel())
    await order.until_pinned()
    deadline = datetime.fromisoformat(placed["deadline"])
    await asyncio.sleep((deadline - datetime.now(UTC)).total_seconds() + 0.5)
    order.let_go()
    await order.end_undone_once()
    assert (await asked).status_code in (200, 202)


@pytest.mark.slow
async def test_a_cancel_when_patience_with_a_provider_ends_changes_nothing(hasty: Lab) -> None:
    moment = Moment("decide", "decide_order", "before", payments=(card(),), ends=UNAVAILABLE)
    hangs = Gate()
    order = await PinnedOrder.place_at(hasty, moment, hangs={"authorize_payment": hangs})
    asked = asyncio.create_task(order.ask_to_cancel())
    await order.until_asked([asked])
    order.let_go()
    await order.end()
    hangs.opened.set()  # what was asked of the provider in the beginning arrives now
    await order.end_undone_once()
    assert (await asked).status_code in (200, 202)


@pytest.mark.slow
async def test_cancels_and_deadlines_at_the_same_moment_agree_on_one_outcome(hasty: Lab) -> None:
    async def cancel(early_s: float) -> str:
        moment = Moment("wait", "nothing", "before", payments=NOBODY_PAYS)
        order = await PinnedOrder.prepare(hasty, moment)
        placed = await order.until(lambda o: o["payment_status"] == "requires_action")
        deadline = datetime.fromisoformat(placed["deadline"])
        await asyncio.sleep((deadline - datetime.now(UTC)).total_seconds() - early_s)
        await order.ask_to_cancel()
        ended = await order.until(lambda o: o["status"] == "canceled")
        order.ends = ("canceled", ended["failure"]["code"])
        await order.end_undone_once()
        return str(ended["failure"]["code"])

    codes = await asyncio.gather(*(cancel(n * 0.02) for n in range(-5, 25)))
    assert set(codes) <= {"canceled", "payment_expired"}
