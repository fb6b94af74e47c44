"""Fences of long-final orders are cleaned up, and whatever comes after that still changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from adapters.postgres import fence, refunds
from adapters.postgres.pool import transaction
from cli.stack.ready import Ready
from ordersaga.keys import RESTOCK, Step, new_id, refund_step, release_step, restock_step
from ordersaga.lifecycle import ReturnStatus, Status
from ordersaga.order import NewOrder, NewPayment, Refusal, Vote
from ordersaga.ports import Booking
from tests.postgres.books import everything_of
from tests.postgres.concurrency import at_once
from tests.postgres.merchant import (
    CHANGED_MIND,
    DECLINED,
    Merchant,
    answer,
    card,
    new_reference,
    parcel_of,
    step_of,
    voucher,
)

pytestmark = pytest.mark.long

COMMAND_TIMEOUT_S: Final = 30
CLI: Final = (sys.executable, "-m", "cli.main", "sweep", "fences")

Late = Callable[[Merchant, NewOrder, NewPayment], Awaitable[object]]


def release_of(order: NewOrder) -> Step:
    return Step(order.id, release_step(order.parcel.id))


def nobodys_refund_of(order: NewOrder) -> Step:
    """A refund that is not in our tables."""
    return Step(order.id, refund_step(new_id("rfd")))


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100)
    await merchant.put_voucher("V", 10_000)
    return merchant


async def all_held(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """A card and a voucher, with the carrier's parcel."""
    asked = card(700)
    order = await shelf.order(asked, voucher("V", 500), carrier="sandbox")
    await shelf.hold(order)
    await shelf.records.begin(parcel_of(order))
    booked = Booking(f"T-{order.id}")
    await shelf.records.parcel_answered(parcel_of(order), order.parcel.id, booked)
    await shelf.authorize(order, asked)
    return order, asked


async def rejected(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """Held everywhere, undone everywhere."""
    order, asked = await all_held(shelf)
    await shelf.undo(order, DECLINED, nothing_else=False)
    await shelf.records.begin_undo(step_of(order, asked))
    await shelf.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=0, to="payer"
    )
    await shelf.records.begin_undo(parcel_of(order))
    await shelf.records.parcel_canceled(parcel_of(order))
    await shelf.own_site.close(order.id)
    return order, asked


