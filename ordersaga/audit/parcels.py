"""Parcels: our live bookings are the carrier's, both ways."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.books import BookedParcel
from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurOrder
from ordersaga.keys import parcel_step, release_step
from ordersaga.lifecycle import FulfillmentStatus, Status
from ordersaga.tracking import TrackingStatus


def _steps(order: OurOrder) -> tuple[str, ...]:
    if order.shipment_id is None:
        return ()
    return parcel_step(order.shipment_id), release_step(order.shipment_id)


def _ours_is_theirs(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    live = [p for p in evidence.parcels_of.get(order.id, ()) if p.is_live]
    numbers = [p.tracking_number for p in live]
    if order.parcel.status == TrackingStatus.CANCELED:
        return  # its carrier has told us; where the order stands by that is another question
    if order.has_live_parcel and order.tracking_number not in numbers:
        detail = (
            f"{order.fulfillment_status} as {order.tracking_number} by our tables, "
            f"but the carrier's live parcels of it are {numbers}"
        )
        yield Problem(order.id, detail, order.id, _steps(order))


def _theirs_is_ours(parcel: BookedParcel, evidence: Evidence) -> Iterator[Problem]:
    order = evidence.orders.get(parcel.order_id)
    if order is None:
        detail = f"{parcel.state} at the carrier, but our tables have no order {parcel.order_id!r}"
        yield Problem(parcel.key, detail, parcel.order_id)
    elif order.is_at_rest and not (
        (order.has_live_parcel or _is_over(order))
        and order.tracking_number == parcel.tracking_number
    ):
        detail = (
            f"{parcel.state} at the carrier, but our order is {order.status} and its parcel "
            f"{order.fulfillment_status} as {order.tracking_number}"
        )
        yield Problem(parcel.key, detail, order.id, _steps(order))


def _is_over(order: OurOrder) -> bool:
    """It came back or is lost: to the carrier it is one that was handed over."""
    return order.fulfillment_status == FulfillmentStatus.RETURNED


def _has_its_parcel(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    if order.is_settled and not order.has_live_parcel:
        detail = f"{order.status}, but its parcel is {order.fulfillment_status}, not booked"
        yield Problem(order.id, detail, order.id, _steps(order))
    elif order.status in (Status.REJECTED, Status.CANCELED) and order.has_live_parcel:
        detail = f"{order.status}, but its parcel is still {order.fulfillment_status}, not canceled"
        yield Problem(order.id, detail, order.id, _steps(order))


INVARIANTS: tuple[Invariant[OurOrder] | Invariant[BookedParcel], ...] = (
    Invariant(
        "parcels.booked",
        "a confirmed order has a parcel, an undone one has none",
        lambda evidence: (o for o in evidence.ours.orders if o.is_settled or o.is_undone),
        _has_its_parcel,
    ),
    Invariant(
        "parcels.ours",
        "each live booking of ours is a live parcel in the carrier's books",
        lambda evidence: (o for o in evidence.ours.orders if o.ships_with_carrier and o.is_at_rest),
        _ours_is_theirs,
    ),
    Invariant(
        "parcels.theirs",
        "each live parcel in the carrier's books is a live booking of ours",
        lambda evidence: (p for p in evidence.books.parcels if p.is_live),
        _theirs_is_ours,
    ),
)
