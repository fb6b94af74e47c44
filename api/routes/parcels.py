"""Where an order's parcel is, and that its merchant has handed it over."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import ORDERS_READ, ORDERS_WRITE
from adapters.postgres.pool import reading
from adapters.postgres.shipping import TrackingNumberTaken, read_tracking, store_shipped
from api.asking import Ask, answer_now, read_ask, store_once
from api.auth import Reader, Writer
from api.headers import IdempotencyKey
from api.models import ShipBody
from api.openapi import make_router, operation, order
from api.problems import Problem
from api.rendering import json_response
from api.services import services_of
from api.views import TrackingView
from api.waiting import no_such_order, order_id_of

router = make_router("parcels")


@router.get(
    "/orders/{order_id}/tracking",
    summary="Where an order's parcel was seen",
    **operation({200: TrackingView}, scope=ORDERS_READ, refusals=["not_found"]),
)
async def get_tracking(request: Request, caller: Reader, order_id: str) -> Response:
    """All that its carrier said, oldest first by the carrier's own clock."""
    services = services_of(request)
    async with reading(services.pool) as connection:
        sightings = await read_tracking(
            connection, tenant=caller.tenant, order_id=order_id_of(order_id)
        )
    if sightings is None:
        raise no_such_order()
    return json_response({"events": sightings})


@router.post(
    "/orders/{order_id}/ship",
    summary="Hand the merchant's own parcel over",
    **operation(
        {200: order("shipped")},
        scope=ORDERS_WRITE,
        body=ShipBody,
        has_key=True,
        is_move=True,
        refusals=["tracking_number_taken"],
    ),
)
async def ship_order(
    request: Request, caller: Writer, key: IdempotencyKey, order_id: str
) -> Response:
    """Whoever brings it says how far it is by its tracking number, also what he said before this.

    409 `tracking_number_taken`: another parcel has it.
    """
    ask = await read_ask(request, caller, key=key, order_id=order_id, move="ship", model=ShipBody)
    return await ship(ask)


async def ship(ask: Ask[ShipBody]) -> Response:
    """Whoever says it for the merchant."""
    store = partial(
        store_shipped,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        tracking_number=ask.body.tracking_number,
        by=ask.by,
    )
    try:
        once = await store_once(ask, ask.order_id, store)
    except TrackingNumberTaken:
        raise Problem("tracking_number_taken", "look at the label again") from None
    return await answer_now(ask, is_replay=once.is_replay)
