"""Drawn orders: the same for the same seed, like real ones, and every fault gets its turn."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.traffic.draw import FAULT_EVERY, GOODS, SCARCE_GOODS, DrawnOrders
from cli.traffic.faults import FAULTS
from cli.traffic.orders import survey
from ordersaga.client import NewOrder
from ordersaga.methods import METHODS
from ordersaga.money import MINOR_UNIT_DECIMALS

MANY = 2000


def paid(order: NewOrder) -> int:
    return sum(p.amount.amount for p in order.payments if p.amount)


def test_the_same_seed_draws_the_same_orders_and_another_draws_others() -> None:
    assert list(DrawnOrders(1, 50)) == list(DrawnOrders(1, 50))
    assert list(DrawnOrders(1, 50)) != list(DrawnOrders(2, 50))


def test_drawing_more_orders_changes_none_of_the_first() -> None:
    assert list(islice(DrawnOrders(7, 500), 60)) == list(DrawnOrders(7, 60))


@given(seed=st.integers(-(2**63), 2**63))
def test_payments_come_to_the_total_unless_the_fault_is_that_they_do_not(seed: int) -> None:
    off_by = {fault.name: fault.off_by for fault in FAULTS}
    for order in DrawnOrders(seed, 40):
        body = order.body
        assert body.total - paid(body) == off_by.get(order.story.fault, 0), order
        assert all(p.amount and p.amount.amount > 0 for p in body.payments)
        for payment in body.payments:
            allowed = METHODS[payment.method].currencies
            assert allowed is None or body.currency in allowed


def test_names_are_unique() -> None:
    assert len({order.name for order in DrawnOrders(1, MANY)}) == MANY


def test_every_fault_gets_its_turn_and_a_fifth_of_orders_meet_one() -> None:
    met = Counter(o.story.fault for o in DrawnOrders(3, FAULT_EVERY * len(FAULTS)))
    assert {name: met[name] for name in met if name} == {fault.name: 1 for fault in FAULTS}
    assert met[""] == (FAULT_EVERY - 1) * len(FAULTS)


def test_drawn_orders_look_like_real_ones() -> None:
    orders = [o.body for o in DrawnOrders(1, MANY) if not o.story.fault]
    count = len(orders)

    def share(number: int) -> float:
        return number / count

    assert share(sum(len(o.payments) > 1 for o in orders)) == pytest.approx(0.04, abs=0.02)
    slips = sum(any(p.method == "boleto" for p in o.payments) for o in orders)
    assert share(slips) == pytest.approx(0.2, abs=0.05)
    assert share(sum(len(o.lines) > 1 for o in orders)) == pytest.approx(0.1, abs=0.04)
    assert (
        {o.currency for o in orders}
        == {"BRL", "USD", "CNY", "JPY", "KWD"}
        <= set(MINOR_UNIT_DECIMALS)
    )
    assert {p.method for o in orders for p in o.payments} == set(METHODS)
    assert any(len({line.sku for line in o.lines}) < len(o.lines) for o in orders)
    assert {o.shipping.carrier for o in orders if o.shipping} == {"merchant", "sandbox"}


def test_there_is_stock_for_all_but_scarce_and_unknown_goods() -> None:
    drawn = DrawnOrders(1, MANY)
    demand = survey(drawn).demand
    stock = drawn.stock_for(demand)
    assert stock.keys() <= GOODS.keys() | SCARCE_GOODS.keys()
    assert "no-such-thing" in demand.keys() - stock.keys()
    for sku, units in stock.items():
        assert (units < demand[sku]) == (sku in SCARCE_GOODS)
