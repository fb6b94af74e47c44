"""What the API takes and answers of analytics. Shares and probabilities are from 0 to 1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from adapters.postgres.analytics import Source
from api.models import DEFAULT_PAGE, MAX_PAGE, Strict
from ordersaga.lifecycle import Status

# As `STATES` of ordersaga/analytics/fit.py has them.
Machine = Literal["status", "payment_status", "fulfillment_status", "tracking_status"]


class TransitionsQuery(Strict):
    """Of what the matrix is."""

    machine: Machine = "status"
    source: Source = Field(
        default="all", description="your own orders, those that you imported, or all of them"
    )


class OverdueQuery(Strict):
    """How many orders are shown."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE


class SampleView(BaseModel):
    """What the figures are made of: the newest orders, 20,000 of each sort at most."""

    orders: int
    own: int
    imported: int
    oldest_at: datetime | None = Field(description="when the first of them was placed")
    newest_at: datetime | None


class DwellView(BaseModel):
    """How long orders stayed in a state: of the `count` that left it, and whose times are known."""

    count: int
    mean_s: float
    p50_s: float
    p90_s: float
    p99_s: float


class FunnelStepView(BaseModel):
    """How many came so far, or further."""

    state: Status
    reached: int
    of_all: float
    of_previous: float


class TransitionsView(BaseModel):
    """How orders move from state to state, how long they stay, and how they end."""

    machine: Machine
    fitted_at: datetime = Field(
        description="figures are kept for 5 s, those of very many orders for up to 10 min"
    )
    sample: SampleView
    states: list[str] = Field(description="those that were visited, in the order of the machine")
    counts: dict[str, dict[str, int]] = Field(description="from → to → orders that went")
    ended: dict[str, int] = Field(description="state → orders that are over, and ended there")
    still: dict[str, int] = Field(description="state → orders that are there, and not over")
    probabilities: dict[str, dict[str, float]] = Field(
        description="from → to → P(to | from), of those that left or ended; from a state to itself: "
        "that orders end there, or have never been seen to leave. Each row sums to 1"
    )
    dwell: dict[str, DwellView] = Field(description="state → how long orders stayed in it")
    absorption: dict[str, dict[str, float]] = Field(
        description="state → ending → how likely it is from there; sums to 1"
    )
    funnel: list[FunnelStepView] = Field(description="of `status` only")


class DeliveryEstimate(BaseModel):
    """When it will be delivered: half of such orders were by `p50`, nine of ten by `p90`."""

    p50: datetime
    p90: datetime
    sample_size: int = Field(description="past orders that had been where it is for as long")
    by_promise: bool = Field(description="they are those whose promised dates were like its own")


class EstimateView(BaseModel):
    """What is likely to come of one order."""

    order_id: str
    status: Status
    since: datetime = Field(description="when it came to its status")
    spent_s: float = Field(description="how long ago that is")
    delivery: DeliveryEstimate | None = Field(
        description="null: it has arrived, will not, or fewer than 20 past orders tell"
    )
    promised_at: datetime | None = Field(description="what the carrier said first")
    endings: dict[str, float] = Field(
        description="how likely each ending is; empty: fewer than 20 past orders tell"
    )
    overdue: bool = Field(description="longer in its status than 99 of 100 past orders were")
    p99_s: float | None = Field(
        description="what they did not stay longer than; null: fewer than 100 tell"
    )
    fitted_at: datetime
    sample: SampleView


class OverdueView(BaseModel):
    """An order that is longer in its status than 99 of 100 past orders were."""

    order_id: str
    status: Status
    since: datetime
    spent_s: float
    p99_s: float


class OverdueList(BaseModel):
    """The furthest beyond its p99 first."""

    orders: list[OverdueView]
    limits_s: dict[str, float] = Field(
        description="state → its p99, of the states that 100 past orders have left"
    )
    fitted_at: datetime
    sample: SampleView
