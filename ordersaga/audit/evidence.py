"""What an audit looks at: our tables (`ours`), others' books (`books`), and what is looked up in both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ordersaga.audit.books import BookedParcel, BookedPayment, BookedRefund, Books
from ordersaga.audit.ours import OurOrder, Ours
from ordersaga.lifecycle import PaymentStatus, Status

# An undecided order that was moved within this time is on its way, and not judged for where it is.
# Twice the longest a hold or a charge is retried while its provider is away, and some more.
DEFAULT_SETTLE_S: Final = 150.0
# A deadline's timer fires a little late, and then the order still has to be undone.
DEADLINE_SLACK: Final = timedelta(seconds=60)


class Evidence:
    """Everything that is judged, with what the invariants look up."""

    def __init__(self, ours: Ours, books: Books, *, settle_s: float) -> None:
        self.ours = ours
        self.books = books
        self.settle = timedelta(seconds=settle_s)
        self.orders: Mapping[str, OurOrder] = {o.id: o for o in ours.orders}
        self.booked: Mapping[str, BookedPayment] = {p.reference: p for p in books.payments}
        self.booked_of: dict[str, list[BookedPayment]] = defaultdict(list)
        self.refunds_by_key: dict[str, list[BookedRefund]] = defaultdict(list)
        for payment in books.payments:
            self.booked_of[payment.order_id or ""].append(payment)
            for refund in payment.refunds:
                if refund.key is not None:
                    self.refunds_by_key[refund.key].append(refund)
        self.parcels_of: dict[str, list[BookedParcel]] = defaultdict(list)
        for parcel in books.parcels:
            self.parcels_of[parcel.order_id].append(parcel)

    def is_settled_since(self, moment: datetime) -> bool:
        """Whether what began then should be over by now."""
        return self.ours.read_at - moment > self.settle

    def is_in_flight(self, order: OurOrder) -> bool:
        """On its way: what it says of itself a moment later may differ."""
        moved = [
            order.updated_at,
            *(r.requested_at for r in order.requests),
            *(r.created_at for r in order.open_refunds),
            *(m.received_at for m in order.messages),
        ]
        return not order.is_at_rest and not self.is_settled_since(max(moved))

    def waits_for(self, order: OurOrder) -> str | None:
        """Whom an undecided order waits for by right, as a sentence; None: for nobody."""
        if order.status != Status.PENDING:
            return None
        if (until := _held_until(order)) is not None and self._is_ahead(until):
            kind = order.hold and order.hold.get("kind")
            return f"is held ({kind}) until {until:%F %T %Z}"
        if (until := _payer_until(order)) is not None and self._is_ahead(until):
            return f"waits for its payer until {until:%F %T %Z}"
        return None

    def _is_ahead(self, moment: datetime) -> bool:
        return self.ours.read_at <= moment + DEADLINE_SLACK


def _held_until(order: OurOrder) -> datetime | None:
    until = order.hold and order.hold.get("until")
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def _payer_until(order: OurOrder) -> datetime | None:
    """Of those it waits for, the first to run out of time. An order without payments: its deadline."""
    waiting = [p for p in order.payments if p.status == PaymentStatus.REQUIRES_ACTION]
    if waiting:
        return min(p.expires_at or order.deadline for p in waiting)
    return order.deadline if not order.payments and order.total > 0 else None
