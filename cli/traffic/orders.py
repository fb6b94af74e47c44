"""An order that is played: what is sent, and what its people do meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ordersaga.client import NewOrder

# pays: when asked to; fails: tells the bank no; leaves: never pays, and cancels the order instead
Payer = Literal["pays", "fails", "leaves"]

# The API's own limit of a line's quantity: beyond it an order is refused, and needs no stock.
MOST_UNITS: Final = 1_000_000


@dataclass(frozen=True)
class Story:
    """What happens to an order besides being sent.

    `short_by`: its vouchers are issued for so many minor units less than they should pay.
    `changes_mind`: the buyer cancels it as soon as it is confirmed.
    """

    fault: str = ""
    payer: Payer = "pays"
    changes_mind: bool = False
    short_by: int = 0


@dataclass(frozen=True)
class PlayedOrder:
    """`name`: for people, unique within a run. Vouchers have no code yet: they are issued first."""

    name: str
    body: NewOrder
    story: Story = Story()


class OrderSource(Protocol):
    """Where the orders come from. May be gone through more than once, with the same result."""

    def __iter__(self) -> Iterator[PlayedOrder]: ...

    def stock_for(self, demand: Mapping[str, int]) -> Mapping[str, int]:
        """How many units of each SKU should be there; a SKU left out does not exist."""


@dataclass(frozen=True)
class Survey:
    """What a first look at all orders says."""

    orders: int
    demand: Mapping[str, int]


def survey(orders: Iterable[PlayedOrder]) -> Survey:
    """Counts orders, and the units of each SKU that they want."""
    count = 0
    demand: Counter[str] = Counter()
    for order in orders:
        count += 1
        for line in order.body.lines:
            if 0 < line.quantity <= MOST_UNITS:
                demand[line.sku] += line.quantity
    return Survey(count, demand)
