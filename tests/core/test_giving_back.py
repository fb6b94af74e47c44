"""What goes back is exact to the minor unit: for goods, and of which payments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersaga.giving_back import (
    BoughtLine,
    ReturnedLine,
    Share,
    TooMany,
    TooMuch,
    all_that_is_left,
    allocate,
    is_last_of_order,
    take_back,
)
from ordersaga.order import Line

TEA = Line("tea", quantity=3, unit_price=500, tax=5)
POT = Line("pot", quantity=1, unit_price=900, tax=0)
MORE_TEA = Line("tea", quantity=2, unit_price=400, tax=0)


def bought(*lines: Line) -> list[BoughtLine]:
    """Of which nothing came back yet."""
    return [BoughtLine(number, line, 0, 0) for number, line in enumerate(lines, 1)]


def test_each_unit_brings_its_price_and_its_share_of_the_tax() -> None:
    amounts, returned, brought = [], 0, 0
    for _ in range(TEA.quantity):
        (one,) = take_back([BoughtLine(1, TEA, returned, brought)], {"tea": 1})
        amounts.append(one.amount)
        returned, brought = returned + 1, brought + one.amount

    assert amounts == [501, 502, 502]


def test_units_are_taken_of_the_first_line_that_has_some() -> None:
    assert take_back(bought(TEA, POT, MORE_TEA), {"tea": 4, "pot": 1}) == (
        ReturnedLine(1, 3, 1505),
        ReturnedLine(3, 1, 400),
        ReturnedLine(2, 1, 900),
    )


@pytest.mark.parametrize(("sku", "quantity", "left"), [("tea", 4, 3), ("pot", 2, 1), ("cup", 1, 0)])
def test_more_than_was_bought_does_not_come_back(sku: str, quantity: int, left: int) -> None:
    with pytest.raises(TooMany) as refused:
        take_back(bought(TEA, POT), {sku: quantity})
    assert (refused.value.sku, refused.value.left) == (sku, left)


def test_what_is_left_is_all_that_was_not_sent_back() -> None:
    lines = [BoughtLine(1, TEA, 2, 1003), BoughtLine(2, POT, 1, 900), BoughtLine(3, MORE_TEA, 0, 0)]

    assert all_that_is_left(lines) == {"tea": 3}


def test_the_last_goods_are_those_after_which_nothing_stays() -> None:
    lines = [BoughtLine(1, TEA, 2, 1003), BoughtLine(2, POT, 0, 0)]

    assert not is_last_of_order(lines, take_back(lines, {"tea": 1}))
    assert is_last_of_order(lines, take_back(lines, {"tea": 1, "pot": 1}))


@st.composite
def lives_of_a_line(draw: st.DrawFn) -> tuple[Line, list[tuple[int, bool]]]:
    """A line, and returns of it: how many units, and whether that return is declined in the end."""
    line = Line(
        "tea",
        quantity=draw(st.integers(1, 12)),
        unit_price=draw(st.integers(0, 10**6)),
        tax=draw(st.integers(0, 10**4)),
    )
    returns = st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=30)
    return line, draw(returns)


@given(life=lives_of_a_line())
def test_a_line_that_came_back_whole_brought_what_it_cost_whatever_was_declined_meanwhile(
    life: tuple[Line, list[tuple[int, bool]]],
) -> None:
    line, asked = life
    kept: list[ReturnedLine] = []

    def so_far() -> BoughtLine:
        return BoughtLine(1, line, sum(r.quantity for r in kept), sum(r.amount for r in kept))

    for units, is_declined in [*asked, (so_far().left, False)]:
        if not 0 < units <= so_far().left:
            continue
        (one,) = take_back([so_far()], {"tea": units})
        assert line.unit_price * units <= one.amount <= line.unit_price * units + line.tax
        kept.append(one)
        if is_declined and len(kept) > 1:
            kept.pop(0)  # an older one than this
    if so_far().left:
        kept += take_back([so_far()], {"tea": so_far().left})
    assert so_far().brought == line.unit_price * line.quantity + line.tax


amounts_left = st.lists(st.integers(0, 10**9), max_size=6)


@given(amounts=amounts_left, data=st.data())
def test_money_goes_back_to_the_newest_payments_first_and_adds_up(
    amounts: list[int], data: st.DataObject
) -> None:
    left = [Share(f"pay_{n}", amount) for n, amount in enumerate(amounts)]
    amount = data.draw(st.integers(0, sum(amounts)))
    shares = allocate(left, amount)

    assert sum(share.amount for share in shares) == amount
    given_ = {share.payment_id: share.amount for share in shares}
    for newer, older in itertools.pairwise(left):
        assert given_.get(newer.payment_id, 0) <= newer.amount
        if given_.get(older.payment_id, 0):
            assert given_.get(newer.payment_id, 0) == newer.amount, "the newer one first"


@given(amounts=amounts_left, more=st.integers(1, 100))
def test_more_than_is_left_does_not_go_back(amounts: list[int], more: int) -> None:
    left = [Share(f"pay_{n}", amount) for n, amount in enumerate(amounts)]
    with pytest.raises(TooMuch) as refused:
        allocate(left, sum(amounts) + more)
    assert refused.value.left == sum(amounts)
