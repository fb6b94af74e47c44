"""Analytics: how this tenant's orders move, when one of them arrives, and which are overdue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.analytics import read_overdue, read_standing
from adapters.postgres.api_keys import ORDERS_READ
from adapters.postgres.pool import reading
from api.analytics_models import (
    EstimateView,
    OverdueList,
    OverdueQuery,
    TransitionsQuery,
    TransitionsView,
)
from api.auth import Reader
from api.fits import DatedFit
from api.openapi import make_router, operation
from api.rendering import json_response
from api.services import Services, services_of
from api.waiting import no_such_order, order_id_of
from ordersaga.analytics.fit import Outlook, Sample, Standing
from ordersaga.lifecycle import STATUS

router = make_router("analytics")


@router.get(
    "/analytics/transitions",
    summary="How orders move",
    **operation({200: TransitionsView}, scope=ORDERS_READ, refusals=["invalid_request"]),
)
async def get_transitions(
    request: Request, caller: Reader, query: Annotated[TransitionsQuery, Query()]
) -> Response:
    """The transition matrix of a machine, made of your own newest orders and, for `status`, of those
    that you imported. Orders under way count for the moves that they have made."""
    made = await services_of(request).fits.of(caller.tenant, query.machine, query.source)
    fit, rows = made.fit, made.fit.matrix.rows
    return json_response(
        {
            "machine": fit.machine,
            **_origin(made),
            "states": list(rows),
            "counts": fit.matrix.counts,
            "ended": {state: row.ended for state, row in rows.items() if row.ended},
            "still": {state: row.still for state, row in rows.items() if row.still},
            "probabilities": fit.matrix.probabilities,
            "dwell": {state: row.dwell for state, row in rows.items() if row.dwell},
            "absorption": fit.absorption,
            "funnel": fit.funnel,
        }
    )


@router.get(
    "/analytics/overdue",
    summary="Overdue orders",
    **operation({200: OverdueList}, scope=ORDERS_READ, refusals=["invalid_request"]),
)
async def list_overdue(
    request: Request, caller: Reader, query: Annotated[OverdueQuery, Query()]
) -> Response:
    """Those that have been in their status for longer than 99 of 100 past orders were."""
    return json_response(
        await find_overdue(services_of(request), tenant=caller.tenant, limit=query.limit)
    )


@router.get(
    "/orders/{order_id}/estimate",
    summary="When an order arrives",
    **operation({200: EstimateView}, scope=ORDERS_READ, refusals=["not_found"]),
)
async def get_estimate(request: Request, caller: Reader, order_id: str) -> Response:
    """When it will be delivered, and how likely each ending is: as past orders went that had been where
    it is for as long."""
    services = services_of(request)
    return json_response(
        await estimate(services, tenant=caller.tenant, order_id=order_id_of(order_id))
    )


async def find_overdue(services: Services, *, tenant: str, limit: int) -> dict[str, object]:
    """As the API answers it."""
    made = await services.fits.of(tenant, STATUS)
    limits_s = made.fit.p99s_s
    async with reading(services.pool) as connection:
        orders = await read_overdue(connection, tenant=tenant, limits_s=limits_s, limit=limit)
    now = datetime.now(UTC)
    return {
        "orders": [
            {
                "order_id": order.id,
                "status": order.status,
                "since": order.since,
                "spent_s": (now - order.since).total_seconds(),
                "p99_s": order.limit_s,
            }
            for order in orders
        ],
        "limits_s": limits_s,
        **_origin(made),
    }


async def estimate(services: Services, *, tenant: str, order_id: str) -> dict[str, object]:
    """As the API answers it; a 404 where this tenant has no such order."""
    async with reading(services.pool) as connection:
        order = await read_standing(connection, tenant=tenant, order_id=order_id)
    if order is None:
        raise no_such_order()
    made = await services.fits.of(tenant, STATUS)
    now_s = datetime.now(UTC).timestamp()
    outlook = made.fit.outlook(order, now_s=now_s)
    return {
        "order_id": order_id,
        "status": order.status,
        "since": _moment(order.since_s),
        "spent_s": outlook.spent_s,
        "delivery": _delivery(outlook, now_s),
        "promised_at": _promise(order),
        "endings": outlook.endings,
        "overdue": outlook.is_overdue,
        "p99_s": outlook.p99_s,
        **_origin(made),
    }


def _delivery(outlook: Outlook, now_s: float) -> dict[str, object] | None:
    arrival = outlook.arrival
    if arrival is None:
        return None
    return {
        "p50": _moment(now_s + arrival.p50_s),
        "p90": _moment(now_s + arrival.p90_s),
        "sample_size": arrival.sample_size,
        "by_promise": arrival.by_promise,
    }


def _promise(order: Standing) -> datetime | None:
    return None if order.promised_at_s is None else _moment(order.promised_at_s)


def _origin(made: DatedFit) -> dict[str, object]:
    return {"fitted_at": made.fitted_at, "sample": _sample(made.fit.sample)}


def _sample(sample: Sample) -> dict[str, object]:
    oldest_s, newest_s = sample.oldest_at_s, sample.newest_at_s
    return {
        "orders": sample.orders,
        "own": sample.own,
        "imported": sample.imported,
        "oldest_at": None if oldest_s is None else _moment(oldest_s),
        "newest_at": None if newest_s is None else _moment(newest_s),
    }


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
