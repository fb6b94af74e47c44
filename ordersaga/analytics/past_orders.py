"""Orders that were somebody else's business: the record that a seller brings from where he was before.

One JSON object a line; docs/analytics.md describes it. No person is in it, and no money.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from ordersaga.analytics.courses import Course, make_course
from ordersaga.lifecycle import FINAL, Status

MAX_REFERENCE: Final = 64  # characters
_OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class RecordedStatus(StrEnum):
    """The record's last word. All that come before `shipped` end it while the order waits to be sent."""

    CREATED = "created"
    APPROVED = "approved"
    INVOICED = "invoiced"
    PROCESSING = "processing"
    UNAVAILABLE = "unavailable"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELED = "canceled"


def _is_of_our_time(at: datetime) -> datetime:
    if at < _OLDEST:
        raise ValueError("lies before 1970")
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_is_of_our_time)]


class PastOrder(BaseModel):
    """When an order went from hand to hand. Clocks disagree: the times may lie in any order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    reference: Annotated[
        str, StringConstraints(min_length=1, max_length=MAX_REFERENCE, pattern=r"^[!-~]+$")
    ]
    status: RecordedStatus
    purchased_at: Moment
    approved_at: Moment | None = None
    handed_to_carrier_at: Moment | None = None
    delivered_at: Moment | None = None
    promised_by: Moment | None = None


def course_of(past: PastOrder) -> Course:
    """The same order on our machine `status`: nothing but moves that the machine has.

    When an order was canceled is not recorded; one that was confirmed was undone first.
    """
    steps = list(_steps(past))
    return make_course(
        [state for state, _ in steps],
        [at.timestamp() if at else None for _, at in steps],
        is_over=steps[-1][0] in FINAL,
        promised_at_s=past.promised_by.timestamp() if past.promised_by else None,
    )


def _steps(past: PastOrder) -> Iterator[tuple[Status, datetime | None]]:
    yield Status.PENDING, past.purchased_at
    was_sent = past.status in (RecordedStatus.SHIPPED, RecordedStatus.DELIVERED)
    is_canceled = past.status == RecordedStatus.CANCELED
    was_handed_over = past.handed_to_carrier_at is not None
    is_shipped = past.status == RecordedStatus.SHIPPED or (
        (was_sent or is_canceled) and was_handed_over
    )
    is_confirmed = was_sent or is_shipped or past.approved_at is not None
    if is_confirmed:
        yield Status.CONFIRMED, past.approved_at
    if is_shipped:
        yield Status.SHIPPED, past.handed_to_carrier_at
    if past.status == RecordedStatus.DELIVERED:
        yield Status.DELIVERED, past.delivered_at
    if is_canceled:
        if is_confirmed:
            yield Status.COMPENSATING, None
        yield Status.CANCELED, None
