"""Goods that come back after delivery: asked for, approved, received, declined.

What a return brings back is quoted when it is asked for, and settled when its goods are here. Rules:
`ordersaga.giving_back`. The order's lock decides between two returns of the same units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from adapters.postgres import fence, refunds, stock
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.moves import (
    NOT_HERE,
    Moving,
    allowed_now,
    bought_lines,
    check_allowed,
    is_too_late_to_return,
    lock_and_show,
)
from adapters.postgres.orders import StoredOrder, StoredReturn
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.errors import IllegalMove, OrdersagaError
from ordersaga.giving_back import ReturnedLine, all_that_is_left, is_last_of_order, take_back
from ordersaga.history import RETURN_REQUESTED, Happening
from ordersaga.lifecycle import RETURN, RETURN_REQUESTS, ReturnStatus, allowed_return_requests
from ordersaga.order import GiveBackTicket, Vote

_sql = load_queries("returns")

RECEIVE: Final = "receive"


class ReturnMissing(OrdersagaError):
    """The order has no such return."""


class ReturnWindowOver(OrdersagaError):
    """Its goods could be sent back earlier. `allowed`: the requests that the order takes now."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__("the return window is over")
        self.allowed = allowed


@dataclass(frozen=True, kw_only=True)
class NewReturn:
    """What a buyer wants to send back, and why. `wanted`: units by SKU; None: all that he has."""

    id: str
    wanted: Mapping[str, int] | None
    reason: str


async def store_return(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    undo_retry_cap_s: int,
    asked: NewReturn,
) -> GiveBackTicket:
    """Stores a return; its buyer's own words stay in its table. Returns what its workflow is started with.

    Raises `IllegalMove`, `ReturnWindowOver`, and `ordersaga.giving_back.TooMany`.
    """
    moving = await lock_and_show(connection, order_id)
    shown = moving.shown
    if is_too_late_to_return(shown, return_window_s=return_window_s):
        raise ReturnWindowOver(allowed_now(shown, return_window_s=return_window_s))
    check_allowed(shown, asks="returns", return_window_s=return_window_s)
    bought = bought_lines(shown)
    lines = take_back(bought, all_that_is_left(bought) if asked.wanted is None else asked.wanted)
    amount = _worth(moving, lines, is_last=is_last_of_order(bought, lines))
    await _sql.add_return(
        connection,
        return_id=asked.id,
        order_id=order_id,
        status=ReturnStatus.REQUESTED,
        reason=asked.reason,
        amount=amount,
        lines=[line.number for line in lines],
        quantities=[line.quantity for line in lines],
        amounts=[line.amount for line in lines],
    )
    listed: list[JsonValue] = [
        {"sku": sku, "quantity": quantity} for sku, quantity in _units(shown, lines).items()
    ]
    requested = Happening.of(RETURN_REQUESTED, return_id=asked.id, amount=amount, lines=listed)
    await record(connection, moving.order, requested)
    return GiveBackTicket(
        order_id=order_id,
        currency=shown.currency,
        amount=amount,
        undo_retry_cap_s=undo_retry_cap_s,
        return_id=asked.id,
    )


async def store_return_move(
    connection: Connection, *, order_id: str, return_id: str, asks: str, by: str
) -> str:
    """The seller's word on a return: `approve`, `decline`, or `receive`, which brings its goods back to
    the shelf and says what goes back of which payment. Returns the return's status after it.

    Raises `ReturnMissing`, and `IllegalMove` with what the return would take.
    """
    moving = await lock_and_show(connection, order_id)
    return_ = next((r for r in moving.shown.returns if r.id == return_id), None)
    if return_ is None:
        raise ReturnMissing(return_id)
    allowed = allowed_return_requests(moving.shown.status, return_.status)
    if asks not in allowed:
        raise IllegalMove(machine=RETURN, state=return_.status, move=asks, allowed=allowed)
    if asks == RECEIVE:
        order = await _receive(connection, moving, return_, by)
    else:
        moved = Happening.of(RETURN_REQUESTS[asks], return_id=return_id, by=by)
        order = await record(connection, moving.order, moved)
    return order.state.return_(return_id).status


async def _receive(
    connection: Connection, moving: Moving, return_: StoredReturn, by: str
) -> LockedOrder:
    order, step = moving.order, keys.restock_step(return_.id)
    lines = [ReturnedLine(line.line, line.quantity, line.amount) for line in return_.lines]
    is_last = is_last_of_order(bought_lines(moving.shown, without=NOT_HERE), lines)
    amount = _worth(moving, lines, is_last=is_last)
    await fence.begin_holds(connection, order.id, [step])
    restocked = await stock.restock_units(connection, order, _units(moving.shown, lines))
    await refunds.allocate(connection, order, amount=amount, cause="return", return_id=return_.id)
    await _sql.set_amount(connection, return_id=return_.id, amount=amount)
    await fence.store_votes(connection, order.id, "hold", [Vote.yes(step)])
    received = Happening.of(RETURN_REQUESTS[RECEIVE], return_id=return_.id, amount=amount, by=by)
    return await record(connection, order, received, restocked)


def _worth(moving: Moving, lines: Sequence[ReturnedLine], *, is_last: bool) -> int:
    """What these units bring back: the fee with the last ones, and never more than what is left."""
    fee = moving.shown.shipping_fee if is_last else 0
    left = sum(share.amount for share in refunds.left_to_give_back(moving.order))
    return min(sum(line.amount for line in lines) + fee, left)


def _units(order: StoredOrder, lines: Sequence[ReturnedLine]) -> dict[str, int]:
    """By SKU."""
    units: dict[str, int] = {}
    for line in lines:
        sku = order.lines[line.number - 1].sku
        units[sku] = units.get(sku, 0) + line.quantity
    return units