async def canceled_before_anything(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """Undone while no step of it had ever begun."""
    asked = card(700)
    order = await shelf.order(asked, voucher("V", 500), carrier="sandbox")
    await shelf.undo(order, CHANGED_MIND)
    return order, asked


async def confirmed(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    order, asked = await all_held(shelf)
    await shelf.capture(order, asked)
    assert (await shelf.confirm(order)).verdict == "confirm"
    await shelf.records.begin(release_of(order))
    await shelf.records.parcel_released(release_of(order), order.parcel.id, None)
    return order, asked


async def given_back(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    """Confirmed, then canceled: parcel, refund, restock."""
    order, asked = await confirmed(shelf)
    await shelf.records.begin_undo(parcel_of(order))
    await shelf.records.parcel_canceled(parcel_of(order))
    opened = await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    for plan in opened.refunds:
        if not plan.is_ours:
            await shelf.refund(order, plan)
    await shelf.own_site.reverse(order.id)
    return order, asked


async def completed(shelf: Merchant) -> tuple[NewOrder, NewPayment]:
    order, asked = await confirmed(shelf)
    moves = ("parcel.shipped", "order.shipped", "parcel.delivered", "order.delivered")
    await shelf.happens(order, *moves, "order.completed")
    return order, asked


ENDINGS: Final = {
    of.__name__: of for of in (rejected, canceled_before_anything, given_back, completed)
}


async def refund_all_again(shelf: Merchant, order: NewOrder) -> None:
    """Whatever went back of it."""
    locked = await shelf.look(order)
    for refund in locked.refunds:
        await shelf.refund(order, refunds.plan_of(locked, refund))


async def clean_up(shelf: Merchant) -> fence.Forgotten:
    """As if a month had passed since everything."""
    async with transaction(shelf.pool) as connection:
        return await fence.forget_final_orders(connection, older_than_s=0, limit=10_000)


async def fence_rows(shelf: Merchant, order: NewOrder) -> int:
    async with shelf.pool.acquire() as connection:
        count: int = await connection.fetchval(
            "select count(*) from fence where order_id = $1", order.id
        )
    return count


# --- What comes too late ----------------------------------------------------------------------

NO: Final = Refusal("payment", "card_declined", "no")

LATE: Final[dict[str, Late]] = {
    "hold": lambda s, o, a: s.hold(o),
    "decide_confirm": lambda s, o, a: s.confirm(o),
    "decide_undo": lambda s, o, a: s.undo(o, CHANGED_MIND, nothing_else=False),
    "close": lambda s, o, a: s.own_site.close(o.id),
    "refuse_cancel": lambda s, o, a: s.own_site.refuse_cancel(o.id, DECLINED),
    "begin_payment": lambda s, o, a: s.records.begin(step_of(o, a)),
    "begin_parcel": lambda s, o, a: s.records.begin(parcel_of(o)),
    "begin_release": lambda s, o, a: s.records.begin(release_of(o)),
    "begin_refund": lambda s, o, a: s.records.begin(nobodys_refund_of(o)),
    "refund_again": lambda s, o, a: refund_all_again(s, o),
    "complete": lambda s, o, a: s.own_site.complete(o.id),
    "begin_undo_payment": lambda s, o, a: s.records.begin_undo(step_of(o, a)),
    "begin_undo_parcel": lambda s, o, a: s.records.begin_undo(parcel_of(o)),
    "take": lambda s, o, a: s.records.may_take(step_of(o, a)),
    "keep_reference": lambda s, o, a: s.records.keep_reference(
        step_of(o, a), a.plan.id, new_reference()
    ),
    "payment_answered": lambda s, o, a: s.records.payment_answered(
        step_of(o, a), a.plan.id, answer("canceled", a)
    ),
    "payment_refused": lambda s, o, a: s.records.payment_refused(step_of(o, a), a.plan.id, NO),
    "capture_refused": lambda s, o, a: s.records.payment_captured(
        step_of(o, a), a.plan.id, answer("canceled", a)
    ),
    "nothing_given_back": lambda s, o, a: s.records.payment_given_back(
        step_of(o, a), a.plan.id, amount=0, to="payer"
    ),
    "parcel_booked": lambda s, o, a: s.records.parcel_answered(
        parcel_of(o), o.parcel.id, Booking(f"late-{o.id}")
    ),
    "parcel_refused": lambda s, o, a: s.records.parcel_answered(parcel_of(o), o.parcel.id, NO),
    "parcel_released": lambda s, o, a: s.records.parcel_released(release_of(o), o.parcel.id, None),
    "release_refused": lambda s, o, a: s.records.parcel_released(release_of(o), o.parcel.id, NO),
    "parcel_canceled": lambda s, o, a: s.records.parcel_canceled(parcel_of(o)),
    "attention": lambda s, o, a: s.records.raise_attention(o.id, nobodys_refund_of(o).name, "x", 9),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_late_action_on_a_cleaned_order_changes_anything(
    shelf: Merchant, ending: str
) -> None:
    order, asked = await ENDINGS[ending](shelf)
    await clean_up(shelf)
    assert await fence_rows(shelf, order) == 0
    before = await everything_of(shelf, order)
    for name, late in LATE.items():
        await late(shelf, order, asked)
        assert await everything_of(shelf, order) == before, name


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_late_reversal_of_a_cleaned_order_gives_nothing_back_again(
    shelf: Merchant, ending: str
) -> None:
    order, _ = await ENDINGS[ending](shelf)
    await clean_up(shelf)
    before = await everything_of(shelf, order)
    opened = await shelf.own_site.open_reversal(order.id, CHANGED_MIND)
    assert opened.refunds == ()
    assert (opened.refusal is not None) == (ending == "completed")
    standing = await shelf.own_site.reverse(order.id)
    assert standing.status == (await shelf.look(order)).state.status
    assert await everything_of(shelf, order) == before


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_step_of_a_cleaned_order_is_told_that_it_is_too_late(
    shelf: Merchant, ending: str
) -> None:
    order, asked = await ENDINGS[ending](shelf)
    await clean_up(shelf)
    assert {v.refusal.code for v in await shelf.hold(order) if v.refusal} == {"too_late"}
    for step in (
        step_of(order, asked),
        parcel_of(order),
        release_of(order),
        nobodys_refund_of(order),
    ):
        assert await shelf.records.begin(step) == fence.too_late(step.name)
    assert await shelf.records.may_take(step_of(order, asked)) is not None
    kept = await shelf.records.keep_reference(step_of(order, asked), asked.plan.id, "pi_late")
    assert kept is None, "so nothing is ever asked by it"
    assert await shelf.records.begin_undo(step_of(order, asked)) == "undone"


async def test_a_confirmed_order_repeats_its_yes_and_reserves_nothing_more(
    shelf: Merchant,
) -> None:
    order, asked = await confirmed(shelf)
    before = await everything_of(shelf, order)
    votes = await shelf.hold(order)
    assert {vote.answer for vote in votes} == {"yes"}
    answered = await shelf.records.begin(step_of(order, asked))
    assert answered is not None
    assert answered.answer == "yes"
    assert await everything_of(shelf, order) == before


async def test_a_confirmed_order_without_its_fence_refuses_a_hold_and_reserves_nothing(
    shelf: Merchant,
) -> None:
    order, asked = await confirmed(shelf)
    async with shelf.pool.acquire() as connection:
        await connection.execute("delete from fence where order_id = $1", order.id)
    before = await everything_of(shelf, order)
    votes = await shelf.hold(order)
    assert {v.refusal.code for v in votes if v.refusal} == {"too_late"}
    for step in (step_of(order, asked), parcel_of(order)):
        assert await shelf.records.begin(step) == fence.too_late(step.name)
    assert await everything_of(shelf, order) == before


async def test_many_late_holds_at_once_find_no_gap_in_the_clean_up(shelf: Merchant) -> None:
    order, _ = await rejected(shelf)

    async def late() -> object:
        return await shelf.hold(order)

    votes = await at_once([late] * 8 + [lambda: clean_up(shelf)] + [late] * 8, most=8)
    assert fence.too_late("stock") in [v for vs in votes if isinstance(vs, tuple) for v in vs]
    assert await shelf.stock("mug") == (100, 100, 0)
    assert await shelf.spendable("voucher", "V") == 10_000


async def test_the_money_of_a_skipped_undo_cannot_be_taken_late(shelf: Merchant) -> None:
    """An operator gave the undo up: at the provider the hold is there still."""
    order, asked = await all_held(shelf)
    await shelf.undo(order, DECLINED, nothing_else=False)
    assert await shelf.records.may_take(step_of(order, asked)) == fence.too_late(asked.plan.step)


async def test_held_money_of_an_undecided_order_may_be_taken_until_its_undo(
    shelf: Merchant,
) -> None:
    order, asked = await all_held(shelf)
    assert await shelf.records.may_take(step_of(order, asked)) is None
    await shelf.records.begin_undo(step_of(order, asked))
    assert await shelf.records.may_take(step_of(order, asked)) is not None


# --- What is cleaned up -----------------------------------------------------------------------


async def test_only_final_orders_are_cleaned_up(shelf: Merchant) -> None:
    pending, _ = await all_held(shelf)
    standing, _ = await confirmed(shelf)
    undoing, _ = await all_held(shelf)
    await shelf.undo(undoing, DECLINED, nothing_else=False)
    over = [(await of(shelf))[0] for of in ENDINGS.values()]
    open_before = [await fence_rows(shelf, o) for o in (pending, standing, undoing)]
    assert 0 not in open_before
    await clean_up(shelf)
    assert [await fence_rows(shelf, o) for o in (pending, standing, undoing)] == open_before
    assert [await fence_rows(shelf, o) for o in over] == [0, 0, 0, 0]


async def test_an_order_that_ended_a_moment_ago_keeps_its_fence(shelf: Merchant) -> None:
    order, _ = await rejected(shelf)
    rows = await fence_rows(shelf, order)
    async with transaction(shelf.pool) as connection:
        kept_s = fence.KEPT_DAYS * 24 * 3600
        await fence.forget_final_orders(connection, older_than_s=kept_s)
    assert await fence_rows(shelf, order) == rows > 0


async def test_a_row_younger_than_its_orders_end_stays_for_as_long_itself(
    shelf: Merchant, database: Ready
) -> None:
    order, _ = await completed(shelf)
    async with shelf.pool.acquire() as connection:
        await connection.execute(
            "update fence set written_at = now() - interval '2 hours' where order_id = $1", order.id
        )
        await connection.execute(
            "update orders set updated_at = now() - interval '2 hours' where id = $1", order.id
        )
    async with transaction(shelf.pool) as connection:
        await fence.begin_holds(connection, order.id, [RESTOCK])
        await fence.store_votes(connection, order.id, "hold", [Vote.yes(RESTOCK)])
    async with transaction(shelf.pool) as connection:
        await fence.forget_final_orders(connection, older_than_s=3600, limit=10_000)
    assert await fence_rows(shelf, order) == 1


async def test_a_clean_up_goes_in_bites_oldest_first(shelf: Merchant) -> None:
    await clean_up(shelf)  # what other tests left
    orders = [(await canceled_before_anything(shelf))[0] for _ in range(5)]
    async with transaction(shelf.pool) as connection:
        bite = await fence.forget_final_orders(connection, older_than_s=0, limit=2)
    assert bite.orders == 2
    assert [await fence_rows(shelf, o) > 0 for o in orders] == [False, False, True, True, True]
    assert (await clean_up(shelf)).orders == 3
    assert await clean_up(shelf) == fence.Forgotten(orders=0, rows=0)


async def test_the_command_cleans_up_and_says_how_much(shelf: Merchant, database: Ready) -> None:
    await clean_up(shelf)
    order, _ = await rejected(shelf)
    rows = await fence_rows(shelf, order)
    env = {**os.environ, "ORDERSAGA_DATABASE_URL": database.database}
    assert _run(env) == "removed 0 fence rows of 0 orders", "a month is not over"
    assert _run(env, "--older-than-days", "0") == f"removed {rows} fence rows of 1 orders"
    assert await fence_rows(shelf, order) == 0


def test_the_command_says_when_the_database_does_not_answer() -> None:
    env = {**os.environ, "ORDERSAGA_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"}
    ended = subprocess.run(
        CLI, env=env, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
    )
    assert ended.returncode == 1
    assert "the database does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr


def _run(env: dict[str, str], *options: str) -> str:
    ended = subprocess.run(
        (*CLI, *options),
        env=env,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=True,
    )
    return ended.stdout.strip()


def test_every_kind_of_step_has_statuses_that_bar_it() -> None:
    for step in ("stock", "payment:p", "parcel:s", "release:s", RESTOCK):
        for status in ("rejected", "canceled", "completed", "returned"):
            assert fence.is_barred(step, status), step
        assert fence.is_barred(step, "pending") is False


def test_money_goes_back_in_any_status_and_its_own_row_bars_it() -> None:
    assert not any(fence.is_barred("refund:rfd_1", status) for status in Status)


def test_goods_of_a_return_come_back_until_its_own_status_says_that_they_did() -> None:
    barred = {status for status in ReturnStatus if fence.is_barred(restock_step("ret_1"), status)}
    assert barred == {ReturnStatus.RECEIVED, ReturnStatus.REFUNDED, ReturnStatus.DECLINED}
