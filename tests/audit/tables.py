"""Orders in tables and books that agree: what honest others would have written of them."""

from __future__ import annotations

from collections.abc import Sequence

from ordersaga.audit.books import BookedParcel, BookedPayment, BookedRefund, BookedSighting, Books
from ordersaga.audit.ours import (
    REFUNDS,
    OurAccount,
    OurCursor,
    OurOrder,
    OurRelay,
    Ours,
    OurStock,
    OurTransfer,
    amount_of,
)
from tests.audit.builder import CURRENCY, NOW, SKU, TENANT


def booked_payments(order: OurOrder) -> tuple[BookedPayment, ...]:
    """What an honest provider's books say of this order."""
    states = {"authorized": "held", "requires_action": "payable", "unpaid": "idle"}
    return tuple(
        BookedPayment(
            reference=p.provider_ref,
            order_id=order.id,
            payment_id=p.id,
            state="taken" if p.captured else states.get(p.status, "dead"),  # type: ignore[arg-type]
            currency=order.currency,
            amount=p.amount,
            received=p.captured,
            refunds=_booked_refunds(order, p.id, p.provider_ref),
        )
        for p in order.payments
        if p.provider_ref is not None
    )


def _booked_refunds(order: OurOrder, payment_id: str, reference: str) -> tuple[BookedRefund, ...]:
    """By our own key of each: of its row, or of the undo."""
    return tuple(
        BookedRefund(
            f"re_{event.sequence}",
            reference,
            amount_of(event),
            f"{order.id}:refund:{event.data['refund_id']}:1:hold"
            if "refund_id" in event.data
            else f"{order.id}:payment:{payment_id}:1:undo",
        )
        for event in order.events
        if event.type in REFUNDS
        and event.data["payment_id"] == payment_id
        and event.data.get("to") != "store_credit"
    )


def booked_parcels(order: OurOrder) -> tuple[BookedParcel, ...]:
    """What an honest carrier's books say of this order."""
    if order.tracking_number is None:
        return ()
    state = "canceled" if order.fulfillment_status == "canceled" else "booked"
    key = f"{order.id}:parcel:{order.shipment_id}:1"
    said = tuple(BookedSighting(s.event_id, s.status, s.occurred_at) for s in order.sightings)
    is_live = state != "canceled"
    return (BookedParcel(key, order.tracking_number, state, is_live=is_live, sightings=said),)


def shelf(orders: Sequence[OurOrder]) -> OurStock:
    reserved = sum(r.quantity for o in orders for r in o.reservations if r.state == "reserved")
    return OurStock(TENANT, SKU, 50 + reserved, 50, reserved, reserved)


def clean(*orders: OurOrder) -> tuple[Ours, Books]:
    """These orders in tables and books that agree."""
    ours = Ours(
        read_at=NOW,
        orders=orders,
        stock=(shelf(orders),),
        accounts=(OurAccount(TENANT, "voucher", "GIFT", CURRENCY, 300, 300),),
        transfers=(OurTransfer("issue:GIFT", CURRENCY, 0),),
        relay=(OurRelay(newest=99, cursors=(OurCursor("rabbitmq", 0, 99),)),),
    )
    books = Books(
        payments=tuple(b for o in orders for b in booked_payments(o)),
        parcels=tuple(b for o in orders for b in booked_parcels(o)),
    )
    return ours, books
