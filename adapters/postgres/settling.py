"""What goes back for a return, or because an operator says so: what is to do, and our own part of it."""

from __future__ import annotations

from adapters.postgres import refunds, stock
from adapters.postgres.attention import relieved
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.ledger import Ledger
from adapters.postgres.pool import Connection, load_queries
from ordersaga.history import Happening
from ordersaga.lifecycle import RETURNABLE, ReturnStatus
from ordersaga.order import ReturnStanding

_sql = load_queries("refunds")


async def find_order_of_return(connection: Connection, return_id: str) -> str:
    """Raises `LookupError`."""
    order_id: str | None = await _sql.order_of_return(connection, return_id=return_id)
    if order_id is None:
        raise LookupError(return_id)
    return order_id


async def find_order_of_request(connection: Connection, request_id: str) -> str | None:
    """None: nothing was allocated for it."""
    order_id: str | None = await _sql.order_of_request(connection, request_id=request_id)
    return order_id


def look_at_return(order: LockedOrder, return_id: str) -> ReturnStanding:
    """See `ordersaga.ports.OwnSite.look_at_return`."""
    status = order.state.return_(return_id).status
    if status != ReturnStatus.RECEIVED:
        return ReturnStanding(status)
    return ReturnStanding(status, refunds.open_refunds(order, cause="return", return_id=return_id))


async def settle_return(
    connection: Connection, ledger: Ledger, order: LockedOrder, return_id: str
) -> str:
    """See `ordersaga.ports.OwnSite.settle_return`."""
    if order.state.return_(return_id).status == ReturnStatus.RECEIVED:
        still_open = refunds.open_refunds(order, cause="return", return_id=return_id)
        happenings = await refunds.give_back_ours(connection, ledger, order, still_open)
        refunded = Happening.of("return.refunded", return_id=return_id)
        order = await record(connection, order, *happenings, refunded)
        order = await _end_if_all_is_back(connection, order)
    return order.state.return_(return_id).status


async def settle_refund(
    connection: Connection, ledger: Ledger, order: LockedOrder, request_id: str
) -> None:
    """See `ordersaga.ports.OwnSite.settle_refund`."""
    still_open = refunds.open_refunds(order, cause="request", request_id=request_id)
    happenings = await refunds.give_back_ours(connection, ledger, order, still_open)
    order = await record(connection, order, *happenings)
    await _end_if_all_is_back(connection, order)


async def _end_if_all_is_back(connection: Connection, order: LockedOrder) -> LockedOrder:
    """All goods and all money: nothing of the order is left with anybody."""
    is_kept = any(payment.captured > payment.refunded for payment in order.state.payments)
    if order.state.status not in RETURNABLE or is_kept:
        return order
    if not await stock.is_all_back(connection, order):
        return order
    return await record(connection, order, *relieved(order), Happening.of("order.returned"))
