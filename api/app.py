"""The HTTP API: routes, what they work with, and how every refusal is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

import asyncpg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from adapters import temporal
from adapters.postgres.changes import OrderChanges
from adapters.postgres.idempotency import IdempotencyMismatch, RequestInFlight
from adapters.postgres.limits import OpenOrders, TooManyOpenOrders
from adapters.postgres.pool import connect_pool
from adapters.temporal import OrderWorkflows
from api import openapi, problems
from api.auth import KnownKeys
from api.edge import Edge
from api.fits import Fits
from api.limits import LinkLimits, RefusalLimits, RequestLimits, settle_forever
from api.live import Hub
from api.pages import site, track
from api.pages.console.routes import ROUTERS as CONSOLE
from api.pages.console.session import SignedOut, to_login
from api.problems import FieldError, Problem, to_pointer
from api.routes import (
    accounts,
    analytics,
    health,
    holds,
    orders,
    parcels,
    receipts,
    refunds,
    requests,
    returns,
    stock,
    streams,
    webhook_deliveries,
    webhook_endpoints,
    webhooks,
)
from api.services import Services
from ordersaga.config import Settings
from ordersaga.errors import BadBody, BadSignature, IllegalMove, Unavailable
from ordersaga.lifecycle import RETURN
from ordersaga.links import TrackLinks

log = structlog.get_logger(__name__)

APPLICATION_NAME: Final = "ordersaga-api"
SIGNATURE_CHALLENGE: Final = {"WWW-Authenticate": "Signature"}  # HTTP wants one with every 401

DESCRIPTION: Final = """Orders as durable sagas: all of it happens, or none of it remains.

Money is integer minor units of an ISO 4217 currency; times are RFC 3339 in UTC. Every POST takes an
`Idempotency-Key`: the same key and body again give the same thing, once. Every refusal is a problem
of RFC 9457 with a stable `code`."""


def create_app(settings: Settings, workflows: OrderWorkflows | None = None) -> FastAPI:
    """An application that connects when it starts and disconnects when it stops.

    `workflows`: by whose connection it reaches them; its own, where none is given.
    """
    app = FastAPIOffline(
        title="ordersaga",
        version="1",
        description=DESCRIPTION,
        lifespan=_lifespan(settings, workflows),
        redirect_slashes=False,
        redoc_url=None,
    )
    for router in (
        orders.router,
        streams.router,
        requests.router,
        holds.router,
        parcels.router,
        receipts.router,
        returns.router,
        refunds.router,
        stock.router,
        accounts.router,
        analytics.router,
        webhook_endpoints.router,
        webhook_deliveries.router,
        webhooks.router,
        health.router,
        site.router,
        track.router,
        *CONSOLE,
    ):
        app.router.routes.extend(router.routes)  # flat, so that a route knows its whole path
    app.add_middleware(Edge)
    for kind in _REFUSALS:
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(SignedOut, to_login)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    return app


def _lifespan(
    settings: Settings, workflows: OrderWorkflows | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, workflows) as services:
            app.state.services = services
            yield

    return lifespan


@asynccontextmanager
async def open_services(
    settings: Settings, workflows: OrderWorkflows | None
) -> AsyncIterator[Services]:
    """Connections of one process. Temporal may be away; PostgreSQL may not."""
    pool = await connect_pool(
        settings.database_url,
        size=settings.database_pool_size,
        application_name=APPLICATION_NAME,
    )
    changes = OrderChanges(settings.database_url, application_name=APPLICATION_NAME)
    known_keys, request_limits = KnownKeys(pool), RequestLimits(pool, settings)
    live, fits = Hub(pool, settings, known_keys), Fits(pool)
    changes.tell(live)
    beside = [
        asyncio.create_task(changes.listen()),
        asyncio.create_task(settle_forever(request_limits, known_keys)),
        asyncio.create_task(live.run()),
    ]
    try:
        yield Services(
            settings=settings,
            pool=pool,
            changes=changes,
            workflows=workflows or await temporal.reach(settings),
            known_keys=known_keys,
            requests=request_limits,
            refusals=RefusalLimits(settings),
            open_orders=OpenOrders(),
            live=live,
            links=LinkLimits(settings),
            track_links=TrackLinks.of(settings),
            fits=fits,
        )
    finally:
        for task in beside:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await fits.close()
        await pool.close()


async def _refuse(request: Request, error: Exception) -> Response:
    problem = _to_problem(error)
    if problem.kind.code == "method_not_allowed":
        problem.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return site.refusal(problem) if site.is_page(request) else problems.answer(problem)


def _methods_of(request: Request) -> set[str]:
    """All that this path takes: the router itself names those of one route only."""
    routes: list[BaseRoute] = request.app.routes
    return {
        method
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
        for method in route.methods or ()
    }


def _to_problem(error: Exception) -> Problem:
    """What was raised in a request, in the API's words."""
    match error:
        case Problem():
            return error
        case RequestValidationError():  # of what FastAPI itself reads: queries
            return problems.invalid(
                *(FieldError(to_pointer(fault["loc"]), fault["msg"]) for fault in error.errors())
            )
        case HTTPException():  # of the router
            return problems.of_status(error.status_code)
        case IllegalMove():
            what = "a return" if error.machine == RETURN else "an order"
            detail = f"{what} that is {error.state} takes no {error.move} now"
            return Problem("illegal_move", detail, allowed=error.allowed)
        case RequestInFlight():
            return Problem("request_in_flight", "one with this Idempotency-Key is not done yet")
        case IdempotencyMismatch():
            return Problem("idempotency_mismatch", "it came with another body before")
        case TooManyOpenOrders():
            return Problem("too_many_open_orders", "some have to end before there are more")
        case BadSignature():
            return Problem("bad_signature", str(error), headers=SIGNATURE_CHALLENGE)
        case BadBody():
            return Problem("malformed_request", str(error))
        case Unavailable():
            log.warning("request.unavailable", error=str(error))
            return Problem("unavailable", "try again in a moment: nothing is half done")
    # The last net: what PostgreSQL cannot store should have been refused by name before.
    log.error("request.unstorable", error=type(error).__name__)
    return Problem("invalid_request", "the request has a value that cannot be stored")


_REFUSALS: Final = (
    Problem,
    RequestValidationError,
    HTTPException,
    IllegalMove,
    RequestInFlight,
    IdempotencyMismatch,
    TooManyOpenOrders,
    BadSignature,
    BadBody,
    Unavailable,
    asyncpg.DataError,
)
