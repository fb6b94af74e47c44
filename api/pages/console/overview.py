"""The console's first page: what goes on right now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres import console
from adapters.postgres.console import SLICE_S, WINDOW_S, Slice, Waiting
from adapters.postgres.outbox import Backlog, read_backlog
from adapters.postgres.pool import reading
from api.pages.analytics import find_overdue
from api.pages.console.session import SignedIn
from api.pages.console.shell import console_page
from api.services import services_of
from ordersaga.lifecycle import Status

router = APIRouter(include_in_schema=False)

MINUTE_S: Final = 60
SPARK_WIDTH: Final = 600
SPARK_HEIGHT: Final = 80
MOST_PARKED: Final = 100
MOST_OVERDUE: Final = 5


@dataclass(frozen=True)
class Figures:
    """What the shop does. Rates are orders a second, of the last minute."""

    placed_per_s: float
    decided_per_s: float
    placed: int  # within `WINDOW_S`
    undecided: int  # of those
    spark: str
    area: str
    peak_per_s: float
    states: dict[str, int]
    attention: int
    waiting: tuple[Waiting, ...]
    backlog: tuple[Backlog, ...]
    failing: tuple[console.FailingEndpoint, ...]
    parked: int

    @property
    def in_flight(self) -> int:
        """Orders that the saga is at: neither decided and kept, nor wholly undone."""
        return self.states[Status.PENDING] + self.states[Status.COMPENSATING]

    @property
    def lag_s(self) -> float:
        return max((each.oldest_s for each in self.backlog if each.waiting), default=0.0)

    @property
    def to_tell(self) -> int:
        """Events that some sink has not heard, and webhooks that have not arrived."""
        events = max((each.waiting for each in self.backlog), default=0)
        return events + sum(each.pending for each in self.failing)

    @property
    def endpoints_failing(self) -> int:
        return sum(each.failing_since is not None for each in self.failing)


@router.get("/console")
async def get_overview(request: Request, session: SignedIn) -> Response:
    services, tenant = services_of(request), session.tenant
    async with reading(services.pool) as connection:
        slices = await console.placed_lately(connection, tenant=tenant)
        line = _line(slices)
        figures = Figures(
            placed_per_s=_per_s([each.placed for each in slices]),
            decided_per_s=_per_s([each.decided for each in slices]),
            placed=sum(each.placed for each in slices),
            undecided=sum(each.placed - each.decided for each in slices),
            spark=line,
            area=f"0,{SPARK_HEIGHT} {line} {SPARK_WIDTH},{SPARK_HEIGHT}",
            peak_per_s=max(each.placed for each in slices) / SLICE_S,
            states=await console.count_in_states(connection, tenant=tenant),
            attention=await console.count_in_attention(connection, tenant=tenant),
            waiting=await console.oldest_waiting(connection, tenant=tenant),
            backlog=await read_backlog(connection),
            failing=await console.failing_endpoints(connection, tenant=tenant),
            parked=len(await console.list_parked(connection, tenant=tenant, limit=MOST_PARKED)),
        )
    return console_page(
        session,
        "overview.html",
        here="overview",
        figures=figures,
        overdue=await find_overdue(services, tenant=tenant, limit=MOST_OVERDUE),
        window_min=WINDOW_S // MINUTE_S,
        width=SPARK_WIDTH,
        height=SPARK_HEIGHT,
    )


def _per_s(counts: Sequence[int]) -> float:
    """Of the last minute: the newest slice is not over, so the one before the first counts in its place."""
    slices = MINUTE_S // SLICE_S
    return sum(counts[-slices - 1 : -1]) / MINUTE_S


def _line(slices: Sequence[Slice]) -> str:
    """Points of an SVG's polyline; without the newest slice, which still grows."""
    whole = slices[:-1]
    peak = max(1, *(each.placed for each in whole))
    step = SPARK_WIDTH / (len(whole) - 1)
    room = SPARK_HEIGHT - 4  # for the line's own width
    return " ".join(
        f"{i * step:.1f},{SPARK_HEIGHT - 2 - each.placed / peak * room:.1f}"
        for i, each in enumerate(whole)
    )
