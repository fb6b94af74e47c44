"""An order that stops before its money is taken: held, let go on, accepted or declined by its merchant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pydantic import JsonValue

from adapters.postgres.history import hold_placed, record
from adapters.postgres.moves import lock_for
from adapters.postgres.pool import Connection, load_queries
from adapters.postgres.requests import add_request
from ordersaga.history import Happening
from ordersaga.lifecycle import RULE_HOLDS
from ordersaga.order import Hold, OrderRequest

_sql = load_queries("requests")


async def store_hold(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    hold: Hold,
) -> OrderRequest:
    """Holds an order that nobody holds. Returns what its workflow is to be told."""
    moving = await lock_for(connection, order_id, asks="hold", return_window_s=return_window_s)
    told = replace(request, held_until=hold.until)
    await _store(connection, order_id, told, hold.reason)
    placed = hold_placed(hold, since=datetime.now(UTC), request=request.id)
    await record(connection, moving.order, placed)
    return told


async def store_release(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    reason: str,
    next_hold: Hold | None,
) -> OrderRequest:
    """Lets an order go on (`release`, or its merchant's `accept`). Returns what its workflow is to be told.

    `next_hold`: where a rule held it, it is held for this one next.
    """
    asks = request.kind
    moving = await lock_for(connection, order_id, asks=asks, return_window_s=return_window_s)
    hold = moving.shown.hold
    assert hold is not None
    kind = str(hold["kind"])
    happenings = [
        Happening.of("hold.released", kind=kind, request=request.id, by=request.requested_by)
    ]
    told = request
    if next_hold is not None and kind == RULE_HOLDS:
        told = replace(request, kind="hold", held_until=next_hold.until)
        happenings.append(hold_placed(next_hold, since=datetime.now(UTC)))
    await _store(connection, order_id, told, reason)
    await record(connection, moving.order, *happenings)
    return told


async def store_decline(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    reason: str,
) -> None:
    """Stores that the merchant does not accept the order: its workflow undoes it."""
    await lock_for(connection, order_id, asks="decline", return_window_s=return_window_s)
    await add_request(connection, order_id, request, {"reason": reason})


async def _store(connection: Connection, order_id: str, request: OrderRequest, reason: str) -> None:
    """Only the newest word reaches the workflow, in whatever order they would be delivered."""
    await _sql.supersede_holds(connection, order_id=order_id)
    body: dict[str, JsonValue] = {"reason": reason}
    if request.held_until is not None:
        body["held_until"] = request.held_until.isoformat()
    await add_request(connection, order_id, request, body)
