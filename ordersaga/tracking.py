"""Where a parcel is: the fold of all that its carrier said of it, in whatever order that came.

What happened last counts; of what happened at once, what is further on its way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ordersaga.order import Refusal


class TrackingStatus(StrEnum):
    """Of a parcel, by its carrier; from the first to the last that can be said of it."""

    UNKNOWN = "unknown"
    PRE_TRANSIT = "pre_transit"
    PICKED_UP = "picked_up"  # 揽收
    IN_TRANSIT = "in_transit"
    DELAYED = "delayed"
    EXCEPTION = "exception"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AVAILABLE_FOR_PICKUP = "available_for_pickup"
    DELIVERY_ATTEMPTED = "delivery_attempted"
    CANCELED = "canceled"
    RETURN_TO_SENDER = "return_to_sender"
    RETURNED = "returned"
    LOST = "lost"
    DELIVERED = "delivered"


T = TrackingStatus

RANKS: Final = {status: rank for rank, status in enumerate(T)}

DELIVERED: Final = T.DELIVERED
# The carrier has, or had, the parcel. (A delay or an exception may come before that.)
HANDED_OVER: Final = frozenset(
    {
        T.PICKED_UP,
        T.IN_TRANSIT,
        T.OUT_FOR_DELIVERY,
        T.AVAILABLE_FOR_PICKUP,
        T.DELIVERY_ATTEMPTED,
        T.RETURN_TO_SENDER,
        T.RETURNED,
        T.DELIVERED,
    }
)

# The parcel will not arrive: the order is given back.
RETURNED_TO_SENDER: Final = Refusal(
    "parcel", "returned_to_sender", "the parcel went back to its sender"
)
PARCEL_LOST: Final = Refusal("parcel", "parcel_lost", "the carrier has lost the parcel")
CARRIER_CANCELED: Final = Refusal(
    "parcel", "carrier_canceled", "the carrier does not bring the parcel"
)
REVERSALS: Final = {
    T.RETURN_TO_SENDER: RETURNED_TO_SENDER,
    T.RETURNED: RETURNED_TO_SENDER,
    T.LOST: PARCEL_LOST,
    T.CANCELED: CARRIER_CANCELED,
}


@dataclass(frozen=True)
class Sighting:
    """One thing that a carrier said of a parcel."""

    event_id: str
    status: str
    occurred_at: datetime
    estimated_at: datetime | None = None


@dataclass(frozen=True)
class Tracking:
    """Where a parcel is, by all that was said of it."""

    status: str = T.UNKNOWN
    estimated_at: datetime | None = None  # the newest estimate that somebody gave
    is_handed_over: bool = False
    is_delivered: bool = False  # at some time, whatever was said later

    @property
    def reversal(self) -> Refusal | None:
        """Why the parcel will not arrive."""
        return REVERSALS.get(T(self.status))


def fold(sightings: Iterable[Sighting]) -> Tracking:
    """The same for any order of `sightings`."""
    in_order = sorted(sightings, key=_when)
    seen = {sighting.status for sighting in in_order}
    estimates = [s.estimated_at for s in in_order if s.estimated_at is not None]
    return Tracking(
        status=in_order[-1].status if in_order else T.UNKNOWN,
        estimated_at=estimates[-1] if estimates else None,
        is_handed_over=not seen.isdisjoint(HANDED_OVER),
        is_delivered=DELIVERED in seen,
    )


def _when(sighting: Sighting) -> tuple[datetime, int, str]:
    return sighting.occurred_at, RANKS[T(sighting.status)], sighting.event_id
