"""What somebody asks of an order: stored, delivered to its workflow, answered when it is done."""

from __future__ import annotations

from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS, ORDERS_WRITE
from adapters.postgres.changes import Watch
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.orders import StoredOrder
from adapters.postgres.pool import reading, transaction
from adapters.postgres.requests import (
    NotInAttention,
    Terms,
    mark_delivered,
    read_answer,
    read_terms,
    store_attention,
    store_cancel,
    store_payments,
)
from api.auth import Operator, Writer
from api.bodies import parse_body, read_body
from api.checks import plan_payments
from api.headers import IdempotencyKey, Preferred
from api.models import AttentionBody, CancelBody, PayBody
from api.openapi import make_router, operation
from api.problems import FieldError, Problem, invalid
from api.rendering import json_response, render_order
from api.routes.orders import order_id_of
from api.services import Services, services_of
from api.views import OrderView
from api.waiting import (
    Patience,
    find_order,
    is_settled,
    no_such_order,
    wait_until_answered,
    wait_until_settled,
)
from ordersaga import keys
from ordersaga.errors import EngineUnavailable
from ordersaga.lifecycle import FINAL, Status, allowed_requests
from ordersaga.order import OrderRequest

log = structlog.get_logger(__name__)
router = make_router("requests")


@router.post(
    "/orders/{order_id}/cancel",
    summary="Cancel an order",
    **operation(
        {200: OrderView, 202: OrderView},
        scope=ORDERS_WRITE,
        body=CancelBody,
        body_needed=False,
        has_key=True,
        refusals=["not_found", "illegal_move", "cancel_refused"],
    ),
)
async def cancel_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: it is canceled and all is given back. 202: that takes longer; look at the order later.

    409 `cancel_refused`: it was asked, and the carrier had the parcel already.
    """
    services = services_of(request)
    patience = Patience.of(preference.wait_s)
    raw = await read_body(request)
    body = parse_body(CancelBody, raw or b"{}")
    terms = await _terms(services, caller.tenant, order_id_of(order_id))
    asked = OrderRequest(id=keys.new_id("req"), kind="cancel", requested_by=caller.id)
    claim = _claim(caller.tenant, key, raw, order_id, asked)
    async with services.changes.watch(order_id) as watch:
        async with transaction(services.pool) as connection:
            earlier = await claim_key(connection, claim)
            if earlier is None:
                await store_cancel(
                    connection,
                    order_id=order_id,
                    total=terms.total,
                    request=asked,
                    reason=body.reason,
                )
        if earlier is None:
            await _deliver(services, order_id, asked)
        order, answer = await wait_until_answered(
            services,
            watch,
            patience,
            tenant=caller.tenant,
            order_id=order_id,
            request_id=earlier or asked.id,
        )
    if answer == "refused":
        raise Problem("cancel_refused", "the parcel cannot be called back", allowed=_allowed(order))
    is_done = answer == "accepted" and order.status in FINAL
    return _moved(services, order, is_done=is_done, is_replay=earlier is not None)


@router.post(
    "/orders/{order_id}/pay",
    summary="Pay an order that was placed without payments",
    **operation(
        {200: OrderView, 202: OrderView},
        scope=ORDERS_WRITE,
        body=PayBody,
        has_key=True,
        refusals=["not_found", "illegal_move"],
    ),
)
async def pay_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order is decided, or waits for its payer. 202: not yet; look at it later."""
    services = services_of(request)
    patience = Patience.of(preference.wait_s)
    raw = await read_body(request)
    body = parse_body(PayBody, raw)
    terms = await _terms(services, caller.tenant, order_id_of(order_id))
    payments = plan_payments(body.payments, total=terms.total, currency=terms.currency)
    asked = OrderRequest(
        id=keys.new_id("req"),
        kind="pay",
        requested_by=caller.id,
        payments=tuple(payment.plan for payment in payments),
    )
    claim = _claim(caller.tenant, key, raw, order_id, asked)
    wait = partial(
        wait_until_settled, services, patience=patience, tenant=caller.tenant, order_id=order_id
    )
    async with services.changes.watch(order_id) as watch:
        async with transaction(services.pool) as connection:
            earlier = await claim_key(connection, claim)
            if earlier is None:
                await store_payments(
                    connection,
                    order_id=order_id,
                    total=terms.total,
                    request=asked,
                    payments=payments,
                )
        if earlier is None:
            await _deliver(services, order_id, asked)
            order = await wait(watch=watch)
        else:
            order = await find_order(services, tenant=caller.tenant, order_id=order_id)
            if not is_settled(order):
                order = await wait(watch=watch)
    return _moved(services, order, is_done=is_settled(order), is_replay=earlier is not None)


