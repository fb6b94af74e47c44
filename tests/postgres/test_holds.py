"""An order that is held is not confirmed: it waits for somebody's word, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from adapters.postgres import orders
from adapters.postgres.holds import store_decline, store_hold, store_release
from adapters.postgres.pool import transaction
from ordersaga.config import Settings
from ordersaga.keys import new_id
from ordersaga.order import (
    CANCEL_ASKED,
    DECLINED_BY_MERCHANT,
    NOBODY_RELEASED_IT,
    Hold,
    NewOrder,
    OrderRequest,
    RequestKind,
)
from tests.postgres.books import everything_of
from tests.postgres.merchant import DECLINED, RETURN_WINDOW_S, Merchant, card, step_of, voucher

SETTINGS = Settings(database_url="postgresql://nowhere", completion_window_s=4711)
A_DAY = timedelta(days=1)
KINDS = ("operator", "rule", "merchant")

Kind = Literal["operator", "rule", "merchant"]


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100)
    await merchant.put_voucher("V", 10_000)
    return merchant


def hold(kind: Kind = "operator", lasts: timedelta = A_DAY) -> Hold:
    return Hold(kind, reason="looks odd", by="key_1", until=datetime.now(UTC) + lasts)


async def held(shelf: Merchant, kind: Kind = "operator", lasts: timedelta = A_DAY) -> NewOrder:
    """Accepted with a hold; all its parts are held too."""
    order = shelf.new_order(voucher("V", 500), hold=hold(kind, lasts))
    await shelf.accept(order)
    await shelf.hold(order)
    return order


def word(kind: RequestKind) -> OrderRequest:
    return OrderRequest(new_id("req"), kind, "key_1")


async def release(shelf: Merchant, order: NewOrder) -> None:
    async with transaction(shelf.pool) as connection:
        await store_release(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=word("release"),
            reason="fine",
            next_hold=None,
        )


# --- Accepted with a hold ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_an_order_accepted_with_a_hold_says_so_from_its_second_event_on(
    shelf: Merchant, kind: Kind
) -> None:
    order = shelf.new_order(voucher("V", 500), hold=hold(kind))
    await shelf.accept(order)
    state = (await shelf.look(order)).state
    assert state.hold is not None
    assert (state.hold["kind"], state.hold["reason"], state.hold["by"]) == (
        kind,
        "looks odd",
        "key_1",
    )
    assert await shelf.events(order) == ["order.accepted", "hold.placed"]


async def test_a_workflow_is_told_until_when_its_order_is_held(shelf: Merchant) -> None:
    order = await held(shelf)
    async with transaction(shelf.pool) as connection:
        launch = await orders.read_launch(connection, order.id, SETTINGS)
    assert order.hold is not None
    assert launch.ticket.held_until == order.hold.until
    assert orders.launch_of(order, SETTINGS).ticket.held_until == order.hold.until
    assert launch.ticket.completion_window_s == 4711


async def test_an_order_without_a_hold_has_none_in_its_ticket(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    async with transaction(shelf.pool) as connection:
        launch = await orders.read_launch(connection, order.id, SETTINGS)
    assert launch.ticket.held_until is None


async def test_a_hold_that_somebody_asked_for_does_not_make_its_order_a_started_one(
    shelf: Merchant,
) -> None:
    order = await shelf.order(voucher("V", 500))
    async with transaction(shelf.pool) as connection:
        await store_hold(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=word("hold"),
            hold=hold(),
        )
        unstarted = await orders.find_unstarted(connection, older_than_s=-1, limit=10_000)
    assert order.id in unstarted


# --- Decide ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_held_order_is_not_decided_and_nothing_is_written(
    shelf: Merchant, kind: Kind
) -> None:
    order = await held(shelf, kind)
    before = await everything_of(shelf, order)
    decision = await shelf.confirm(order)
    assert order.hold is not None
    assert (decision.verdict, decision.held_until) == ("held", order.hold.until)
    assert (decision.standing.status, decision.failure) == ("pending", None)
    assert await everything_of(shelf, order) == before


async def test_a_released_order_is_confirmed(shelf: Merchant) -> None:
    order = await held(shelf)
    await release(shelf, order)
    assert (await shelf.confirm(order)).verdict == "confirm"
    state = (await shelf.look(order)).state
    assert (state.status, state.hold) == ("confirmed", None)


@pytest.mark.parametrize(
    ("kind", "participant"),
    [("operator", "operator"), ("rule", "operator"), ("merchant", "merchant")],
)
async def test_an_order_that_nobody_released_in_time_is_canceled(
    shelf: Merchant, kind: Kind, participant: str
) -> None:
    order = await held(shelf, kind, lasts=timedelta(seconds=-1))
    decision = await shelf.confirm(order)
    assert decision.verdict == "undo"
    assert decision.failure is not None
    assert (decision.failure.participant, decision.failure.code) == (participant, "hold_expired")
    assert decision.standing.status == "canceled"
    assert (await shelf.look(order)).state.hold is None
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_a_workflow_that_waited_in_vain_says_for_whom(shelf: Merchant) -> None:
    order = await held(shelf, "merchant")
    decision = await shelf.undo(order, NOBODY_RELEASED_IT)
    assert decision.failure is not None
    assert decision.failure.participant == "merchant"


async def test_an_order_that_is_undone_is_held_by_nobody(shelf: Merchant) -> None:
    order = await held(shelf)
    assert (await shelf.undo(order, DECLINED)).standing.status == "rejected"
    events = await shelf.events(order)
    assert events.count("hold.released") == 1
    assert (await shelf.look(order)).state.hold is None


async def test_an_order_that_is_undone_elsewhere_is_held_by_nobody_meanwhile(
    shelf: Merchant,
) -> None:
    asked = card(500)
    order = shelf.new_order(asked, hold=hold())
    await shelf.accept(order)
    await shelf.hold(order)
    await shelf.authorize(order, asked)
    await shelf.undo(order, DECLINED, nothing_else=False)
    state = (await shelf.look(order)).state
    assert (state.status, state.hold) == ("compensating", None)
    await shelf.records.begin_undo(step_of(order, asked))
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    await shelf.own_site.close(order.id)
    assert (await shelf.events(order)).count("hold.released") == 1


# --- What was said counts more than that nothing was said ----------------------------------------------


async def test_a_cancel_of_a_held_order_is_a_cancel(shelf: Merchant) -> None:
    order = await held(shelf, lasts=timedelta(seconds=-1))
    await shelf.ask_to_cancel(order)
    assert (await shelf.confirm(order)).failure == CANCEL_ASKED
    assert await shelf.cancel_answers(order) == ["accepted"]


@pytest.mark.parametrize("lasts", [A_DAY, timedelta(seconds=-1)])
async def test_an_order_that_its_merchant_declined_is_rejected_whenever_that_is_heard(
    shelf: Merchant, lasts: timedelta
) -> None:
    order = await held(shelf, "merchant", lasts=lasts)
    async with transaction(shelf.pool) as connection:
        await store_decline(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=word("decline"),
            reason="sold out",
        )
    decision = await shelf.confirm(order)
    assert decision.failure == DECLINED_BY_MERCHANT
    assert decision.standing.status == "rejected"


async def test_nobody_is_left_to_answer_when_a_held_order_is_over(shelf: Merchant) -> None:
    order = await held(shelf)
    await release(shelf, order)
    await shelf.undo(order, DECLINED)
    assert None not in await shelf.cancel_answers(order)
