"""Live: what happens to one order, or to all of a tenant, as it happens (server-sent events)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

import structlog
from fastapi import Header, Query
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.postgres.api_keys import ORDERS_READ, ApiKey
from adapters.postgres.pool import reading
from adapters.postgres.streams import find_bounds, find_version
from api.aborting import abort
from api.auth import Reader
from api.examples.streams import ORDER_STREAM, TENANT_STREAM
from api.following import follow_order, follow_tenant
from api.live import Hub, Visitor
from api.models import MAX_POSITION, StreamQuery
from api.openapi import make_router, operation
from api.problems import Problem
from api.services import Services, services_of
from api.waiting import no_such_order, order_id_of

log = structlog.get_logger(__name__)
router = make_router("streams")

SEND_TIMEOUT_S: Final = 10.0  # for who reads nothing any more, and whose buffers are full
CLOSING_S: Final = 1.0  # for each stream to end by itself when the process is told to stop
REFUSALS: Final = ("events_gone", "invalid_request", "too_many_streams", "streams_full")

LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=0,
        le=MAX_POSITION,
        description="the `id` of the last event that you have: all after it are sent. It counts "
        "more than `last_event_id`, which a browser repeats when it comes again.",
    ),
]


class LiveResponse(EventSourceResponse):
    """A stream that counts while it is open. Who does not read is cut off."""

    def __init__(self, events: AsyncIterator[bytes], *, hub: Hub, caller: ApiKey | Visitor) -> None:
        super().__init__(
            events,
            ping=0,  # the hub's heartbeats are among the events
            send_timeout=SEND_TIMEOUT_S,
            shutdown_event=hub.closing,
            shutdown_grace_period=CLOSING_S,
        )
        self._hub = hub
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            log.info("stream.not_read", caller=self._caller.id)
            if abort(scope):
                while (await receive())["type"] != "http.disconnect":
                    pass
        finally:
            self._hub.dismiss(self._caller)


@router.get(
    "/orders/{order_id}/stream",
    summary="One order, live",
    response_class=EventSourceResponse,
    **operation({}, scope=ORDERS_READ, live=ORDER_STREAM, refusals=["not_found", *REFUSALS]),
)
async def stream_order(
    request: Request,
    caller: Reader,
    order_id: str,
    query: Annotated[StreamQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """Its whole history first, or what came after `Last-Event-ID`; then each event as it happens.

    An event's `id` is its `sequence`. The stream has no end: a completed order may still have returns.
    After an hour without events it is closed.
    """
    services = services_of(request)
    known = _begin(last_event_id, query) or 0
    async with reading(services.pool) as connection:
        version = await find_version(
            connection, tenant=caller.tenant, order_id=order_id_of(order_id)
        )
    if version is None:
        raise no_such_order()
    if known > version:
        raise Problem("events_gone", "this order has no such event: begin anew")
    events = follow_order(services, order_id, known=known, key=_key_of(request))
    return _answer(services, caller, events)


@router.get(
    "/events/stream",
    summary="All orders, live",
    response_class=EventSourceResponse,
    **operation({}, scope=ORDERS_READ, live=TENANT_STREAM, refusals=REFUSALS),
)
async def stream_events(
    request: Request,
    caller: Reader,
    query: Annotated[StreamQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """What happens to any order from now on, or happened after `Last-Event-ID`.

    An event's `id` is its position among all events: it grows, with gaps. An `id` also comes without an
    event, at the beginning and with heartbeats: resume from the last one that came.
    """
    services = services_of(request)
    known = _begin(last_event_id, query)
    async with reading(services.pool) as connection:
        bounds = await find_bounds(connection, kept_s=services.settings.events_kept_s)
    if known is None:
        known = bounds.newest
    elif not bounds.lead_on_from(known):
        raise Problem("events_gone", "begin anew, without Last-Event-ID")
    events = follow_tenant(services, caller.tenant, known=known, key=_key_of(request))
    return _answer(services, caller, events)


def _answer(services: Services, caller: ApiKey, events: AsyncIterator[bytes]) -> Response:
    services.live.admit(caller)
    return LiveResponse(events, hub=services.live, caller=caller)


def _begin(header: int | None, query: StreamQuery) -> int | None:
    return query.last_event_id if header is None else header


def _key_of(request: Request) -> str:
    return request.headers["authorization"].partition(" ")[2].strip()
