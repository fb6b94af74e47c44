"""Reads what an audit judges of our own tables: all of it as it was at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

import asyncpg

from adapters.postgres.pool import Connection, Pool, load_queries, reading
from ordersaga.audit.ours import (
    OurAccount,
    OurCursor,
    OurEvent,
    OurFenceRow,
    OurLine,
    OurMessage,
    OurOrder,
    OurOutboxRow,
    OurParked,
    OurPayment,
    OurRefund,
    OurRelay,
    OurRequest,
    OurReservation,
    OurReturn,
    OurReturnLine,
    Ours,
    OurStock,
    OurTransfer,
)
from ordersaga.config import EVENTS_KEPT_S
from ordersaga.messages import KnownPayment, PaymentData, PaymentMessage, judge
from ordersaga.tracking import Sighting

_sql = load_queries("audit")

READ_TIMEOUT_S: Final = 60  # a million history rows take about ten; a stuck server must not hang it

T = TypeVar("T")
Rows = AsyncIterator[asyncpg.Record]
Query = Callable[..., Rows]


async def read_ours(
    pool: Pool, *, only: Collection[str] | None = None, events_kept_s: float | None = None
) -> Ours:
    """All orders, with stock, ledger and relay; or `only` these orders, without them.

    `events_kept_s`: the service's setting (None: its default); older ones may be forgotten.

    Raises `DatabaseUnavailable`.
    """
    kept_s = EVENTS_KEPT_S if events_kept_s is None else events_kept_s
    async with _one_moment(pool) as connection:
        read_at = await _sql.read_moment(connection)
        orders = await _read_orders(connection, None if only is None else sorted(only))
        if only is not None:
            return Ours(read_at, orders, events_kept_s=kept_s)
        return Ours(
            read_at,
            orders,
            stock=await _all(_sql.read_stock(connection), OurStock),
            accounts=await _all(_sql.read_accounts(connection), OurAccount),
            transfers=await _all(_sql.read_transfers(connection), OurTransfer),
            relay=(await _read_relay(connection),),
            events_kept_s=kept_s,
        )


@asynccontextmanager
async def _one_moment(pool: Pool) -> AsyncIterator[Connection]:
    async with (
        reading(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _sql.let_statements_take_long(connection, milliseconds=str(READ_TIMEOUT_S * 1000))
        yield connection


async def _read_relay(connection: Connection) -> OurRelay:
    return OurRelay(
        newest=await _sql.read_newest_position(connection),
        cursors=await _all(_sql.read_cursors(connection), OurCursor),
        strays=tuple([(row[0], row[1]) async for row in _sql.read_strays(connection)]),
    )


async def _read_orders(connection: Connection, order_ids: list[str] | None) -> tuple[OurOrder, ...]:
    async def of_each(query: Query, kind: Callable[..., T]) -> Mapping[str, tuple[T, ...]]:
        """What belongs to each order, in the order of the rows."""
        found: dict[str, list[T]] = defaultdict(list)
        async for row in query(connection, order_ids=order_ids):
            order_id, *values = row
            found[order_id].append(kind(*values))
        return {order_id: tuple(rows) for order_id, rows in found.items()}

    parts = {
        "lines": await of_each(_sql.read_lines, OurLine),
        "payments": await of_each(_sql.read_payments, OurPayment),
        "events": await of_each(_sql.read_history, OurEvent),
        "reservations": await of_each(_sql.read_reservations, OurReservation),
        "fence": await of_each(_sql.read_fence, OurFenceRow),
        "requests": await of_each(_sql.read_open_requests, OurRequest),
        "refunds": await of_each(_sql.read_refunds, OurRefund),
        "returns": await of_each(_sql.read_returns, _return),
        "sightings": await of_each(_sql.read_sightings, Sighting),
        "messages": await _read_news(connection, order_ids),
        "outbox": await of_each(_sql.read_outbox, OurOutboxRow),
        "parked": await of_each(_sql.read_parked, OurParked),
    }
    credits = await of_each(_sql.read_ledger_credits, lambda transfer, amount: (transfer, amount))
    ledger = {
        row["order_id"]: (row["held"], row["spendable"])
        async for row in _sql.read_ledger_of_orders(connection, order_ids=order_ids)
    }
    orders = []
    async for row in _sql.read_orders(connection, order_ids=order_ids):
        held, spendable = ledger.get(row["id"], (0, 0))
        orders.append(
            OurOrder(
                **row,
                **{name: found.get(row["id"], ()) for name, found in parts.items()},  # type: ignore[arg-type]
                ledger_held=held,
                ledger_spendable=spendable,
                ledger_credits=dict(credits.get(row["id"], ())),
            )
        )
    return tuple(orders)


async def _read_news(
    connection: Connection, order_ids: list[str] | None
) -> Mapping[str, tuple[OurMessage, ...]]:
    """What was not told, but for what our rows say anyhow: mostly echoes of our own steps."""
    found: dict[str, list[OurMessage]] = defaultdict(list)
    async for row in _sql.read_undelivered_messages(connection, order_ids=order_ids):
        if not _is_known(row):
            message = OurMessage(row["source"], row["type"], row["received_at"])
            found[row["order_id"]].append(message)
    return {order_id: tuple(messages) for order_id, messages in found.items()}


def _is_known(row: asyncpg.Record) -> bool:
    if row["payment_id"] is None:
        return False
    message = PaymentMessage(type=row["type"], data=PaymentData.model_validate(row["data"]))
    payment = KnownPayment(
        id=row["payment_id"],
        method=row["method"],
        currency=row["currency"],
        status=row["status"],
        captured=row["captured"],
        refunded=row["refunded"],
    )
    return judge(message, payment) == "known"


def _return(
    return_id: str, status: str, amount: int, updated_at: datetime, lines: list[dict[str, int]]
) -> OurReturn:
    listed = tuple(OurReturnLine(**line) for line in lines)
    return OurReturn(return_id, status, amount, updated_at, listed)


async def _all(rows: Rows, kind: Callable[..., T]) -> tuple[T, ...]:
    return tuple([kind(*row) async for row in rows])
