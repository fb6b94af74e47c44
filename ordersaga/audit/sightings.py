"""What carriers say of parcels: kept, folded, followed; and theirs, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ordersaga.audit.books import BookedParcel
from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurOrder
from ordersaga.lifecycle import Status
from ordersaga.tracking import RETURNED_TO_SENDER

OrderParcel = tuple[OurOrder, BookedParcel]


def _seen(evidence: Evidence) -> Iterable[OurOrder]:
    return (order for order in evidence.ours.orders if order.sightings)


def _read(evidence: Evidence) -> Iterable[OrderParcel]:
    """Parcels whose carrier let us read what it said."""
    return (
        (order, parcel)
        for order in evidence.ours.orders
        for parcel in evidence.parcels_of.get(order.id, ())
        if parcel.sightings is not None and parcel.tracking_number == order.tracking_number
    )


def _row_is_the_fold(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    row = (order.tracking_status, order.estimated_at)
    fold = (order.parcel.status, order.parcel.estimated_at)
    if row != fold:
        detail = (
            f"its parcel is {row[0]}, estimated {row[1]}; by all that was said {fold[0]}, {fold[1]}"
        )
        yield Problem(order.id, detail, order.id)


def _are_told(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    kept = sorted(s.event_id for s in order.sightings)
    told = sorted(str(e.data.get("event_id")) for e in order.events if e.type == "tracking.updated")
    if kept != told:
        yield Problem(order.id, f"kept of its parcel: {kept}; in history: {told}", order.id)


def _order_follows(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    if order.messages or order.requests:
        return
    parcel = order.parcel
    match order.status:
        case Status.CONFIRMED:
            is_behind = parcel.is_handed_over or parcel.reversal is not None
        case Status.SHIPPED:
            is_behind = parcel.is_delivered or parcel.reversal is not None
        case Status.DELIVERED:  # what is at its buyer's can come back, but not be lost
            is_behind = parcel.reversal == RETURNED_TO_SENDER
        case _:
            is_behind = False
    if is_behind:
        yield Problem(order.id, f"{order.status}, and its parcel is {parcel.status}", order.id)


def _is_their_word(each: OrderParcel, _: Evidence) -> Iterator[Problem]:
    order, parcel = each
    theirs = {said.id: said for said in parcel.sightings or ()}
    for ours in order.sightings:
        said = theirs.get(ours.event_id)
        # What is said to happen later than now, happened now: so ours may be earlier.
        if said is None or said.status != ours.status or said.occurred_at < ours.occurred_at:
            by_them = f"{said.status} at {said.occurred_at}" if said else "nothing"
            detail = (
                f"{ours.event_id} says {ours.status} at {ours.occurred_at} by our tables, "
                f"{by_them} by the carrier's books"
            )
            yield Problem(order.id, detail, order.id)


def _was_heard(each: OrderParcel, evidence: Evidence) -> Iterator[Problem]:
    order, parcel = each
    if order.messages or not evidence.is_settled_since(order.updated_at):
        return  # what it has not heard may be on its way
    heard = {s.event_id for s in order.sightings}
    for said in parcel.sightings or ():
        if said.id not in heard:
            detail = f"the carrier said {said.status} ({said.id}), and nobody here heard of it"
            yield Problem(order.id, detail, order.id)


INVARIANTS: tuple[Invariant[OurOrder] | Invariant[OrderParcel], ...] = (
    Invariant(
        "tracking.folded",
        "where a parcel is, is the fold of all that was said of it",
        _seen,
        _row_is_the_fold,
    ),
    Invariant(
        "tracking.told",
        "all that was said of a parcel is in history, once",
        lambda evidence: evidence.ours.orders,
        _are_told,
    ),
    Invariant(
        "tracking.followed",
        "an order is where its parcel is, or it is over",
        _seen,
        _order_follows,
    ),
    Invariant(
        "tracking.theirs",
        "what we have of a parcel is what its carrier said",
        _read,
        _is_their_word,
    ),
    Invariant(
        "tracking.heard",
        "what a carrier said of a parcel was heard",
        _read,
        _was_heard,
    ),
)
