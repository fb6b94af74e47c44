"""The fence: a step happens once, and never after its undo."""

from __future__ import annotations

import asyncio

import pytest

from adapters.postgres import fence
from adapters.postgres.pool import Connection, Pool, transaction
from ordersaga import keys
from ordersaga.keys import Step, new_id
from ordersaga.order import Refusal, Vote
from tests.postgres.concurrency import Onlooker, break_down, until_waiting
from tests.postgres.merchant import Merchant, card, parcel_of, step_of, voucher

STEP = "payment:pay_1"
YES = Vote.yes(STEP, "pi_1")
NO = Vote.no(STEP, Refusal("payment", "card_declined", "no"))
TOO_LATE = fence.too_late(STEP)


@pytest.fixture
def order_id() -> str:
    return new_id("ord")


async def hold(pool: Pool, order_id: str, vote: Vote | None) -> Vote | None:
    """A hold that comes to `vote`, if it is the one that does the work; the vote that counts."""
    async with transaction(pool) as connection:
        return await hold_within(connection, order_id, vote)


async def hold_within(connection: Connection, order_id: str, vote: Vote | None) -> Vote | None:
    holds = await fence.begin_holds(connection, order_id, [STEP])
    if STEP not in holds.fresh:
        return holds.earlier[STEP]
    if vote is not None:
        await fence.store_votes(connection, order_id, "hold", [vote])
    return vote


async def undo(pool: Pool, order_id: str) -> frozenset[str]:
    """The rows that an undo wrote now."""
    async with transaction(pool) as connection:
        written = await fence.begin_undos(connection, order_id, [STEP])
        await fence.store_votes(connection, order_id, "undo", [Vote.yes(STEP)])
    return written[STEP]


@pytest.mark.parametrize("vote", [YES, NO], ids=["yes", "no"])
async def test_a_hold_done_again_repeats_its_vote(pool: Pool, order_id: str, vote: Vote) -> None:
    assert await hold(pool, order_id, vote) == vote
    other = NO if vote == YES else YES
    assert await hold(pool, order_id, other) == vote, "the first answer counts"


async def test_a_hold_begun_and_not_answered_is_known_to_be_begun(
    pool: Pool, order_id: str
) -> None:
    await hold(pool, order_id, None)
    async with transaction(pool) as connection:
        holds = await fence.begin_holds(connection, order_id, [STEP])
    assert holds.fresh == frozenset()
    assert holds.earlier == {STEP: None}


async def test_an_undo_before_its_hold_is_a_tombstone(pool: Pool, order_id: str) -> None:
    assert await undo(pool, order_id) == {"hold", "undo"}
    late = await hold(pool, order_id, YES)
    assert late == TOO_LATE
    assert late.refusal is not None
    assert late.refusal.code == "too_late"


async def test_an_undo_after_its_hold_has_work_to_take_back(pool: Pool, order_id: str) -> None:
    await hold(pool, order_id, YES)
    assert await undo(pool, order_id) == {"undo"}


@pytest.mark.parametrize("vote", [YES, NO, None], ids=["yes", "no", "unanswered"])
async def test_a_hold_that_comes_again_after_its_undo_is_too_late(
    pool: Pool, order_id: str, vote: Vote | None
) -> None:
    await hold(pool, order_id, vote)
    await undo(pool, order_id)
    assert await hold(pool, order_id, YES) == TOO_LATE


@pytest.mark.parametrize("held", [True, False])
async def test_a_second_undo_finds_nothing_to_do(*, pool: Pool, order_id: str, held: bool) -> None:
    if held:
        await hold(pool, order_id, YES)
    await undo(pool, order_id)
    assert await undo(pool, order_id) == frozenset()


async def test_an_undo_is_done_when_it_said_so_and_not_when_it_only_began(
    pool: Pool, order_id: str
) -> None:
    async with transaction(pool) as connection:
        await fence.begin_undos(connection, order_id, [STEP])
        assert not await fence.is_undone(connection, order_id, STEP)
    await undo(pool, order_id)
    async with transaction(pool) as connection:
        assert await fence.is_undone(connection, order_id, STEP)


