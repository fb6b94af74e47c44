"""An order in which nobody else takes part is held and decided in one transaction: all of it, or none."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from adapters.postgres import decision
from ordersaga.errors import DatabaseUnavailable
from ordersaga.order import CANCEL_ASKED, NewOrder, Refusal
from tests.postgres.books import assert_books_are_true, everything_of
from tests.postgres.merchant import CHANGED_MIND, Merchant, balance, voucher
from tests.postgres.test_holds import hold, release


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100, pen=1)
    await merchant.put_voucher("V", 10_000)
    return merchant


async def types_of(shelf: Merchant, order: NewOrder) -> list[str]:
    async with shelf.pool.acquire() as connection:
        rows = await connection.fetch(
            "select type from order_events where order_id = $1 order by sequence", order.id
        )
    return [row["type"] for row in rows]


async def test_it_tells_the_same_story_as_two_phases(shelf: Merchant) -> None:
    at_once = await shelf.order(voucher("V", 500))
    assert (await shelf.buy(at_once)).verdict == "confirm"
    two_phases = await shelf.held_order(voucher("V", 500))
    assert (await shelf.confirm(two_phases)).verdict == "confirm"
    assert await types_of(shelf, at_once) == await types_of(shelf, two_phases)
    await assert_books_are_true(shelf)


@pytest.mark.parametrize(
    ("lines", "paid_by", "no"),
    [
        ([("mug", 1), ("pen", 2)], "V", ("stock", "out_of_stock")),
        ([("mug", 1), ("unicorn", 1)], "V", ("stock", "unknown_sku")),
        ([("mug", 1)], "never issued", ("payment", "unknown_voucher")),
    ],
)
async def test_a_no_leaves_nothing_behind(
    shelf: Merchant, lines: list[tuple[str, int]], paid_by: str, no: tuple[str, str]
) -> None:
    order = await shelf.order(voucher(paid_by, 500), lines=lines)
    decision = await shelf.buy(order)
    assert decision.failure is not None
    assert (decision.verdict, decision.standing.status) == ("undo", "rejected")
    assert (decision.failure.participant, decision.failure.code) == no
    await assert_books_are_true(shelf)


async def test_credit_that_does_not_cover_it_gives_the_goods_back(shelf: Merchant) -> None:
    await shelf.put_credit(499)
    order = await shelf.order(balance(500))
    assert (await shelf.buy(order)).verdict == "undo"
    assert "stock.released" in await types_of(shelf, order)
    await assert_books_are_true(shelf)


async def test_a_cancel_that_was_stored_before_wins(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.ask_to_cancel(order)
    decision = await shelf.buy(order)
    assert (decision.verdict, decision.failure) == ("undo", CANCEL_ASKED)
    assert decision.standing.status == "canceled"
    await assert_books_are_true(shelf)


async def test_the_voucher_that_pays_twice_has_to_cover_both(shelf: Merchant) -> None:
    enough = await shelf.order(voucher("V", 4_000), voucher("V", 6_000))
    assert (await shelf.buy(enough)).verdict == "confirm"
    await shelf.put_voucher("W", 999)
    too_much = await shelf.order(voucher("W", 500), voucher("W", 500))
    assert (await shelf.buy(too_much)).verdict == "undo"
    await assert_books_are_true(shelf)


async def test_what_costs_nothing_is_held_and_decided_too(shelf: Merchant) -> None:
    assert (await shelf.buy(await shelf.order())).verdict == "confirm"
    await assert_books_are_true(shelf)


async def test_a_house_account_that_was_rolled_back_is_made_again(
    shelf: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first order of a tenant makes it; if that one's transaction is lost, so is its account."""

    async def lose_the_line(*_: object, **__: object) -> None:
        raise ConnectionError("lost before the commit")

    order = await shelf.order(voucher("V", 500))
    with monkeypatch.context() as line:
        line.setattr(decision, "record", lose_the_line)
        with pytest.raises(DatabaseUnavailable):
            await shelf.buy(order)
    assert (await shelf.buy(order)).verdict == "confirm"
    await assert_books_are_true(shelf)


async def test_a_held_order_keeps_its_parts_and_is_not_decided(shelf: Merchant) -> None:
    """A hold that was placed after its workflow began."""
    order = shelf.new_order(voucher("V", 500), hold=hold("operator"))
    await shelf.accept(order)
    assert (await shelf.buy(order)).verdict == "held"
    assert "stock.reserved" in await types_of(shelf, order)
    await assert_books_are_true(shelf)
    assert "order.confirmed" not in await types_of(shelf, order)
    await release(shelf, order)
    assert (await shelf.buy(order)).verdict == "confirm"
    await assert_books_are_true(shelf)


@pytest.mark.parametrize("objection", [None, CHANGED_MIND], ids=["wanted", "unwanted"])
async def test_asked_again_it_says_the_same_and_does_nothing(
    shelf: Merchant, objection: Refusal | None
) -> None:
    order = await shelf.order(voucher("V", 500))
    steps = shelf.own_steps(order)
    decide = shelf.own_site.decide
    first = await decide(order.id, objection, nothing_else=True, holding=steps)
    before = await everything_of(shelf, order)
    assert await decide(order.id, objection, nothing_else=True, holding=steps) == first
    for other in (None, CHANGED_MIND):
        again = await decide(order.id, other, nothing_else=True, holding=steps)
        assert (again.verdict, again.failure) == (first.verdict, first.failure)
    assert await everything_of(shelf, order) == before


async def test_what_another_workflow_held_before_is_taken(shelf: Merchant) -> None:
    order = await shelf.held_order(voucher("V", 500))
    assert (await shelf.buy(order)).verdict == "confirm"
    await assert_books_are_true(shelf)


async def test_an_objection_holds_nothing_first(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    await shelf.own_site.decide(
        order.id, CHANGED_MIND, nothing_else=True, holding=shelf.own_steps(order)
    )
    assert "stock.reserved" not in await types_of(shelf, order)
    await assert_books_are_true(shelf)


async def test_of_twenty_that_race_for_ten_units_ten_get_one(shelf: Merchant) -> None:
    await shelf.put_stock(cup=10)
    orders = [await shelf.order(voucher("V", 100), lines=[("cup", 1)]) for _ in range(20)]
    decisions = await asyncio.gather(*map(shelf.buy, orders))
    assert Counter(d.verdict for d in decisions) == {"confirm": 10, "undo": 10}
    await assert_books_are_true(shelf)


async def test_it_races_with_an_undo_and_one_of_both_wins(shelf: Merchant) -> None:
    for _ in range(20):
        order = await shelf.order(voucher("V", 100))
        bought, undone = await asyncio.gather(shelf.buy(order), shelf.undo(order, CHANGED_MIND))
        assert bought.verdict == undone.verdict
    await assert_books_are_true(shelf)
