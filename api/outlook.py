"""What comes next for an order: who has to act, until when, and what it would take now."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from adapters.postgres.history import held_until
from adapters.postgres.orders import StoredOrder
from ordersaga.lifecycle import FINAL, MERCHANT_ACCEPTS, PaymentStatus, Status
from ordersaga.order import MERCHANT

WaitingFor = Literal["participants", "buyer", "payer", "operator", "merchant", "carrier"]


def waiting_for(order: StoredOrder) -> WaitingFor | None:
    """Who has to act next; None: nobody, it is over.

    buyer: to say how it is paid, or that it arrived · payer: to pay a slip, to pass 3-D Secure ·
    participants: the saga is asking them, or undoing · operator: something keeps failing, or to let it
    go on · merchant: to accept it, to hand it over · carrier: to bring the parcel.
    """
    if order.status in FINAL:
        return None
    if order.attention is not None:
        return "operator"
    match order.status:
        case Status.CONFIRMED:
            return "merchant" if order.shipment.carrier == MERCHANT else "carrier"
        case Status.SHIPPED:
            return "carrier"
        case Status.DELIVERED:
            return "buyer"
        case Status.PENDING:
            return _pending_waits_for(order)
    return "participants"


def deadline(order: StoredOrder) -> datetime | None:
    """Until when a pending order waits for somebody; the earliest, if for several."""
    if order.status != Status.PENDING:
        return None
    waits = [p.expires_at for p in order.payments if p.status == PaymentStatus.REQUIRES_ACTION]
    waits.append(held_until(order.hold))
    if is_paid_later(order):
        waits.append(order.deadline)
    return min((until for until in waits if until is not None), default=order.deadline)


def is_paid_later(order: StoredOrder) -> bool:
    """Its buyer has not said yet how it is paid."""
    return order.total > 0 and not order.payments


def _pending_waits_for(order: StoredOrder) -> WaitingFor:
    if is_paid_later(order):
        return "buyer"
    if order.payment_status == PaymentStatus.REQUIRES_ACTION:
        return "payer"
    if order.hold is not None:
        return "merchant" if order.hold["kind"] == MERCHANT_ACCEPTS else "operator"
    return "participants"