async def test_a_vote_once_stored_stays(pool: Pool, order_id: str) -> None:
    """A zombie's answer comes late: others have acted on the first one."""
    await hold(pool, order_id, YES)
    async with transaction(pool) as connection:
        await fence.store_votes(connection, order_id, "hold", [NO])
    assert await hold(pool, order_id, NO) == YES


async def test_a_generation_does_not_answer_for_another(pool: Pool, order_id: str) -> None:
    await hold(pool, order_id, YES)
    async with transaction(pool) as connection:
        await fence.begin_holds(connection, order_id, [STEP], generation=2)
    async with transaction(pool) as connection:
        second = await fence.begin_holds(connection, order_id, [STEP], generation=2)
    assert second.earlier == {STEP: None}
    assert await hold(pool, order_id, NO) == YES


async def test_a_new_generation_is_not_barred_by_the_undo_of_the_last(
    pool: Pool, order_id: str
) -> None:
    await undo(pool, order_id)
    async with transaction(pool) as connection:
        holds = await fence.begin_holds(connection, order_id, [STEP], generation=2)
    assert holds.fresh == {STEP}


async def test_steps_and_orders_do_not_bar_each_other(pool: Pool, order_id: str) -> None:
    await undo(pool, order_id)
    async with transaction(pool) as connection:
        other_step = await fence.begin_holds(connection, order_id, ["payment:pay_2"])
        other_order = await fence.begin_holds(connection, new_id("ord"), [STEP])
    assert other_step.fresh == {"payment:pay_2"}
    assert other_order.fresh == {STEP}


# --- Two at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("vote", [YES, NO], ids=["yes", "no"])
async def test_of_two_takers_one_works_and_the_other_repeats_its_vote(
    pool: Pool, onlooker: Onlooker, order_id: str, vote: Vote
) -> None:
    async with transaction(pool) as connection:
        assert await hold_within(connection, order_id, vote) == vote
        second = asyncio.create_task(hold(pool, order_id, NO if vote == YES else YES))
        await until_waiting(onlooker)
    assert await second == vote


async def test_when_the_first_taker_breaks_down_the_second_does_the_work(
    pool: Pool, onlooker: Onlooker, order_id: str
) -> None:
    async with transaction(pool) as connection:
        breaking = connection.transaction()  # rolled back, as by whatever exception
        await breaking.start()
        await hold_within(connection, order_id, NO)
        second = asyncio.create_task(hold(pool, order_id, YES))
        await until_waiting(onlooker)
        await breaking.rollback()
    assert await second == YES


async def test_an_undo_waits_for_the_hold_under_way_and_then_takes_it_back(
    pool: Pool, onlooker: Onlooker, order_id: str
) -> None:
    async with transaction(pool) as connection:
        await hold_within(connection, order_id, YES)
        undoing = asyncio.create_task(undo(pool, order_id))
        await until_waiting(onlooker)
    assert await undoing == {"undo"}


async def test_a_hold_waits_for_the_undo_under_way_and_is_then_too_late(
    pool: Pool, onlooker: Onlooker, order_id: str
) -> None:
    async with transaction(pool) as connection:
        await fence.begin_undos(connection, order_id, [STEP])
        holding = asyncio.create_task(hold(pool, order_id, YES))
        await until_waiting(onlooker)
    assert await holding == TOO_LATE


async def test_of_two_undos_at_once_one_does_the_work(
    pool: Pool, onlooker: Onlooker, order_id: str
) -> None:
    await hold(pool, order_id, YES)
    async with transaction(pool) as connection:
        first = await fence.begin_undos(connection, order_id, [STEP])
        second = asyncio.create_task(undo(pool, order_id))
        await until_waiting(onlooker)
    assert first[STEP] == {"undo"}
    assert await second == frozenset()


async def test_takers_of_the_same_steps_in_opposite_order_never_wait_in_a_ring(
    pool: Pool,
) -> None:
    steps = [f"payment:pay_{i}" for i in range(20)]

    async def take(order_id: str, wanted: list[str]) -> int:
        async with transaction(pool) as connection:
            return len((await fence.begin_holds(connection, order_id, wanted)).fresh)

    for _ in range(50):
        order_id = new_id("ord")
        fresh = await asyncio.gather(take(order_id, steps), take(order_id, steps[::-1]))
        assert sum(fresh) == len(steps)


