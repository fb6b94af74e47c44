"""What is done to an order: the same for every engine, in one of two shapes.

*participant*: a step a participant, as guides and samples have it. *merged*: what shares our database is
one step, as in ordersaga. Names are those of `participants.Participants`' methods.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, Self

from ordersaga.keys import new_id
from ordersaga.order import MERCHANT, Line, NewOrder, NewPayment, Parcel, PaymentPlan

Mix = Literal["own site", "card"]
Shape = Literal["participant", "merged"]
MIXES: Final[tuple[Mix, ...]] = ("own site", "card")
SHAPES: Final[tuple[Shape, ...]] = ("participant", "merged")

STEPS: Final[dict[tuple[Mix, Shape], tuple[str, ...]]] = {
    ("own site", "participant"): (
        "reserve_stock",
        "hold_credit",
        "book_parcel",
        "take_stock",
        "take_credit",
        "confirm_order",
    ),
    ("own site", "merged"): ("hold_and_decide",),
    ("card", "participant"): (
        "reserve_stock",
        "authorize_payment",
        "book_parcel",
        "capture_payment",
        "take_stock",
        "confirm_order",
    ),
    ("card", "merged"): (
        "hold_own_site",
        "authorize_payment",
        "capture_payment",
        "decide_order",
    ),
}
UNDO: Final = "undo_order"  # what follows a step that says no

MOST_CLIENTS: Final = 50
TENANT: Final = "bench"
CURRENCY: Final = "EUR"
PRICE: Final = 500  # minor units
PATIENCE: Final = timedelta(days=7)


@dataclass(frozen=True)
class Ask:
    """What a step is told of its order: references only."""

    order_id: str
    payment_id: str
    parcel_id: str
    mix: Mix
    shape: Shape

    @classmethod
    def of(cls, order: NewOrder, mix: Mix, shape: Shape) -> Self:
        return cls(order.id, order.payments[0].plan.id, order.parcel.id, mix, shape)

    @classmethod
    def read(cls, told: dict[str, str]) -> Self:
        return cls(**told)  # type: ignore[arg-type]  # words of our own, back from an engine

    def told(self) -> dict[str, str]:
        return asdict(self)

    @property
    def steps(self) -> tuple[str, ...]:
        return STEPS[self.mix, self.shape]


def new_order(client: int, mix: Mix, *, is_hot: bool = False) -> NewOrder:
    """One unit of the client's own SKU, or of one for all; out of its own store credit, or by card."""
    is_card = mix == "card"
    plan = PaymentPlan(new_id("pay"), "card" if is_card else "balance", PRICE)
    return NewOrder(
        id=new_id("ord"),
        tenant=TENANT,
        customer_id=customer(client),
        currency=CURRENCY,
        total=PRICE,
        shipping_fee=0,
        country="PT",
        lines=(Line(sku(0 if is_hot else client), 1, PRICE, 0),),
        payments=(NewPayment(plan, "tok_ok" if is_card else None),),
        parcel=Parcel(new_id("shp"), MERCHANT, "standard"),
        deadline=datetime.now(UTC) + PATIENCE,
        customer={},
        shipping_address={"country": "PT"},
        metadata={},
    )


def sku(client: int) -> str:
    return f"sku-{client}"


def customer(client: int) -> str:
    return f"customer-{client}"
