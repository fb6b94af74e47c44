"""The buyer has his order, and says what he thinks of it."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import ORDERS_WRITE
from adapters.postgres.receipts import store_receipt, store_review
from api.asking import Ask, answer_now, read_ask, store_once, tell
from api.auth import Writer
from api.headers import IdempotencyKey
from api.models import ReceiptBody, ReviewBody
from api.openapi import make_router, operation, order

router = make_router("receipts")


@router.post(
    "/orders/{order_id}/confirm-receipt",
    summary="Say that the order arrived",
    **operation(
        {200: order("completed")},
        scope=ORDERS_WRITE,
        body=ReceiptBody,
        body_needed=False,
        has_key=True,
        is_move=True,
    ),
)
async def confirm_receipt(
    request: Request, caller: Writer, key: IdempotencyKey, order_id: str
) -> Response:
    """Completes it, whatever its carrier said so far."""
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move="confirm-receipt",
        model=ReceiptBody,
        body_needed=False,
    )
    return await answer_now(ask, is_replay=await note_receipt(ask))


async def note_receipt(ask: Ask[ReceiptBody]) -> bool:
    """Whether it was said before."""
    asked = ask.request("receipt")
    store = partial(
        store_receipt, order_id=ask.order_id, return_window_s=ask.return_window_s, request=asked
    )
    once = await store_once(ask, asked.id, store)
    if not once.is_replay:
        await tell(ask, asked)
    return once.is_replay


@router.post(
    "/orders/{order_id}/review",
    summary="Say what the buyer thinks of it",
    **operation(
        {200: order("reviewed")},
        scope=ORDERS_WRITE,
        body=ReviewBody,
        has_key=True,
        is_move=True,
    ),
)
async def review_order(
    request: Request, caller: Writer, key: IdempotencyKey, order_id: str
) -> Response:
    """Once, after it is completed."""
    ask = await read_ask(
        request, caller, key=key, order_id=order_id, move="review", model=ReviewBody
    )
    return await answer_now(ask, is_replay=await note_review(ask))


async def note_review(ask: Ask[ReviewBody]) -> bool:
    """Whether it was said before."""
    store = partial(
        store_review,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        rating=ask.body.rating,
        comment=ask.body.comment,
    )
    once = await store_once(ask, ask.order_id, store)
    return once.is_replay
