"""Counting what became of orders."""

from __future__ import annotations

import math

import pytest

from cli.traffic.tally import Result, Tally, outcome_of, percentile
from ordersaga.lifecycle import Status


def test_the_last_line_has_its_one_form() -> None:
    tally = Tally()
    for outcome, count in (("confirmed", 3), ("rejected", 2), ("canceled", 1), ("refused", 1)):
        for number in range(count):
            tally.add(Result(f"order {number}", outcome))  # type: ignore[arg-type]
    assert tally.last_line(violations=4) == (
        "demo: 7 orders, 3 confirmed, 2 rejected, 1 canceled, 1 refused, 4 violations"
    )


def test_an_order_without_an_end_is_an_order_too() -> None:
    tally = Tally()
    tally.add(Result("order 1", "undecided"))
    assert tally.last_line(violations=0).startswith("demo: 1 orders, 0 confirmed")


@pytest.mark.parametrize("status", Status)
def test_every_status_counts_as_something(status: Status) -> None:
    undecided = status in (Status.PENDING, Status.COMPENSATING)
    assert (outcome_of(status) == "undecided") == undecided


def test_refused_orders_took_no_time() -> None:
    tally = Tally()
    tally.add(Result("order 1", "refused", took_s=9))
    tally.add(Result("order 2", "confirmed", took_s=1))
    tally.add(Result("order 3", "confirmed", took_s=2, waited_for_payer=True))
    assert (tally.at_once_s, tally.paid_later_s) == ([1], [2])


def test_percentiles_are_of_the_values_there_are() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50, 99)
    assert percentile([3.0], 0.99) == 3.0
    assert math.isnan(percentile([], 0.5))