# --- With the work it protects ---------------------------------------------------------------


async def test_a_hold_that_breaks_down_after_the_fence_leaves_no_row_of_it(
    merchant: Merchant, onlooker: Onlooker
) -> None:
    await merchant.put_stock(mug=3)
    order = await merchant.order()
    await break_down(onlooker, order, lambda: merchant.hold(order))
    assert await merchant.stock("mug") == (3, 3, 0)
    votes = await merchant.hold(order)
    assert [vote.answer for vote in votes] == ["yes", "yes"], "nobody had held before"
    assert await merchant.stock("mug") == (3, 2, 1)


async def test_a_hold_of_our_own_site_done_again_holds_nothing_more(merchant: Merchant) -> None:
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 500)
    order = await merchant.order(voucher("V", 500), lines=[("mug", 2)])
    first = await merchant.hold(order)
    assert await merchant.hold(order) == first
    assert await merchant.stock("mug") == (5, 3, 2)
    assert await merchant.spendable("voucher", "V") == 0
    assert await merchant.events(order) == [
        "order.accepted",
        "stock.reserved",
        "payment.authorized",
        "parcel.booked",
    ]


async def test_a_no_of_our_own_site_is_stored_and_repeated_when_there_would_be_enough(
    merchant: Merchant,
) -> None:
    await merchant.put_stock(mug=1)
    order = await merchant.order(lines=[("mug", 2)])
    (first, _) = await merchant.hold(order)
    assert first.refusal is not None
    assert first.refusal.code == "out_of_stock"
    await merchant.put_stock(mug=100)
    assert (await merchant.hold(order))[0] == first
    assert await merchant.stock("mug") == (100, 100, 0)


async def test_of_many_takers_of_one_hold_one_reserves_and_all_say_the_same(
    merchant: Merchant,
) -> None:
    await merchant.put_stock(mug=5)
    order = await merchant.order(lines=[("mug", 2)])
    votes = await asyncio.gather(*(merchant.hold(order) for _ in range(8)))
    assert set(votes) == {(Vote.yes(keys.STOCK), Vote.yes(order.parcel.step))}
    assert await merchant.stock("mug") == (5, 3, 2)


async def test_a_hold_of_our_own_site_after_its_undo_is_too_late_and_holds_nothing(
    merchant: Merchant,
) -> None:
    await merchant.put_stock(mug=5)
    await merchant.put_voucher("V", 500)
    order = await merchant.order(voucher("V", 500))
    await merchant.undo(order)
    votes = await merchant.hold(order)
    assert {vote.refusal.code for vote in votes if vote.refusal} == {"too_late"}
    assert [vote.answer for vote in votes] == ["no", "no", "no"]
    assert await merchant.stock("mug") == (5, 5, 0)
    assert await merchant.spendable("voucher", "V") == 500


async def test_a_remote_step_is_begun_once_and_never_after_its_undo(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.order(asked)
    step = step_of(order, asked)
    assert await merchant.records.begin(step) is None
    assert await merchant.records.begin(step) is None, "not answered yet: it is tried again"
    assert await merchant.records.begin_undo(step) == "undo"
    assert await merchant.records.begin(step) == fence.too_late(step.name)


async def test_a_remote_step_undone_before_it_began_never_begins(merchant: Merchant) -> None:
    order = await merchant.order(card(500))
    assert await merchant.records.begin_undo(parcel_of(order)) == "never_began"
    assert await merchant.records.begin_undo(parcel_of(order)) == "undo", "barred, not yet answered"
    parcel = parcel_of(order)
    assert await merchant.records.begin(parcel) == fence.too_late(parcel.name)


async def test_a_remote_undo_that_is_done_is_not_done_again(merchant: Merchant) -> None:
    order = await merchant.order(card(500))
    step = Step(order.id, order.parcel.step)
    await merchant.records.begin(step)
    assert await merchant.records.begin_undo(step) == "undo"
    assert await merchant.records.begin_undo(step) == "undo", "begun, and not known to be done"
    await merchant.records.parcel_canceled(step)
    assert await merchant.records.begin_undo(step) == "undone"
