"""How orders move, as the console shows it: the matrix as a heat map, endings, the funnel, what is overdue.

`matrix_view` and `funnel_view` make what `console/_matrix.html` and `console/_funnel.html` show; any page can
include them with its own fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, get_args

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.analytics import OverdueOrder, Source, read_overdue, read_standing
from adapters.postgres.pool import reading
from api.analytics_models import Machine
from api.pages.console.session import SignedIn
from api.pages.console.shell import console_page
from api.services import Services, services_of
from ordersaga.analytics.absorption import Endings
from ordersaga.analytics.fit import Fit
from ordersaga.analytics.funnel import Step
from ordersaga.analytics.matrix import Row
from ordersaga.analytics.quantiles import Dwell
from ordersaga.lifecycle import STATUS

router = APIRouter(include_in_schema=False)

HEATS: Final = 10  # classes of analytics.css beyond heat-0: a tenth of all each
BAR_WIDTH: Final = 1_000  # of the bar of all orders, in the units of its drawing
MOST_OVERDUE: Final = 20
MACHINES: Final[tuple[str, ...]] = get_args(Machine)
SOURCES: Final[Mapping[Source, str]] = {
    "all": "all orders",
    "own": "this shop's",
    "imported": "imported",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """P(row → column). `heat`: 0 for never, to `HEATS`. `count`: orders that went; None: not a move."""

    share: str
    heat: int
    count: int | None
    stays: bool  # orders end here, or were never seen to leave


@dataclass(frozen=True, kw_only=True)
class StateRow:
    """One state. A `dwell` of None: nobody is known to have left."""

    state: str
    cells: tuple[Cell, ...]
    still: int
    dwell: Dwell | None
    endings: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class MatrixView:
    """Rows and columns are the same states; `endings` are columns of the second table."""

    machine: str
    states: tuple[str, ...]
    endings: tuple[str, ...]
    rows: tuple[StateRow, ...]


@dataclass(frozen=True, kw_only=True)
class FunnelStepView:
    """One step. `width`: of its bar, of `BAR_WIDTH`."""

    state: str
    reached: int
    of_all: str
    of_previous: str
    width: int


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """An order that is overdue. Seconds."""

    order: OverdueOrder
    spent_s: float

    @property
    def times(self) -> str:
        """How many times its limit it has been there."""
        limit_s = self.order.limit_s
        return f"{self.spent_s / limit_s:.1f} ×" if limit_s >= 1 else "–"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is likely to come of one order. `p50` and `p90` of None: it has arrived, will not, or too few
    past orders tell. `endings`: with how likely each is, the likeliest first; none: too few tell."""

    status: str
    spent_s: float
    p99_s: float | None
    is_overdue: bool
    p50: datetime | None
    p90: datetime | None
    sample_size: int
    endings: tuple[tuple[str, str], ...]


def matrix_view(fit: Fit) -> MatrixView:
    """What `_matrix.html` shows as `matrix`."""
    states = tuple(fit.matrix.rows)
    endings = tuple(
        state for state in states if any(state in ends for ends in fit.absorption.values())
    )
    return MatrixView(
        machine=fit.machine,
        states=states,
        endings=endings,
        rows=tuple(
            StateRow(
                state=state,
                cells=_cells(state, row, states),
                still=row.still,
                dwell=row.dwell,
                endings=_ending_cells(fit.absorption.get(state, {}), endings),
            )
            for state, row in fit.matrix.rows.items()
        ),
    )


def funnel_view(steps: Iterable[Step]) -> tuple[FunnelStepView, ...]:
    """What `_funnel.html` shows as `funnel`."""
    return tuple(
        FunnelStepView(
            state=step.state,
            reached=step.reached,
            of_all=percent(step.of_all),
            of_previous=percent(step.of_previous),
            width=round(step.of_all * BAR_WIDTH),
        )
        for step in steps
    )


async def find_overdue(
    services: Services, *, tenant: str, limit: int = MOST_OVERDUE
) -> tuple[Overdue, ...]:
    """What `_overdue.html` shows as `overdue`: the furthest beyond the p99 of its state first."""
    made = await services.fits.of(tenant, STATUS)
    async with reading(services.pool) as connection:
        found = await read_overdue(connection, tenant=tenant, limits_s=made.fit.p99s_s, limit=limit)
    now = datetime.now(UTC)
    return tuple(Overdue(order=each, spent_s=(now - each.since).total_seconds()) for each in found)


async def find_forecast(services: Services, *, tenant: str, order_id: str) -> Forecast | None:
    """What `_forecast.html` shows as `forecast`; None: this tenant has no such order."""
    async with reading(services.pool) as connection:
        order = await read_standing(connection, tenant=tenant, order_id=order_id)
    if order is None:
        return None
    made = await services.fits.of(tenant, STATUS)
    now = datetime.now(UTC)
    outlook = made.fit.outlook(order, now_s=now.timestamp())
    arrival = outlook.arrival
    likeliest_first = sorted(outlook.endings.items(), key=lambda ending: -ending[1])
    return Forecast(
        status=order.status,
        spent_s=outlook.spent_s,
        p99_s=outlook.p99_s,
        is_overdue=outlook.is_overdue,
        p50=None if arrival is None else now + timedelta(seconds=arrival.p50_s),
        p90=None if arrival is None else now + timedelta(seconds=arrival.p90_s),
        sample_size=0 if arrival is None else arrival.sample_size,
        endings=tuple((ending, percent(share)) for ending, share in likeliest_first),
    )


def percent(share: float) -> str:
    """`98.6 %`; what is not quite nothing or all is not called so."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{share:.0%}".replace("%", " %") if share in (0, 1) else f"{share * 100:.1f} %"


@router.get("/console/analytics")
async def get_analytics(
    request: Request,
    session: SignedIn,
    machine: Annotated[str, Query(max_length=64)] = STATUS,
    source: Annotated[str, Query(max_length=64)] = "all",
) -> Response:
    """What is no choice of ours is not chosen."""
    services, tenant = services_of(request), session.tenant
    chosen = machine if machine in MACHINES else STATUS
    whose: Source = next((one for one in SOURCES if one == source), "all")
    made = await services.fits.of(tenant, chosen, whose)
    return console_page(
        session,
        "analytics.html",
        here="analytics",
        machines=MACHINES,
        chosen=chosen,
        sources=SOURCES,
        whose=whose,
        made=made,
        sample=made.fit.sample,
        matrix=matrix_view(made.fit),
        funnel=funnel_view(made.fit.funnel),
        overdue=await find_overdue(services, tenant=tenant),
        most_shown=MOST_OVERDUE,
    )


def _cells(state: str, row: Row, states: Sequence[str]) -> tuple[Cell, ...]:
    shares = row.probabilities(state)
    counts = {after: leavers.count for after, leavers in row.to.items()}
    return tuple(
        _cell(
            shares.get(after, 0.0),
            count=row.ended or row.still if after == state else counts.get(after),
            stays=after == state and after in shares,
        )
        for after in states
    )


def _ending_cells(ends: Endings, endings: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(_cell(ends.get(ending, 0.0), count=None, stays=False) for ending in endings)


def _cell(share: float, *, count: int | None, stays: bool) -> Cell:
    return Cell(
        share=percent(share),
        heat=math.ceil(share * HEATS - 1e-9),
        count=count if share > 0 else None,
        stays=stays,
    )
