"""Orders: accepted, read, listed, and their history."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Final

import structlog
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from adapters.postgres.api_keys import ORDERS_READ, ORDERS_WRITE
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.orders import (
    LAST_ID,
    OrderFilter,
    StoredOrder,
    accept_order,
    launch_of,
    list_order_ids,
    read_events,
    read_orders,
)
from adapters.postgres.pool import reading, transaction
from api.auth import Reader, Writer
from api.bodies import parse_body, read_body
from api.checks import check_filter, check_order
from api.etags import is_known
from api.headers import IdempotencyKey, Preference, Preferred
from api.ids import ORDER_ID
from api.limits import caps_of
from api.models import MAX_PAGE, OrderBody, OrderFilterQuery, OrderListQuery
from api.openapi import NDJSON, make_router, operation, order
from api.problems import FieldError, invalid
from api.rendering import (
    json_response,
    may_open_page,
    order_path,
    order_response,
    render_event,
    render_order,
    to_json,
)
from api.services import Services, services_of
from api.views import EventList, OrderPage
from api.waiting import (
    Patience,
    find_order,
    is_settled,
    no_such_order,
    order_id_of,
    wait_until_settled,
)
from ordersaga.errors import EngineUnavailable
from ordersaga.order import NewOrder

log = structlog.get_logger(__name__)
router = make_router("orders")

PLACED_HEADERS: Final = ("Location", "Preference-Applied")
ACCEPT_ROUTE: Final = "POST /v1/orders"


@router.post(
    "/orders",
    status_code=201,
    summary="Place an order",
    **operation(
        {
            201: order("confirmed", "rejected", headers=PLACED_HEADERS),
            202: order("pending", headers=PLACED_HEADERS),
        },
        scope=ORDERS_WRITE,
        body=OrderBody,
        has_key=True,
        refusals=["too_many_open_orders"],
    ),
)
async def place_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred
) -> Response:
    """Answers once the order is decided, also when it is rejected: it exists and says why.

    Earlier, as it is by then, when `Prefer: wait` runs out, or when only somebody outside can move
    it: a payer (`payment_status` `requires_action`), or a buyer who has not said how to pay.
    Whatever was answered 2xx is decided in the end.
    """
    services = services_of(request)
    patience = Patience.of(preference.wait_s)
    raw = await read_body(request)
    order = check_order(
        parse_body(OrderBody, raw),
        tenant=caller.tenant,
        now=datetime.now(UTC),
        settings=services.settings,
    )
    claim = Claim(
        tenant=caller.tenant,
        route=ACCEPT_ROUTE,
        key=key,
        body_hash=hash_body(raw),
        resource=order.id,
    )
    async with services.changes.watch(order.id) as watch:
        async with transaction(services.pool) as connection:
            earlier = await claim_key(connection, claim)
            if earlier is None:
                await services.open_orders.admit(
                    connection,
                    tenant=caller.tenant,
                    key_id=caller.id,
                    caps=caps_of(caller, services.settings),
                )
                await accept_order(connection, order, key_id=caller.id)
        if earlier is None:
            await _start(services, order)
            stored = await wait_until_settled(
                services,
                watch,
                patience,
                tenant=caller.tenant,
                order_id=order.id,
                stops=order.hold is not None or (not order.payments and order.total > 0),
            )
            return _placed(services, stored, preference, is_replay=False)
    async with services.changes.watch(earlier) as watch:
        stored = await find_order(services, tenant=caller.tenant, order_id=earlier)
        if not is_settled(stored):
            stored = await wait_until_settled(
                services, watch, patience, tenant=caller.tenant, order_id=earlier, stops=True
            )
    return _placed(services, stored, preference, is_replay=True)


@router.get(
    "/orders",
    summary="List orders",
    **operation({200: OrderPage}, scope=ORDERS_READ, refusals=["invalid_request", "card_number"]),
)
async def list_orders(
    request: Request, caller: Reader, query: Annotated[OrderListQuery, Query()]
) -> Response:
    """Newest first. `next_cursor`, given back as `cursor`, is the next page."""
    services = services_of(request)
    shown = check_filter(query)
    before = LAST_ID if query.cursor is None else _read_cursor(query.cursor)
    async with reading(services.pool) as connection:
        ids = await list_order_ids(
            connection, tenant=caller.tenant, shown=shown, before=before, limit=query.limit + 1
        )
        page = ids[: query.limit]
        orders = await read_orders(connection, tenant=caller.tenant, order_ids=page)
    return json_response(
        {
            "orders": [
                render_order(order, services, has_page=may_open_page(caller)) for order in orders
            ],
            "next_cursor": _cursor(page[-1]) if len(ids) > len(page) else None,
        }
    )


@router.get(
    "/orders/export",  # before what takes any word for an id
    summary="Export orders",
    response_class=StreamingResponse,
    **operation(
        {200: order("confirmed", "rejected")},
        scope=ORDERS_READ,
        is_stream=True,
        refusals=["invalid_request", "card_number"],
    ),
)
async def export_orders(
    request: Request, caller: Reader, query: Annotated[OrderFilterQuery, Query()]
) -> Response:
    """All of them as JSON lines (NDJSON), one order a line, newest first, as each is when its turn comes.

    Those that are placed meanwhile are not among them. An export that breaks off has no end: its
    connection is cut.
    """
    services = services_of(request)
    shown = check_filter(query)
    first = await _read_page(services, caller.tenant, shown, before=LAST_ID)
    return StreamingResponse(
        _lines(services, caller.tenant, shown, first, has_page=may_open_page(caller)),
        headers={"Cache-Control": "no-store"},
        media_type=NDJSON,
    )


@router.get(
    "/orders/{order_id}",
    summary="One order",
    **operation(
        {200: order("confirmed")}, scope=ORDERS_READ, is_conditional=True, refusals=["not_found"]
    ),
)
async def get_order(request: Request, caller: Reader, order_id: str) -> Response:
    """As it is now. Its `ETag`, given back in `If-None-Match`, saves sending it again (304), and in
    `If-Match` makes sure that a move is of the order as you know it.
    """
    services = services_of(request)
    order = await find_order(services, tenant=caller.tenant, order_id=order_id_of(order_id))
    answer = order_response(order, services, has_page=may_open_page(caller))
    if is_known(answer.headers["etag"], request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers={"ETag": answer.headers["etag"]})
    return answer


@router.get(
    "/orders/{order_id}/events",
    summary="What happened to an order",
    **operation({200: EventList}, scope=ORDERS_READ, refusals=["not_found"]),
)
async def get_events(request: Request, caller: Reader, order_id: str) -> Response:
    """The whole history, oldest first; `sequence` counts from 1 without gaps."""
    services = services_of(request)
    async with reading(services.pool) as connection:
        events = await read_events(connection, tenant=caller.tenant, order_id=order_id_of(order_id))
    if not events:
        raise no_such_order()
    return json_response({"events": [render_event(event) for event in events]})


async def _read_page(
    services: Services, tenant: str, shown: OrderFilter, *, before: str
) -> tuple[StoredOrder, ...]:
    async with reading(services.pool) as connection:
        ids = await list_order_ids(
            connection, tenant=tenant, shown=shown, before=before, limit=MAX_PAGE
        )
        return await read_orders(connection, tenant=tenant, order_ids=ids)


async def _lines(
    services: Services,
    tenant: str,
    shown: OrderFilter,
    page: tuple[StoredOrder, ...],
    *,
    has_page: bool,
) -> AsyncIterator[bytes]:
    """A page at a time. None of PostgreSQL's connections is held while the caller reads."""
    while page:
        rendered = (render_order(order, services, has_page=has_page) for order in page)
        yield b"".join(to_json(order) + b"\n" for order in rendered)
        page = await _read_page(services, tenant, shown, before=page[-1].id)


async def _start(services: Services, order: NewOrder) -> None:
    """The order stands whether this works or not: a sweep starts what was not started."""
    try:
        launch = launch_of(order, services.settings)
        await services.workflows.start(launch, waiting=services.changes.waited_for)
    except EngineUnavailable as error:
        log.warning("order.not_started", order_id=order.id, error=str(error))


def _placed(
    services: Services, order: StoredOrder, preference: Preference, *, is_replay: bool
) -> Response:
    is_later = preference.respond_async and not (preference.wait_s and is_settled(order))
    headers = {"Location": order_path(order.id), "Preference-Applied": preference.applied}
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    status = 202 if is_later else 201
    return order_response(order, services, has_page=True, status=status, headers=headers)


def _cursor(order_id: str) -> str:
    return base64.urlsafe_b64encode(order_id.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        order_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        order_id = ""
    if ORDER_ID.fullmatch(order_id) is None:
        raise invalid(FieldError("/query/cursor", "is no cursor of ours"))
    return order_id
