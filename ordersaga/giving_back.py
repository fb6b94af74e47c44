"""What goes back, to the minor unit: for goods that return, and of which payments.

The rules: a unit returns its price and its share of its line's tax, so that all units of a line return
exactly what the line cost, whatever was declined and asked for again. The shipping fee goes back with the
last unit of the whole order. Money goes back to the payments it came from, the newest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ordersaga.errors import OrdersagaError
from ordersaga.order import Line


class TooMany(OrdersagaError):
    """More units of a SKU than were bought and not sent back yet: `left`."""

    def __init__(self, sku: str, *, left: int) -> None:
        super().__init__(f"{left} of {sku!r} can be returned")
        self.sku = sku
        self.left = left


class TooMuch(OrdersagaError):
    """More money than is left of what was taken: `left`, in minor units."""

    def __init__(self, *, left: int) -> None:
        super().__init__(f"{left} is left to give back")
        self.left = left


@dataclass(frozen=True)
class BoughtLine:
    """One line of an order, how many of its units are in returns already, and what these bring back."""

    number: int
    line: Line
    returned: int
    brought: int  # minor units

    @property
    def left(self) -> int:
        return self.line.quantity - self.returned


@dataclass(frozen=True)
class ReturnedLine:
    """So many units of a line, and what they bring back. Minor units."""

    number: int
    quantity: int
    amount: int


@dataclass(frozen=True)
class Share:
    """What of an amount falls to one payment. Minor units."""

    payment_id: str
    amount: int


def take_back(bought: Sequence[BoughtLine], wanted: Mapping[str, int]) -> tuple[ReturnedLine, ...]:
    """Spreads `wanted` units by SKU over the lines, first lines first. Raises `TooMany`."""
    returned = []
    for sku, quantity in wanted.items():
        to_go = quantity
        for one in bought:
            units = min(to_go, one.left) if one.line.sku == sku else 0
            if units:
                returned.append(ReturnedLine(one.number, units, _worth(one, units)))
                to_go -= units
        if to_go:
            raise TooMany(sku, left=quantity - to_go)
    return tuple(returned)


def all_that_is_left(bought: Sequence[BoughtLine]) -> dict[str, int]:
    """Every unit that was not sent back yet, by SKU."""
    left: dict[str, int] = {}
    for one in bought:
        if one.left:
            left[one.line.sku] = left.get(one.line.sku, 0) + one.left
    return left


def is_last_of_order(bought: Sequence[BoughtLine], returned: Sequence[ReturnedLine]) -> bool:
    """Whether nothing of the order stays with its buyer: the shipping fee goes back too."""
    return sum(one.left for one in bought) == sum(r.quantity for r in returned)


def allocate(left: Sequence[Share], amount: int) -> tuple[Share, ...]:
    """`left`: what can go back of each payment, newest first. Raises `TooMuch`."""
    shares, to_go = [], amount
    for payment in left:
        part = min(to_go, payment.amount)
        if part:
            shares.append(Share(payment.payment_id, part))
            to_go -= part
    if to_go:
        raise TooMuch(left=amount - to_go)
    return tuple(shares)


def _worth(one: BoughtLine, units: int) -> int:
    """Price and share of the tax. What all that is in returns then is worth, less what is promised for it:
    so that it comes out even, whichever return was declined in between."""
    line, returned = one.line, one.returned + units
    tax = line.tax * returned // line.quantity
    promised = one.brought - line.unit_price * one.returned
    return line.unit_price * units + max(tax - promised, 0)
