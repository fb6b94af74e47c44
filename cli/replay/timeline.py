"""What is recorded of a real order's life, and where its record ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ordersaga.lifecycle import Status


class RecordedStatus(StrEnum):
    """The words of the record."""

    CREATED = "created"
    APPROVED = "approved"
    INVOICED = "invoiced"
    PROCESSING = "processing"
    UNAVAILABLE = "unavailable"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELED = "canceled"


# Every other word ends the record before the parcel is on its way.
_ENDS_AS: Final = {
    RecordedStatus.SHIPPED: frozenset({Status.SHIPPED}),
    RecordedStatus.DELIVERED: frozenset({Status.DELIVERED, Status.COMPLETED}),
    RecordedStatus.CANCELED: frozenset({Status.CANCELED}),
}


class Timeline(BaseModel):
    """When an order went from hand to hand.

    Clocks disagree: a parcel may be handed over before its order was approved, or even made.
    """

    model_config = ConfigDict(frozen=True)

    status: RecordedStatus
    purchased_at: AwareDatetime
    approved_at: AwareDatetime | None = None
    handed_to_carrier_at: AwareDatetime | None = None
    delivered_at: AwareDatetime | None = None
    promised_by: AwareDatetime | None = None

    @property
    def ends_as(self) -> frozenset[Status]:
        """What our order may be when its record ends."""
        unshipped = Status.PENDING if self.approved_at is None else Status.CONFIRMED
        return _ENDS_AS.get(self.status, frozenset({unshipped}))

    def after(self, moment: datetime | None) -> timedelta | None:
        """How long after its purchase that was; may be before it."""
        return None if moment is None else moment - self.purchased_at
