"""The life of an order: three machines, each one table of moves.

Nothing else in the product decides what may follow what. `move` is the one way to go; an illegal one
raises `IllegalMove` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ordersaga.errors import IllegalMove


class Status(StrEnum):
    """The order as buyer and seller speak of it."""

    PENDING = "pending"  # 待付款
    CONFIRMED = "confirmed"  # 待发货
    SHIPPED = "shipped"  # 待收货
    DELIVERED = "delivered"  # 已送达
    COMPLETED = "completed"  # 已完成
    COMPENSATING = "compensating"  # on the way back
    REJECTED = "rejected"  # a participant said no, and all was undone
    CANCELED = "canceled"  # 已取消: somebody asked, or a deadline passed, and all was undone
    RETURNED = "returned"  # 已退货


class PaymentStatus(StrEnum):
    """Of one payment; and of the order, derived from the sums of its payments."""

    UNPAID = "unpaid"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    FAILED = "failed"


class FulfillmentStatus(StrEnum):
    """Of the order's one parcel."""

    UNFULFILLED = "unfulfilled"
    BOOKED = "booked"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Move:
    """`event` takes a machine from any of `sources` to `target`, because `reason`."""

    event: str
    sources: tuple[str, ...]
    target: str
    reason: str


S, P, F = Status, PaymentStatus, FulfillmentStatus

STATUS_MOVES: Final = (
    Move("order.confirmed", (S.PENDING,), S.CONFIRMED, "every participant said yes"),
    Move("order.compensating", (S.PENDING,), S.COMPENSATING, "undoing what others already hold"),
    Move("order.reversing", (S.CONFIRMED, S.SHIPPED, S.DELIVERED), S.COMPENSATING,
         "the parcel will not arrive: refund and restock"),
    Move("order.rejected", (S.PENDING, S.COMPENSATING), S.REJECTED, "somebody said no"),
    Move("order.canceled", (S.PENDING, S.COMPENSATING), S.CANCELED, "asked for, or too late"),
    Move("order.shipped", (S.CONFIRMED,), S.SHIPPED, "the carrier has the parcel"),
    Move("order.delivered", (S.CONFIRMED, S.SHIPPED), S.DELIVERED, "the buyer has the parcel"),
    Move("order.completed", (S.DELIVERED,), S.COMPLETED, "received, or the window passed"),
    Move("order.returned", (S.COMPENSATING, S.DELIVERED, S.COMPLETED), S.RETURNED, "all came back"),
)  # fmt: skip

PAYMENT_MOVES: Final = (
    Move("payment.requires_action", (P.UNPAID,), P.REQUIRES_ACTION, "waiting for the payer"),
    Move("payment.authorized", (P.UNPAID, P.REQUIRES_ACTION), P.AUTHORIZED, "money is held"),
    Move("payment.captured", (P.UNPAID, P.REQUIRES_ACTION, P.AUTHORIZED, P.FAILED), P.CAPTURED,
         "taken; declined is not dead: a late duplicate may still succeed"),
    Move("payment.failed", (P.UNPAID, P.REQUIRES_ACTION, P.AUTHORIZED), P.FAILED, "refused"),
    Move("payment.voided", (P.UNPAID, P.REQUIRES_ACTION, P.AUTHORIZED), P.VOIDED, "given up unused"),
    Move("payment.partially_refunded", (P.CAPTURED, P.PARTIALLY_REFUNDED), P.PARTIALLY_REFUNDED,
         "some of it went back"),
    Move("payment.refunded", (P.CAPTURED, P.PARTIALLY_REFUNDED), P.REFUNDED, "all of it went back"),
)  # fmt: skip

FULFILLMENT_MOVES: Final = (
    Move("parcel.booked", (F.UNFULFILLED,), F.BOOKED, "the carrier keeps a place for it"),
    Move("parcel.canceled", (F.UNFULFILLED, F.BOOKED), F.CANCELED, "nobody will come for it"),
    Move("parcel.shipped", (F.BOOKED,), F.SHIPPED, "picked up"),
    Move("parcel.delivered", (F.BOOKED, F.SHIPPED), F.DELIVERED, "handed to the buyer"),
    Move("parcel.returned", (F.BOOKED, F.SHIPPED, F.DELIVERED), F.RETURNED, "came back, or is lost"),
)  # fmt: skip

STATUS: Final = "status"
PAYMENT: Final = "payment"
FULFILLMENT: Final = "fulfillment_status"
MACHINES: Final = {STATUS: STATUS_MOVES, PAYMENT: PAYMENT_MOVES, FULFILLMENT: FULFILLMENT_MOVES}

_TARGETS: Final = {
    (machine, source, m.event): m.target
    for machine, moves in MACHINES.items()
    for m in moves
    for source in m.sources
}

UNDECIDED: Final = frozenset({S.PENDING, S.COMPENSATING})
FINAL: Final = frozenset({S.COMPLETED, S.REJECTED, S.CANCELED, S.RETURNED})


def move(machine: str, state: str, event: str) -> str:
    """Where `event` takes `machine` from `state`; raises `IllegalMove`."""
    try:
        return str(_TARGETS[machine, state, event])
    except KeyError:
        raise IllegalMove(machine=machine, state=state, move=event) from None


@dataclass(frozen=True)
class PaymentSums:
    """What the order's payment status is derived from, of one payment. Minor units."""

    status: str
    captured: int
    refunded: int


def derive_payment_status(payments: Iterable[PaymentSums]) -> PaymentStatus:
    """The order's payment status, from its payments: never stored by hand."""
    payments = tuple(payments)
    captured = sum(p.captured for p in payments)
    refunded = sum(p.refunded for p in payments)
    states = {p.status for p in payments}
    if captured and refunded == captured and not states & {P.AUTHORIZED, P.REQUIRES_ACTION}:
        return P.REFUNDED
    if refunded:
        return P.PARTIALLY_REFUNDED
    if states and states <= {P.CAPTURED}:
        return P.CAPTURED
    if states and states <= {P.CAPTURED, P.AUTHORIZED}:
        return P.AUTHORIZED
    if P.REQUIRES_ACTION in states:
        return P.REQUIRES_ACTION
    if states and states <= {P.VOIDED, P.FAILED}:
        return P.FAILED if P.FAILED in states else P.VOIDED
    return P.UNPAID


# What somebody may ask of an order, and in which of its states. The state of its money or parcel can
# still refuse: `allowed_requests` sees both.
CANCELABLE: Final = frozenset({S.PENDING, S.CONFIRMED})


def allowed_requests(
    *, status: str, has_payments: bool, total: int, in_attention: bool
) -> tuple[str, ...]:
    """The requests that this order would take now, by their names in the API."""
    asks = []
    if status == S.PENDING and not has_payments and total > 0:
        asks.append("pay")
    if status in CANCELABLE:
        asks.append("cancel")
    if in_attention:
        asks.append("attention")
    return tuple(asks)
