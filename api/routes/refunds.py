"""Money that goes back without goods."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS
from adapters.postgres.give_backs import store_refund
from api.asking import Ask, answer_now, read_ask, store_once, try_to_tell
from api.auth import Operator
from api.checks import check_part
from api.headers import IdempotencyKey
from api.models import RefundBody
from api.openapi import make_router, operation, order
from api.problems import FieldError, Problem
from ordersaga import keys
from ordersaga.giving_back import TooMuch
from ordersaga.money import format_amount

router = make_router("refunds")


@router.post(
    "/orders/{order_id}/refunds",
    summary="Give money back without goods",
    **operation(
        {200: order("refunding")},
        scope=OPS,
        body=RefundBody,
        has_key=True,
        is_move=True,
        refusals=["refund_too_large"],
    ),
)
async def refund_order(
    request: Request, caller: Operator, key: IdempotencyKey, order_id: str
) -> Response:
    """To the order's payments, the newest first; `refunds` shows what is on its way, and what arrived.

    422 `refund_too_large` says what is left.
    """
    ask = await read_ask(
        request, caller, key=key, order_id=order_id, move="refunds", model=RefundBody
    )
    return await refund(ask)


async def refund(ask: Ask[RefundBody]) -> Response:
    """Whoever gives it back."""
    check_part(ask.body.amount, "/amount", currency=ask.terms.currency)
    request_id = keys.new_id("req")
    store = partial(
        store_refund,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        undo_retry_cap_s=ask.services.settings.undo_retry_cap_s,
        request_id=request_id,
        amount=ask.body.amount.amount,
        reason=ask.body.reason,
        by=ask.by,
    )
    try:
        once = await store_once(ask, request_id, store)
    except TooMuch as error:
        left = f"{format_amount(error.left, ask.terms.currency)} is left"
        errors = [FieldError("/amount/amount", left)]
        raise Problem("refund_too_large", left, errors=errors) from None
    if once.made is not None:
        await try_to_tell(ask.services.workflows.start_refund(once.made), about=request_id)
    return await answer_now(ask, is_replay=once.is_replay)
