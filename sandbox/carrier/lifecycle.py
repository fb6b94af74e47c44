"""The life of a parcel at the carrier: one table of moves, the carrier's own.

Every call may be repeated, so a repeat is a move too and leads to where the parcel is.
"""

from __future__ import annotations

from enum import StrEnum

from sandbox.carrier.errors import IllegalError


class Status(StrEnum):
    """Where a parcel stands; UNKNOWN is a key never seen."""

    UNKNOWN = "unknown"
    BOOKED = "booked"
    RELEASED = "released"
    PICKED_UP = "picked_up"
    CANCELED = "canceled"


class Event(StrEnum):
    """What can happen to a parcel."""

    BOOK = "book"
    RELEASE = "release"
    CANCEL = "cancel"
    PICK_UP = "pick_up"
    CANCEL_BY_CARRIER = "cancel_by_carrier"
    TRACK = "track"


MOVES: dict[tuple[Status, Event], Status] = {
    (Status.UNKNOWN, Event.BOOK): Status.BOOKED,
    (Status.UNKNOWN, Event.CANCEL): Status.CANCELED,  # a tombstone: it fences a late book
    (Status.BOOKED, Event.BOOK): Status.BOOKED,
    (Status.BOOKED, Event.RELEASE): Status.RELEASED,
    (Status.BOOKED, Event.CANCEL): Status.CANCELED,
    (Status.BOOKED, Event.PICK_UP): Status.PICKED_UP,  # the seller may hand it over unasked
    (Status.BOOKED, Event.CANCEL_BY_CARRIER): Status.CANCELED,
    (Status.BOOKED, Event.TRACK): Status.BOOKED,
    (Status.RELEASED, Event.BOOK): Status.RELEASED,
    (Status.RELEASED, Event.RELEASE): Status.RELEASED,
    (Status.RELEASED, Event.CANCEL): Status.CANCELED,
    (Status.RELEASED, Event.PICK_UP): Status.PICKED_UP,
    (Status.RELEASED, Event.CANCEL_BY_CARRIER): Status.CANCELED,
    (Status.RELEASED, Event.TRACK): Status.RELEASED,
    (Status.PICKED_UP, Event.BOOK): Status.PICKED_UP,
    (Status.PICKED_UP, Event.RELEASE): Status.PICKED_UP,
    (Status.PICKED_UP, Event.PICK_UP): Status.PICKED_UP,
    (Status.PICKED_UP, Event.CANCEL_BY_CARRIER): Status.CANCELED,  # even after a refused cancel
    (Status.PICKED_UP, Event.TRACK): Status.PICKED_UP,
    (Status.CANCELED, Event.CANCEL): Status.CANCELED,
    (Status.CANCELED, Event.CANCEL_BY_CARRIER): Status.CANCELED,
    (Status.CANCELED, Event.TRACK): Status.CANCELED,
}

REFUSAL_CODES: dict[Status, str] = {
    Status.UNKNOWN: "parcel_unknown",
    Status.BOOKED: "illegal_move",
    Status.RELEASED: "illegal_move",
    Status.PICKED_UP: "already_picked_up",
    Status.CANCELED: "parcel_canceled",
}


def move(status: Status, event: Event) -> Status:
    """Where the event leads. Raises IllegalError when the table has no such move."""
    found = MOVES.get((status, event))
    if found is None:
        raise IllegalError(
            f"cannot {event.value} a parcel that is {status.value}", code=REFUSAL_CODES[status]
        )
    return found


TRACKING: dict[str, Event] = {
    "unknown": Event.TRACK,
    "pre_transit": Event.TRACK,
    "picked_up": Event.PICK_UP,
    "in_transit": Event.PICK_UP,
    "out_for_delivery": Event.PICK_UP,
    "available_for_pickup": Event.PICK_UP,
    "delivery_attempted": Event.PICK_UP,
    "delayed": Event.TRACK,
    "exception": Event.TRACK,
    "delivered": Event.PICK_UP,
    "return_to_sender": Event.PICK_UP,
    "returned": Event.PICK_UP,
    "lost": Event.PICK_UP,
    "canceled": Event.CANCEL_BY_CARRIER,
}
"""Tracking status (the words of the HTTP contract) → what it means for the parcel: whoever moves,
delivers or loses a parcel has it in hand."""
