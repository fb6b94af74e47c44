"""What went to an endpoint, and sending it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres import webhook_endpoints as stored
from adapters.postgres.api_keys import OPS
from adapters.postgres.pool import reading
from adapters.postgres.webhook_endpoints import LAST_NUMBER, StoredDelivery
from api.auth import Operator
from api.bodies import parse_body, read_body
from api.endpoint_models import (
    DeliveryListQuery,
    DeliveryPage,
    DeliveryView,
    EndpointView,
    ReplayBody,
)
from api.endpoints import Change, answer_with_endpoint, find_endpoint, read_change, replayed
from api.headers import IdempotencyKey
from api.ids import EVENT_ID
from api.openapi import make_router, operation
from api.problems import Problem
from api.rendering import json_response
from api.services import services_of
from api.texts import check_text

router = make_router("webhook endpoints")


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    summary="What went to an endpoint",
    **operation(
        {200: DeliveryPage}, scope=OPS, refusals=["not_found", "invalid_request", "card_number"]
    ),
)
async def list_webhook_deliveries(
    request: Request,
    caller: Operator,
    endpoint_id: str,
    query: Annotated[DeliveryListQuery, Query()],
) -> Response:
    """Newest first; those that ended are kept for 30 days, unless it is set otherwise. `next_cursor`,
    given back as `cursor`, is the next page.
    """
    services = services_of(request)
    endpoint = await find_endpoint(services, caller, endpoint_id)
    if query.order_id is not None:
        check_text(query.order_id, "/query/order_id")
    async with reading(services.pool) as connection:
        found = await stored.list_deliveries(
            connection,
            endpoint.id,
            status=query.status,
            order_id=query.order_id,
            before=LAST_NUMBER if query.cursor is None else int(query.cursor),
            limit=query.limit + 1,
        )
    page = found[: query.limit]
    return json_response(
        {
            "deliveries": [_render_delivery(each) for each in page],
            "next_cursor": str(page[-1].number) if len(found) > len(page) else None,
        }
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/deliveries/{event_id}/replay",
    status_code=202,
    summary="Send an event again",
    **operation({202: DeliveryView}, scope=OPS, has_key=True, refusals=["not_found"]),
)
async def replay_webhook_delivery(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str, event_id: str
) -> Response:
    """At once, whatever came of it before, and with all of its tries before it. What else is on its way of
    its order comes after it.
    """
    change = await read_change(
        request,
        caller,
        key=key,
        endpoint_id=endpoint_id,
        move=replay_of(event_id),
    )
    earlier = await replay(change, event_id)
    return json_response(
        _render_delivery(await _find_delivery(change, event_id)),
        status=202,
        headers=replayed(earlier is not None),
    )


def replay_of(event_id: str) -> str:
    """The move's name, for `read_change`."""
    return f"deliveries/{{id}}/replay {event_id}"


async def replay(change: Change, event_id: str) -> str | None:
    """Whoever wants it sent again. None: now; else an equal request was first."""
    delivery = await _find_delivery(change, event_id)
    return await change.make(
        lambda connection: stored.replay(connection, change.endpoint.id, delivery)
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay",
    status_code=202,
    summary="Send again what was given up",
    **operation(
        {202: EndpointView}, scope=OPS, body=ReplayBody, has_key=True, refusals=["not_found"]
    ),
)
async def replay_failed_webhooks(
    request: Request, caller: Operator, key: IdempotencyKey, endpoint_id: str
) -> Response:
    """All that failed for good since then, each order's events in their order."""
    raw = await read_body(request)
    body = parse_body(ReplayBody, raw)
    change = await read_change(
        request, caller, key=key, endpoint_id=endpoint_id, move="replay", raw=raw
    )
    earlier = await change.make(
        lambda connection: stored.replay_failed(connection, change.endpoint.id, since=body.since)
    )
    return await answer_with_endpoint(change, caller, status=202, is_replay=earlier is not None)


async def _find_delivery(change: Change, event_id: str) -> StoredDelivery:
    no_such = Problem("not_found", "this event did not go there, or too long ago")
    if EVENT_ID.fullmatch(event_id) is None:
        raise no_such
    order_id, _, sequence = event_id.partition(":")
    async with reading(change.services.pool) as connection:
        found = await stored.read_delivery(
            connection, change.endpoint.id, order_id=order_id, sequence=int(sequence)
        )
    if found is None:
        raise no_such
    return found


def _render_delivery(delivery: StoredDelivery) -> dict[str, object]:
    return {
        "event_id": f"{delivery.order_id}:{delivery.sequence}",
        "order_id": delivery.order_id,
        "type": delivery.type,
        "status": delivery.status,
        "tries": delivery.tries,
        "created_at": delivery.created_at,
        "last_tried_at": delivery.last_tried_at,
        "next_try_at": delivery.next_try_at,
        "ended_at": delivery.ended_at,
        "http_status": delivery.http_status,
        "error": delivery.error,
        "excerpt": delivery.excerpt,
    }
