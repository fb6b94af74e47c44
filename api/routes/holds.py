"""An order that stops before its money is taken: until an operator or its merchant lets it go on."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS, ORDERS_WRITE
from adapters.postgres.holds import store_decline, store_hold, store_release
from api.asking import (
    Ask,
    Body,
    answer_now,
    answer_when_settled,
    answer_with,
    read_ask,
    store_once,
    tell,
)
from api.auth import Operator, Writer
from api.checks import hold_ends, merchants_hold
from api.headers import IdempotencyKey, Preferred
from api.models import AcceptBody, DeclineBody, HoldBody, ReleaseBody
from api.openapi import make_router, operation, order
from api.waiting import Patience, wait_until_final
from ordersaga.lifecycle import FINAL, OPERATOR_HOLDS
from ordersaga.order import Hold

router = make_router("holds")


@router.post(
    "/orders/{order_id}/hold",
    summary="Stop an order before its money is taken",
    **operation(
        {200: order("held")},
        scope=OPS,
        body=HoldBody,
        has_key=True,
        is_move=True,
    ),
)
async def hold_order(
    request: Request, caller: Operator, key: IdempotencyKey, order_id: str
) -> Response:
    """What it holds is kept until `hold.until`; then it is canceled, `hold_expired`."""
    ask = await read_ask(request, caller, key=key, order_id=order_id, move="hold", model=HoldBody)
    return await hold(ask)


async def hold(ask: Ask[HoldBody]) -> Response:
    """Whoever stops it."""
    asked = ask.request("hold")
    until = hold_ends(datetime.now(UTC), ask.services.settings)
    store = partial(
        store_hold,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        hold=Hold(OPERATOR_HOLDS, ask.body.reason, by=ask.by, until=until),
    )
    once = await store_once(ask, asked.id, store)
    if once.made is not None:
        await tell(ask, once.made)
    return await answer_now(ask, is_replay=once.is_replay)


@router.post(
    "/orders/{order_id}/release",
    summary="Let a held order go on",
    **operation(
        {200: order("confirmed"), 202: order("pending")},
        scope=OPS,
        body=ReleaseBody,
        body_needed=False,
        has_key=True,
        is_move=True,
    ),
)
async def release_order(
    request: Request, caller: Operator, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order is decided, or waits for somebody outside. 202: not yet; look at it later.

    Where merchants accept orders, one that a rule held waits for its merchant next.
    """
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move="release",
        model=ReleaseBody,
        body_needed=False,
    )
    return await let_go_on(ask, patience, ask.body.reason)


@router.post(
    "/orders/{order_id}/accept",
    summary="Take an order, as its merchant",
    **operation(
        {200: order("confirmed"), 202: order("pending")},
        scope=ORDERS_WRITE,
        body=AcceptBody,
        body_needed=False,
        has_key=True,
        is_move=True,
    ),
)
async def accept_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order is decided, or waits for somebody outside. 202: not yet; look at it later."""
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move="accept",
        model=AcceptBody,
        body_needed=False,
    )
    return await let_go_on(ask, patience, ask.body.reason)


@router.post(
    "/orders/{order_id}/decline",
    summary="Do not take an order, as its merchant",
    **operation(
        {200: order("rejected"), 202: order("compensating")},
        scope=ORDERS_WRITE,
        body=DeclineBody,
        body_needed=False,
        has_key=True,
        is_move=True,
    ),
)
async def decline_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: it is rejected, `declined_by_merchant`, and all is given back. 202: that takes longer."""
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move="decline",
        model=DeclineBody,
        body_needed=False,
    )
    return await decline(ask, patience)


async def decline(ask: Ask[DeclineBody], patience: Patience) -> Response:
    """Whoever says it for the merchant."""
    asked = ask.request("decline")
    store = partial(
        store_decline,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        reason=ask.body.reason,
    )
    async with ask.services.changes.watch(ask.order_id) as watch:
        once = await store_once(ask, asked.id, store)
        if not once.is_replay:
            await tell(ask, asked)
        order = await wait_until_final(
            ask.services, watch, patience, tenant=ask.tenant, order_id=ask.order_id
        )
    status = 200 if order.status in FINAL else 202
    return answer_with(ask, order, is_replay=once.is_replay, status=status)


async def let_go_on(ask: Ask[Body], patience: Patience, reason: str) -> Response:
    """A `release`, or its merchant's `accept`: whoever says it."""
    asked = ask.request("accept" if ask.move == "accept" else "release")
    store = partial(
        store_release,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        reason=reason,
        next_hold=merchants_hold(now=datetime.now(UTC), settings=ask.services.settings),
    )
    async with ask.services.changes.watch(ask.order_id) as watch:
        once = await store_once(ask, asked.id, store)
        if once.made is not None:
            await tell(ask, once.made)
        return await answer_when_settled(ask, watch, patience, is_replay=once.is_replay)
