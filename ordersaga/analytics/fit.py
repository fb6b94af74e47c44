"""All that past orders say, fitted once and asked often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ordersaga.analytics.absorption import Endings, absorb, endings_after
from ordersaga.analytics.arrival import ARRIVED, FEWEST, Arrival, Arrivals, fit_arrivals
from ordersaga.analytics.courses import Course
from ordersaga.analytics.funnel import Step, fit_funnel
from ordersaga.analytics.matrix import Matrix, Row, fit_matrix
from ordersaga.history import PAYMENT_STATUS
from ordersaga.lifecycle import (
    FINAL,
    FULFILLMENT,
    STATUS,
    FulfillmentStatus,
    PaymentStatus,
    Status,
)
from ordersaga.tracking import TrackingStatus

TRACKING_STATUS: Final = "tracking_status"  # the parcel's, as its carrier tells it
FEWEST_FOR_P99: Final = 100  # stays; of fewer the hundredth part is nobody

# Machine → its states, in the order in which they are shown.
STATES: Final[Mapping[str, tuple[str, ...]]] = {
    machine: tuple(str(state) for state in states)
    for machine, states in (
        (STATUS, Status),
        (PAYMENT_STATUS, PaymentStatus),
        (FULFILLMENT, FulfillmentStatus),
        (TRACKING_STATUS, TrackingStatus),
    )
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What figures are made of: orders of our own, and imported ones. When the first and the last of
    them were placed, in seconds since 1970."""

    own: int
    imported: int
    oldest_at_s: float | None
    newest_at_s: float | None

    @property
    def orders(self) -> int:
        return self.own + self.imported


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A running order, as far as an estimate needs it. Seconds since 1970."""

    status: str
    since_s: float
    promised_at_s: float | None


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is likely to come of an order.

    `arrival`: None where it has arrived, will not, or too few past orders tell. `endings`: none where too
    few do. `p99_s`: what 99 of 100 did not stay longer than in its state; None: too few to say.
    """

    spent_s: float
    arrival: Arrival | None
    endings: Endings
    p99_s: float | None

    @property
    def is_overdue(self) -> bool:
        """Longer where it is than 99 of 100 were."""
        return self.p99_s is not None and self.spent_s > self.p99_s


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Of one machine. `funnel` and `arrivals` are of the machine `status`, and empty for others."""

    machine: str
    sample: Sample
    matrix: Matrix
    absorption: Mapping[str, Endings]
    funnel: tuple[Step, ...]
    arrivals: Arrivals

    @property
    def p99s_s(self) -> Mapping[str, float]:
        """State → what counts as too long in it, where enough orders left it, and it is no ending."""
        return {
            state: row.dwell.p99_s
            for state, row in self.matrix.rows.items()
            if row.dwell is not None and row.dwell.count >= FEWEST_FOR_P99 and state not in FINAL
        }

    def outlook(self, order: Standing, *, now_s: float) -> Outlook:
        """Of an order on this fit's machine, which is `status`."""
        spent_s = max(0.0, now_s - order.since_s)
        has_arrived = order.status == ARRIVED
        promised_in_s = None if order.promised_at_s is None else order.promised_at_s - now_s
        return Outlook(
            spent_s=spent_s,
            arrival=None
            if has_arrived
            else self.arrivals.estimate(order.status, spent_s=spent_s, promised_in_s=promised_in_s),
            endings=self._endings(order.status, spent_s),
            p99_s=self.p99s_s.get(order.status),
        )

    def _endings(self, status: str, spent_s: float) -> Endings:
        row = self.matrix.rows.get(status)
        if status in FINAL and (row is None or row.left + row.ended < FEWEST):
            return {status: 1.0}
        if row is None or _told(row, status) < FEWEST:
            return {}
        return endings_after(row, status, spent_s, self.absorption, fewest=FEWEST)


def _told(row: Row, status: str) -> int:
    """How many orders say what comes after `status`. What is imported ends on arriving, and stays there."""
    return row.left + row.ended + (row.still if status == ARRIVED else 0)


def fit(machine: str, *, own: Sequence[Course], imported: Sequence[Course] = ()) -> Fit:
    """Takes about a second for 40,000 courses: never on an event loop. Raises `KeyError` for no machine."""
    courses = [*own, *imported]
    begun_s = [
        first.entered_at_s
        for first, *_ in (c.visits for c in courses)
        if first.entered_at_s is not None
    ]
    matrix = fit_matrix(courses, STATES[machine])
    of_orders = courses if machine == STATUS else []
    return Fit(
        machine=machine,
        sample=Sample(
            own=len(own),
            imported=len(imported),
            oldest_at_s=min(begun_s, default=None),
            newest_at_s=max(begun_s, default=None),
        ),
        matrix=matrix,
        absorption=absorb(matrix),
        funnel=fit_funnel(of_orders),
        arrivals=fit_arrivals(of_orders),
    )
