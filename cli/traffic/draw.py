"""Orders drawn by a seed to look like real ones, with a fair share of faults.

How many have several lines, split tender or a slip is what the Olist marketplace data shows: one
order in ten of several units, 4 % split tender, one in five by slip.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cli.traffic.faults import FAULTS, Fault
from cli.traffic.orders import PlayedOrder, Story
from ordersaga.client import (
    Address,
    Customer,
    Money,
    NewOrder,
    OrderLine,
    Payment,
    Shipping,
)
from ordersaga.order import MERCHANT, SANDBOX

FAULT_EVERY: Final = 5  # a fault is an exception, also where many are shown
SPLIT_TENDER: Final = 0.04
MANY_LINES: Final = 0.10
MANY_UNITS: Final = 0.10
SCARCE: Final = 0.03  # of orders want what there is too little of
WITH_CARRIER: Final = 0.25
HEADROOM: Final = 10  # units of each SKU that nobody is going to want
BUYERS: Final = 10_000


@dataclass(frozen=True)
class Market:
    """Where an order is from. `per_cent`: minor units of its currency that a US cent buys."""

    currency: str
    country: str
    city: str
    share: int
    per_cent: float
    tax: float
    methods: Mapping[str, int]  # how often each is taken


MARKETS: Final = (
    Market("BRL", "BR", "São Paulo", 50, 5.0, 0.0, {"card": 55, "boleto": 40, "debit_card": 5}),
    Market("USD", "US", "Chicago", 20, 1.0, 0.08, {"card": 85, "voucher": 5, "balance": 10}),
    Market("CNY", "CN", "上海", 16, 7.0, 0.0, {"alipay": 50, "wechat_pay": 40, "card": 10}),
    Market("JPY", "JP", "大阪", 8, 1.5, 0.10, {"card": 90, "voucher": 10}),
    Market("KWD", "KW", "الكويت", 6, 3.0, 0.0, {"card": 70, "debit_card": 30}),
)
_OF_CURRENCY: Final = {market.currency: market for market in MARKETS}

# SKU → price in US cents
GOODS: Final = {
    "mug-blue": 1290, "mug-white": 1190, "teapot-1l": 3450, "kettle-steel": 4990,
    "lamp-desk": 5900, "lamp-bulb-e27": 690, "notebook-a5": 850, "pen-fine-black": 320,
    "backpack-20l": 7900, "bottle-750ml": 1890, "headphones-ov": 12900, "cable-usbc-2m": 1290,
    "towel-bath": 2290, "pillow-feather": 3990, "blanket-wool": 8900, "chess-travel": 2490,
    "puzzle-1000": 1790, "ball-size5": 2990, "yoga-mat": 3490, "watch-field": 18900,
    "sneaker-42": 9900, "sock-3pack": 1190, "shirt-linen-m": 4900, "scarf-silk": 6900,
}  # fmt: skip
SCARCE_GOODS: Final = {"print-signed": 24900, "vinyl-first-press": 8900}


@dataclass(frozen=True)
class DrawnOrders:
    """The orders of a seed: number n is the same however many are drawn.

    Every `fault_every`th meets one of `faults`, dealt like cards: each as often. `with_carrier`: so
    many of the others, by share, are brought by one.
    """

    seed: int
    count: int
    faults: Sequence[Fault] = FAULTS
    fault_every: int = FAULT_EVERY
    with_carrier: float = WITH_CARRIER

    def __iter__(self) -> Iterator[PlayedOrder]:
        return (self._draw(number) for number in range(self.count))

    def stock_for(self, demand: Mapping[str, int]) -> Mapping[str, int]:
        """Enough of all that is known, but half of what is wanted of scarce goods."""
        return {
            sku: units // 2 if sku in SCARCE_GOODS else units + HEADROOM
            for sku, units in demand.items()
            if sku in GOODS or sku in SCARCE_GOODS
        }

    def _draw(self, number: int) -> PlayedOrder:
        dice = random.Random(f"{self.seed}:{number}")  # noqa: S311  the same each time is the point
        name = f"order {number + 1}"
        if number % self.fault_every == self.fault_every - 1:
            dealt = (self.seed + number // self.fault_every) % len(self.faults)
            return _faulty(dice, name, self.faults[dealt], self.with_carrier)
        market = dice.choices(MARKETS, [m.share for m in MARKETS])[0]
        lines = _lines(dice, market)
        if dice.random() < SCARCE:
            lines = (_line(dice, market, *_any_of(dice, SCARCE_GOODS), units=1),)
        order = _order(dice, market, lines, self.with_carrier)
        payments = _payments(dice, market, order.total)
        return PlayedOrder(name, order.model_copy(update={"payments": payments}))


def _faulty(dice: random.Random, name: str, fault: Fault, with_carrier: float) -> PlayedOrder:
    market = _OF_CURRENCY["BRL" if fault.method == "boleto" else "USD"]
    lines = _lines(dice, market)
    if fault.sku:
        lines = (*lines, _line(dice, market, fault.sku, price=500, units=1))
    order = _order(dice, market, lines, with_carrier)
    shares = _shares(order.total - fault.off_by, len(fault.tokens))
    payments = tuple(
        _payment(fault.method, share, market, token)
        for share, token in zip(shares, fault.tokens, strict=True)
    )
    changes: dict[str, object] = {"payments": payments}
    if fault.service:
        changes["shipping"] = Shipping(carrier="sandbox", service=fault.service)
    story = Story(fault.name, fault.payer, fault.changes_mind, fault.short_by)
    return PlayedOrder(name, order.model_copy(update=changes), story)


def _order(
    dice: random.Random, market: Market, lines: tuple[OrderLine, ...], with_carrier: float
) -> NewOrder:
    """All but its payments."""
    carrier = SANDBOX if dice.random() < with_carrier else MERCHANT
    service = dice.choice(("standard", "express"))
    return NewOrder(
        customer=Customer(id=f"c-{dice.randrange(BUYERS)}"),
        currency=market.currency,
        lines=lines,
        shipping_address=Address(country=market.country, city=market.city),
        shipping=Shipping(carrier=carrier, service=service),
        shipping_fee=_money(market, dice.choice((0, 490, 990, 1490))),
    )


def _lines(dice: random.Random, market: Market) -> tuple[OrderLine, ...]:
    """Two of them may name the same SKU."""
    count = dice.choice((2, 2, 3, 4)) if dice.random() < MANY_LINES else 1
    return tuple(
        _line(
            dice,
            market,
            *_any_of(dice, GOODS),
            units=dice.randint(2, 6) if dice.random() < MANY_UNITS else 1,
        )
        for _ in range(count)
    )


def _any_of(dice: random.Random, goods: Mapping[str, int]) -> tuple[str, int]:
    return dice.choice(tuple(goods.items()))


def _line(dice: random.Random, market: Market, sku: str, price: int, *, units: int) -> OrderLine:
    unit_price = _money(market, round(price * dice.choice((0.9, 1, 1, 1))))
    tax = round(unit_price.amount * units * market.tax)
    return OrderLine(
        sku=sku,
        quantity=units,
        unit_price=unit_price,
        tax=Money(amount=tax, currency=market.currency) if tax else None,
    )


def _payments(dice: random.Random, market: Market, total: int) -> tuple[Payment, ...]:
    if dice.random() < SPLIT_TENDER:
        methods = ["card", *["voucher"] * dice.choice((1, 1, 1, 2, 3)), *_maybe(dice, "balance")]
    else:
        methods = dice.choices(tuple(market.methods), tuple(market.methods.values()))
    return tuple(
        _payment(method, share, market, "tok_ok")
        for method, share in zip(methods, _shares(total, len(methods)), strict=True)
    )


def _maybe(dice: random.Random, method: str) -> Sequence[str]:
    return [method] if dice.random() < 0.3 else []


def _payment(method: str, amount: int, market: Market, token: str) -> Payment:
    """Own methods have no token here: a voucher's code comes when it is issued."""
    return Payment(
        method=method,
        amount=Money(amount=amount, currency=market.currency),
        token=None if method in ("balance", "voucher") else token,
    )


def _shares(total: int, count: int) -> list[int]:
    """`total` in `count` parts, as even as whole minor units can be."""
    least, left = divmod(total, count)
    return [least + (1 if part < left else 0) for part in range(count)]


def _money(market: Market, us_cents: int) -> Money:
    return Money(amount=round(us_cents * market.per_cent), currency=market.currency)
