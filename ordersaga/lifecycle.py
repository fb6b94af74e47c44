"""The life of an order: three machines, each one table of moves; and a fourth for each return of it.

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


class ReturnStatus(StrEnum):
    """Of goods that come back after delivery."""

    REQUESTED = "requested"
    APPROVED = "approved"  # the buyer may send them
    RECEIVED = "received"  # they are here, and on the shelf again
    REFUNDED = "refunded"  # their money went back
    DECLINED = "declined"


@dataclass(frozen=True)
class Move:
    """`event` takes a machine from any of `sources` to `target`, because `reason`."""

    event: str
    sources: tuple[str, ...]
    target: str
    reason: str


S, P, F, R = Status, PaymentStatus, FulfillmentStatus, ReturnStatus

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
    Move("payment.captured", (P.UNPAID, P.REQUIRES_ACTION, P.AUTHORIZED, P.FAILED, P.VOIDED), P.CAPTURED,
         "taken; also after it was declined or given up: a bank may still take it"),
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

RETURN_MOVES: Final = (
    Move("return.approved", (R.REQUESTED,), R.APPROVED, "the seller agrees"),
    Move("return.declined", (R.REQUESTED, R.APPROVED), R.DECLINED, "the seller does not, or nothing came"),
    Move("return.received", (R.APPROVED,), R.RECEIVED, "the goods are back"),
    Move("return.refunded", (R.RECEIVED,), R.REFUNDED, "their money is back"),
)  # fmt: skip

STATUS: Final = "status"
PAYMENT: Final = "payment"
FULFILLMENT: Final = "fulfillment_status"
RETURN: Final = "return"
MACHINES: Final = {
    STATUS: STATUS_MOVES,
    PAYMENT: PAYMENT_MOVES,
    FULFILLMENT: FULFILLMENT_MOVES,
    RETURN: RETURN_MOVES,
}

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


# What somebody may ask of an order, and in which of its states. Its money, parcel, window or attention
# can still refuse: `allowed_requests` sees them.
CANCELABLE: Final = frozenset({S.PENDING, S.CONFIRMED})
RECEIVABLE: Final = frozenset({S.SHIPPED, S.DELIVERED})
RETURNABLE: Final = frozenset({S.DELIVERED, S.COMPLETED})
REFUNDABLE: Final = frozenset({S.CONFIRMED, S.SHIPPED, S.DELIVERED, S.COMPLETED})


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What decides, beside its status, which requests an order takes now. Money in minor units."""

    total: int
    has_payments: bool
    is_ours_to_ship: bool  # the merchant's own parcel
    in_attention: bool
    cancel_is_open: bool  # asked, and not answered yet; or its merchant has declined it
    held_by: str | None  # the kind of its hold
    is_returnable: bool  # within its window, with goods that were not sent back yet
    is_refundable: bool  # something of what was taken is left
    is_reviewed: bool


def allowed_requests(status: str, given: Circumstances) -> tuple[str, ...]:
    """The requests that this order would take now, by their names in the API."""
    is_pending = status == S.PENDING
    may_go_on = is_pending and not given.cancel_is_open
    is_held = given.held_by is not None
    asks = {
        "pay": is_pending and not given.has_payments and given.total > 0,
        "hold": may_go_on and not is_held,
        "release": may_go_on and is_held and given.held_by != MERCHANT_ACCEPTS,
        "accept": may_go_on and given.held_by == MERCHANT_ACCEPTS,
        "decline": may_go_on and given.held_by == MERCHANT_ACCEPTS,
        "ship": status == S.CONFIRMED and given.is_ours_to_ship and not given.cancel_is_open,
        "cancel": status in CANCELABLE,
        "confirm-receipt": status in RECEIVABLE,
        "returns": status in RETURNABLE and given.is_returnable,
        "review": status == S.COMPLETED and not given.is_reviewed,
        "refunds": status in REFUNDABLE and given.is_refundable,
        "attention": given.in_attention,
    }
    return tuple(name for name, is_allowed in asks.items() if is_allowed)


# What the seller says to a return → what that does to it.
RETURN_REQUESTS: Final = {
    "approve": "return.approved",
    "decline": "return.declined",
    "receive": "return.received",
}


def allowed_return_requests(status: str, return_status: str) -> tuple[str, ...]:
    """The same of one return. One whose order went back as a whole can only be declined."""
    return tuple(
        name
        for name, event in RETURN_REQUESTS.items()
        if (RETURN, return_status, event) in _TARGETS
        and (status in RETURNABLE or name == "decline")
    )


# Who stops an order before its money is taken.
OPERATOR_HOLDS: Final = "operator"
RULE_HOLDS: Final = "rule"
MERCHANT_ACCEPTS: Final = "merchant"
