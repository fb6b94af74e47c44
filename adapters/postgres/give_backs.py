"""Refunds without a return; and what goes back whose workflow may not know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from adapters.postgres import refunds
from adapters.postgres.history import record
from adapters.postgres.moves import lock_for
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.messages import PaymentNews, PaymentNewsTicket
from ordersaga.order import GiveBackTicket

_sql = load_queries("returns")
_requests = load_queries("requests")

FIRST_RETURN_ID: Final = "ret_" + "0" * keys.ULID_CHARS
FIRST_REFUND_ID: Final = "rfd_" + "0" * keys.ULID_CHARS
FIRST_REQUEST_ID: Final = "req_" + "0" * keys.ULID_CHARS


@dataclass(frozen=True, kw_only=True)
class OpenReturn:
    """A return that is not over, and what its workflow is started with."""

    id: str
    status: str
    ticket: GiveBackTicket


@dataclass(frozen=True, kw_only=True)
class OpenRefund:
    """A refund without a return of which some has not gone back, and what its workflow is started with."""

    id: str
    ticket: GiveBackTicket


@dataclass(frozen=True, kw_only=True)
class LateRefund:
    """Money that came too late and has not gone back, and what looks at it again is started with."""

    id: str
    ticket: PaymentNewsTicket


async def store_refund(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    undo_retry_cap_s: int,
    request_id: str,
    amount: int,
    reason: str,
    by: str,
) -> GiveBackTicket:
    """Says what goes back of which payment, newest first. Returns what its workflow is started with.

    Raises `IllegalMove`, and `ordersaga.giving_back.TooMuch`.
    """
    moving = await lock_for(connection, order_id, asks="refunds", return_window_s=return_window_s)
    await refunds.allocate(
        connection, moving.order, amount=amount, cause="request", request_id=request_id
    )
    await _requests.keep_refund_reason(
        connection, id=request_id, order_id=order_id, reason=reason, requested_by=by
    )
    requested = Happening.of("refund.requested", request=request_id, amount=amount, by=by)
    await record(connection, moving.order, requested)
    return GiveBackTicket(
        order_id=order_id,
        currency=moving.shown.currency,
        amount=amount,
        undo_retry_cap_s=undo_retry_cap_s,
        request_id=request_id,
    )


async def find_open_returns(
    connection: Connection, *, after: str, older_than_s: float, undo_retry_cap_s: int, limit: int
) -> tuple[OpenReturn, ...]:
    """A page of returns beyond `after` that are not over and have not moved for a while, by id."""
    rows = [
        row
        async for row in _sql.find_open_returns(
            connection, after=after, older_than_s=older_than_s, limit=limit
        )
    ]
    return tuple(
        OpenReturn(id=row["return_id"], status=row["status"], ticket=_ticket(row, undo_retry_cap_s))
        for row in rows
    )


async def find_open_refund_requests(
    connection: Connection, *, after: str, older_than_s: float, undo_retry_cap_s: int, limit: int
) -> tuple[OpenRefund, ...]:
    """A page of refunds without a return, beyond `after`, of which some money has not gone back."""
    rows = [
        row
        async for row in _sql.find_open_refund_requests(
            connection, after=after, older_than_s=older_than_s, limit=limit
        )
    ]
    return tuple(
        OpenRefund(id=row["request_id"], ticket=_ticket(row, undo_retry_cap_s)) for row in rows
    )


async def find_late_refunds(
    connection: Connection, *, after: str, older_than_s: float, undo_retry_cap_s: int, limit: int
) -> tuple[LateRefund, ...]:
    """A page of late money, beyond `after`, that has not gone back."""
    rows = _sql.find_late_refunds(connection, after=after, older_than_s=older_than_s, limit=limit)
    return tuple(
        [
            LateRefund(
                id=row["id"],
                ticket=PaymentNewsTicket(
                    order_id=row["order_id"],
                    currency=row["currency"],
                    undo_retry_cap_s=undo_retry_cap_s,
                    news=PaymentNews(row["id"], "payment.captured", row["payment_id"]),
                ),
            )
            async for row in rows
        ]
    )


def _ticket(row: asyncpg.Record, undo_retry_cap_s: int) -> GiveBackTicket:
    return GiveBackTicket(
        order_id=row["order_id"],
        currency=row["currency"],
        amount=row["amount"],
        undo_retry_cap_s=undo_retry_cap_s,
        return_id=row.get("return_id"),
        request_id=row.get("request_id"),
    )
