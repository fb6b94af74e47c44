"""The buyer has it, and says what he thinks of it."""

from __future__ import annotations

from adapters.postgres.attention import relieved
from adapters.postgres.decision import answer_open
from adapters.postgres.history import record
from adapters.postgres.moves import lock_for
from adapters.postgres.pool import Connection, load_queries
from adapters.postgres.requests import add_request
from ordersaga.history import Happening
from ordersaga.lifecycle import Status
from ordersaga.order import OrderRequest

_sql = load_queries("receipts")


async def store_receipt(
    connection: Connection, *, order_id: str, return_window_s: int, request: OrderRequest
) -> None:
    """The buyer says that he has it: the order is completed, whatever its carrier said so far."""
    moving = await lock_for(
        connection, order_id, asks="confirm-receipt", return_window_s=return_window_s
    )
    order = moving.order
    await answer_open(connection, order, cancel="refused")
    await add_request(connection, order_id, request, {})
    arrived = []
    if moving.shown.status == Status.SHIPPED:
        arrived = [Happening.of("parcel.delivered"), Happening.of("order.delivered")]
    received = Happening.of("receipt.confirmed", request=request.id, by=request.requested_by)
    completed = Happening.of("order.completed")
    await record(connection, order, *arrived, received, *relieved(order), completed)


async def store_review(
    connection: Connection, *, order_id: str, return_window_s: int, rating: int, comment: str
) -> None:
    """One an order, once it is completed. History has the stars only."""
    moving = await lock_for(connection, order_id, asks="review", return_window_s=return_window_s)
    await _sql.add_review(connection, order_id=order_id, rating=rating, comment=comment)
    await record(connection, moving.order, Happening.of("review.given", rating=rating))