@router.post(
    "/orders/{order_id}/attention",
    summary="Answer for a step that keeps failing",
    **operation(
        {200: OrderView, 202: OrderView},
        scope=OPS,
        body=AttentionBody,
        has_key=True,
        refusals=["not_found", "illegal_move"],
    ),
)
async def answer_attention(
    request: Request, caller: Operator, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order goes on, or has ended. 202: not yet; look at it later.

    A skipped step is never tried again: the audit explains what it left behind with who and why.
    Skipping the parcel's cancel of a confirmed order refuses that cancel, and the order stands.
    """
    services = services_of(request)
    patience = Patience.of(preference.wait_s)
    raw = await read_body(request)
    body = parse_body(AttentionBody, raw)
    terms = await _terms(services, caller.tenant, order_id_of(order_id))
    asked = OrderRequest(
        id=keys.new_id("req"),
        kind="attention",
        requested_by=caller.id,
        step=body.step,
        action=body.action,
    )
    claim = _claim(caller.tenant, key, raw, order_id, asked)
    async with services.changes.watch(order_id) as watch:
        try:
            async with transaction(services.pool) as connection:
                earlier = await claim_key(connection, claim)
                if earlier is None:
                    await store_attention(
                        connection,
                        order_id=order_id,
                        total=terms.total,
                        request=asked,
                        note=body.note,
                    )
        except NotInAttention as error:
            raise invalid(FieldError("/step", f"{error.step} is the one in attention")) from error
        if earlier is None:
            await _deliver(services, order_id, asked)
        order, is_done = await _wait_until_relieved(
            services, watch, patience, caller.tenant, order_id, earlier or asked.id
        )
    return _moved(services, order, is_done=is_done, is_replay=earlier is not None)


async def _wait_until_relieved(
    services: Services,
    watch: Watch,
    patience: Patience,
    tenant: str,
    order_id: str,
    request_id: str,
) -> tuple[StoredOrder, bool]:
    """The order, and whether its workflow has heard and nothing fails or is being undone any more."""
    while True:
        async with reading(services.pool) as connection:
            is_heard = await read_answer(connection, request_id) is not None
        order = await find_order(services, tenant=tenant, order_id=order_id)
        is_relieved = order.attention is None and order.status != Status.COMPENSATING
        if (is_heard and is_relieved) or not patience.left_s:
            return order, is_heard and is_relieved
        await watch.next(patience.left_s)


def _claim(tenant: str, key: str, raw: bytes, order_id: str, asked: OrderRequest) -> Claim:
    return Claim(
        tenant=tenant,
        route=f"POST /v1/orders/{{id}}/{asked.kind} {order_id}",
        key=key,
        body_hash=hash_body(raw),
        resource=asked.id,
    )


async def _terms(services: Services, tenant: str, order_id: str) -> Terms:
    async with reading(services.pool) as connection:
        terms = await read_terms(connection, tenant=tenant, order_id=order_id)
    if terms is None:
        raise no_such_order()
    return terms


async def _deliver(services: Services, order_id: str, asked: OrderRequest) -> None:
    """The request stands whether this works or not: a sweep delivers it again."""
    try:
        delivered = await services.workflows.deliver(order_id, asked)
    except EngineUnavailable as error:
        log.warning("request.not_delivered", request_id=asked.id, error=str(error))
        return
    if delivered == "no_workflow":
        log.warning("request.not_delivered", request_id=asked.id, error="no workflow")
    else:
        async with transaction(services.pool) as connection:
            await mark_delivered(connection, asked.id)


def _moved(services: Services, order: StoredOrder, *, is_done: bool, is_replay: bool) -> Response:
    return json_response(
        render_order(order, workflow_pages=services.workflow_pages),
        status=200 if is_done else 202,
        headers={"Idempotency-Replayed": "true"} if is_replay else {},
    )


def _allowed(order: StoredOrder) -> tuple[str, ...]:
    return allowed_requests(
        status=order.status,
        has_payments=bool(order.payments),
        total=order.total,
        in_attention=order.attention is not None,
    )
