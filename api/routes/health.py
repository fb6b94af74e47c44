"""Alive, ready, and in figures: for supervisors, load balancers and Prometheus. No key needed."""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres import outbox
from adapters.postgres.pool import reading
from api import metrics
from api.openapi import make_router, operation
from api.rendering import json_response
from api.services import Services, services_of
from api.views import HealthView, ReadinessView
from ordersaga.errors import DatabaseUnavailable

router = make_router("health", prefix="")


@router.get("/healthz", summary="Alive", **operation({200: HealthView}))
async def get_health() -> Response:
    """This process answers."""
    return json_response({"status": "ok"})


@router.get("/readyz", summary="Ready", **operation({200: ReadinessView, 503: ReadinessView}))
async def get_readiness(request: Request) -> Response:
    """PostgreSQL and Temporal can be reached. (Orders are accepted also without Temporal.)"""
    services = services_of(request)
    postgres, temporal = await asyncio.gather(
        _reach_postgres(services), services.workflows.reachable()
    )
    ready = postgres and temporal
    return json_response(
        {
            "status": "ok" if ready else "unavailable",
            "postgres": postgres,
            "temporal": temporal,
        },
        status=200 if ready else 503,
    )


async def _reach_postgres(services: Services) -> bool:
    try:
        async with reading(services.pool) as connection:
            await connection.fetchval("select 1")
    except DatabaseUnavailable:
        return False
    return True


@router.get("/metrics", include_in_schema=False)
async def get_metrics(request: Request) -> Response:
    """This process' requests, and the relay's backlog, in Prometheus' text format."""
    try:
        async with reading(services_of(request).pool) as connection:
            backlogs = await outbox.read_backlog(connection)
    except DatabaseUnavailable:
        backlogs = None
    return Response(metrics.to_text(backlogs), media_type=CONTENT_TYPE_LATEST)
