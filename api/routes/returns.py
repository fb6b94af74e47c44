"""Goods that come back after delivery: each return has a life of its own."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS, ORDERS_WRITE, ApiKey
from adapters.postgres.returns import (
    NewReturn,
    ReturnMissing,
    ReturnWindowOver,
    store_return,
    store_return_move,
)
from api.asking import Ask, answer_now, read_ask, store_once, try_to_tell
from api.auth import Seller, Writer
from api.checks import check_return_lines
from api.headers import IdempotencyKey
from api.ids import RETURN_ID
from api.models import ReturnBody, ReturnMoveBody
from api.openapi import Operation, make_router, operation, order
from api.problems import FieldError, Problem, invalid
from ordersaga import keys
from ordersaga.giving_back import TooMany

router = make_router("returns")


@router.post(
    "/orders/{order_id}/returns",
    status_code=201,
    summary="Ask to send goods back",
    **operation(
        {201: order("return_requested", headers=("Location",))},
        scope=ORDERS_WRITE,
        body=ReturnBody,
        has_key=True,
        is_move=True,
        refusals=["return_window_over"],
    ),
)
async def ask_for_return(
    request: Request, caller: Writer, key: IdempotencyKey, order_id: str
) -> Response:
    """The order, with its new return as the last of `returns`. Its `amount` is what it brings back.

    409 `return_window_over`: its goods could be sent back earlier.
    """
    ask = await read_ask(
        request, caller, key=key, order_id=order_id, move="returns", model=ReturnBody
    )
    return await answer_now(ask, is_replay=await begin_return(ask), status=201)


async def begin_return(ask: Ask[ReturnBody]) -> bool:
    """Whether it was asked before. Raises a problem where it is too late, or there are not so many."""
    lines = ask.body.lines
    wanted = None if lines is None else check_return_lines(lines)
    asked = NewReturn(id=keys.new_id("ret"), wanted=wanted, reason=ask.body.reason)
    store = partial(
        store_return,
        order_id=ask.order_id,
        return_window_s=ask.return_window_s,
        undo_retry_cap_s=ask.services.settings.undo_retry_cap_s,
        asked=asked,
    )
    try:
        once = await store_once(ask, asked.id, store)
    except ReturnWindowOver as late:
        detail = "it was delivered too long ago"
        raise Problem("return_window_over", detail, allowed=late.allowed) from None
    except TooMany as error:
        at = [line.sku for line in lines or ()].index(error.sku)
        detail = f"only {error.left} of it can be sent back"
        raise invalid(FieldError(f"/lines/{at}/quantity", detail)) from None
    if once.made is not None:
        await try_to_tell(ask.services.workflows.start_return(once.made), about=asked.id)
    return once.is_replay


def _move_as(example: str) -> Operation:
    return operation(
        {200: order(example)},
        scope=(ORDERS_WRITE, OPS),
        body=ReturnMoveBody,
        body_needed=False,
        has_key=True,
        is_move=True,
    )


@router.post(
    "/orders/{order_id}/returns/{return_id}/approve",
    summary="Let a buyer send goods back",
    **_move_as("return_approved"),
)
async def approve_return(
    request: Request, caller: Seller, key: IdempotencyKey, order_id: str, return_id: str
) -> Response:
    """Nothing goes back before they are received. `allowed` of a 409 is what the return takes."""
    return await _move(request, caller, key, order_id, return_id, "approve")


@router.post(
    "/orders/{order_id}/returns/{return_id}/decline",
    summary="Do not take goods back",
    **_move_as("return_declined"),
)
async def decline_return(
    request: Request, caller: Seller, key: IdempotencyKey, order_id: str, return_id: str
) -> Response:
    """Or nothing came. Its goods can be asked for again. `allowed` of a 409 is what the return takes."""
    return await _move(request, caller, key, order_id, return_id, "decline")


@router.post(
    "/orders/{order_id}/returns/{return_id}/receive",
    summary="Take goods back",
    **_move_as("return_received"),
)
async def receive_return(
    request: Request, caller: Seller, key: IdempotencyKey, order_id: str, return_id: str
) -> Response:
    """They can be sold again, and their money goes back to the payments it came from, newest first.

    `allowed` of a 409 is what the return takes.
    """
    return await _move(request, caller, key, order_id, return_id, "receive")


def no_such_return() -> Problem:
    """Whatever does not look like a return's id is none, either."""
    return Problem("not_found", "the order has no return of this id")


async def _move(
    request: Request, caller: ApiKey, key: str, order_id: str, return_id: str, word: str
) -> Response:
    if RETURN_ID.fullmatch(return_id) is None:
        raise no_such_return()
    ask = await read_ask(
        request,
        caller,
        key=key,
        order_id=order_id,
        move=f"returns/{return_id}/{word}",
        model=ReturnMoveBody,
        body_needed=False,
    )
    return await answer_return(ask, return_id, word)


async def answer_return(ask: Ask[ReturnMoveBody], return_id: str, word: str) -> Response:
    """`approve`, `decline` or `receive`: whoever says it for the seller."""
    store = partial(
        store_return_move, order_id=ask.order_id, return_id=return_id, asks=word, by=ask.by
    )
    try:
        once = await store_once(ask, return_id, store)
    except ReturnMissing:
        raise no_such_return() from None
    if once.made is not None:
        told = ask.services.workflows.tell_return(return_id, once.made)
        await try_to_tell(told, about=return_id)
    return await answer_now(ask, is_replay=once.is_replay)
