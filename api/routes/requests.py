"""What somebody asks of an order: stored, delivered to its workflow, answered when it is done."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS, ORDERS_WRITE
from adapters.postgres.changes import Watch
from adapters.postgres.moves import allowed_now
from adapters.postgres.orders import StoredOrder
from adapters.postgres.pool import reading
from adapters.postgres.requests import (
    ActionNotOffered,
    Answer,
    NotInAttention,
    read_answer,
    store_attention,
    store_cancel,
    store_payments,
)
from api.asking import Ask, answer_when_settled, answer_with, read_ask, store_once, tell
from api.auth import Operator, Writer
from api.checks import plan_payments
from api.headers import IdempotencyKey, Preferred
from api.models import AttentionBody, CancelBody, PayBody
from api.openapi import make_router, operation, order
from api.problems import FieldError, Problem, invalid
from api.waiting import (
    Patience,
    find_order,
    wait_until_answered,
)
from ordersaga.lifecycle import FINAL, Status

router = make_router("requests")


@router.post(
    "/orders/{order_id}/cancel",
    summary="Cancel an order",
    **operation(
        {200: order("canceled"), 202: order("compensating")},
        scope=ORDERS_WRITE,
        body=CancelBody,
        body_needed=False,
        has_key=True,
        is_move=True,
        refusals=["cancel_refused"],
    ),
)
async def cancel_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: it is canceled and all is given back. 202: that takes longer; look at the order later.

    409 `cancel_refused`: it was asked, and the carrier had the parcel already.
    """
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move="cancel",
        model=CancelBody,
        body_needed=False,
    )
    order, answer, is_replay = await cancel(ask, patience)
    if answer == "refused":
        allowed = allowed_now(order, return_window_s=ask.return_window_s)
        raise Problem("cancel_refused", "the parcel cannot be called back", allowed=allowed)
    is_done = answer == "accepted" and order.status in FINAL
    return answer_with(ask, order, is_replay=is_replay, status=200 if is_done else 202)


async def cancel(
    ask: Ask[CancelBody], patience: Patience
) -> tuple[StoredOrder, Answer | None, bool]:
    """The order and the answer when there is one, or as they are when patience ends; whether it was asked
    before."""
    asked = ask.request("cancel")
    store = partial(
        store_cancel,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        reason=ask.body.reason,
    )
    async with ask.services.changes.watch(ask.order_id) as watch:
        once = await store_once(ask, asked.id, store)
        if not once.is_replay:
            await tell(ask, asked)
        order, answer = await wait_until_answered(
            ask.services,
            watch,
            patience,
            tenant=ask.tenant,
            order_id=ask.order_id,
            request_id=once.earlier or asked.id,
        )
    return order, answer, once.is_replay


@router.post(
    "/orders/{order_id}/pay",
    summary="Pay an order that was placed without payments",
    **operation(
        {200: order("confirmed"), 202: order("pending")},
        scope=ORDERS_WRITE,
        body=PayBody,
        has_key=True,
        is_move=True,
    ),
)
async def pay_order(
    request: Request, caller: Writer, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order is decided, or waits for somebody outside. 202: not yet; look at it later."""
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(request, caller, key=key, order_id=order_id, move="pay", model=PayBody)
    payments = plan_payments(ask.body.payments, total=ask.terms.total, currency=ask.terms.currency)
    asked = replace(ask.request("pay"), payments=tuple(payment.plan for payment in payments))
    store = partial(
        store_payments,
        order_id=order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        payments=payments,
    )
    async with ask.services.changes.watch(order_id) as watch:
        once = await store_once(ask, asked.id, store)
        if not once.is_replay:
            await tell(ask, asked)
        return await answer_when_settled(ask, watch, patience, is_replay=once.is_replay)


@router.post(
    "/orders/{order_id}/attention",
    summary="Answer for a step that keeps failing",
    **operation(
        {200: order("confirmed"), 202: order("compensating")},
        scope=OPS,
        body=AttentionBody,
        has_key=True,
        is_move=True,
    ),
)
async def answer_attention(
    request: Request, caller: Operator, key: IdempotencyKey, preference: Preferred, order_id: str
) -> Response:
    """200: the order goes on, or has ended. 202: not yet; look at it later.

    A skipped step is never tried again: the audit explains what it left behind with who and why.
    Skipping the parcel's cancel of a confirmed order refuses that cancel, and the order stands.
    What a step takes is in its `actions`: a dispute, say, can only be skipped.
    """
    patience = Patience.of(preference.wait_s)
    ask = await read_ask(
        request, caller, key=key, order_id=order_id, move="attention", model=AttentionBody
    )
    return await attend(ask, patience)


async def attend(ask: Ask[AttentionBody], patience: Patience) -> Response:
    """Whoever answers for the step."""
    asked = replace(ask.request("attention"), step=ask.body.step, action=ask.body.action)
    store = partial(
        store_attention,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        request=asked,
        note=ask.body.note,
    )
    async with ask.services.changes.watch(ask.order_id) as watch:
        try:
            once = await store_once(ask, asked.id, store)
        except NotInAttention as error:
            raise invalid(FieldError("/step", f"{error.step} is the one in attention")) from error
        except ActionNotOffered as error:
            raise invalid(FieldError("/action", str(error))) from error
        if not once.is_replay:
            await tell(ask, asked, workflow_id=once.made)
        order, is_done = await _wait_until_relieved(ask, watch, patience, once.earlier or asked.id)
    return answer_with(ask, order, is_replay=once.is_replay, status=200 if is_done else 202)


async def _wait_until_relieved(
    ask: Ask[AttentionBody], watch: Watch, patience: Patience, request_id: str
) -> tuple[StoredOrder, bool]:
    """The order, and whether its workflow has heard and nothing fails or is being undone any more.

    Of an order that is over nobody may be left to hear.
    """
    while True:
        async with reading(ask.services.pool) as connection:
            is_heard = await read_answer(connection, request_id) is not None
        order = await find_order(ask.services, tenant=ask.tenant, order_id=ask.order_id)
        is_relieved = order.attention is None and order.status != Status.COMPENSATING
        is_done = is_relieved and (is_heard or order.status in FINAL)
        if is_done or not patience.left_s:
            return order, is_done
        await watch.next(patience.left_s)
