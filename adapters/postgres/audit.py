"""Reads what an audit judges of our own tables: all of it as it was at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg

from adapters.postgres.pool import Connection, Pool, load_queries, reading
from ordersaga.audit.evidence import (
    OurAccount,
    OurEvent,
    OurFenceRow,
    OurOrder,
    OurPayment,
    OurRequest,
    OurReservation,
    Ours,
    OurStock,
    OurTransfer,
)

_sql = load_queries("audit")

READ_TIMEOUT_S: Final = 60  # a million history rows take about ten; a stuck server must not hang it

T = TypeVar("T")
Rows = AsyncIterator[asyncpg.Record]


async def read_ours(pool: Pool, *, only: Collection[str] | None = None) -> Ours:
    """All orders, with stock and ledger; or `only` these orders, without stock and ledger.

    Raises `DatabaseUnavailable`.
    """
    async with _one_moment(pool) as connection:
        read_at = await _sql.read_moment(connection)
        orders = await _read_orders(connection, None if only is None else sorted(only))
        if only is not None:
            return Ours(read_at, orders)
        return Ours(
            read_at,
            orders,
            stock=await _all(_sql.read_stock(connection), OurStock),
            accounts=await _all(_sql.read_accounts(connection), OurAccount),
            transfers=await _all(_sql.read_transfers(connection), OurTransfer),
        )


@asynccontextmanager
async def _one_moment(pool: Pool) -> AsyncIterator[Connection]:
    async with (
        reading(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await _sql.let_statements_take_long(connection, milliseconds=str(READ_TIMEOUT_S * 1000))
        yield connection


async def _read_orders(connection: Connection, order_ids: list[str] | None) -> tuple[OurOrder, ...]:
    async def of_each(rows: Rows, kind: Callable[..., T]) -> Mapping[str, list[T]]:
        """What belongs to each order, in the order of the rows."""
        found: dict[str, list[T]] = defaultdict(list)
        async for row in rows:
            order_id, *values = row
            found[order_id].append(kind(*values))
        return found

    payments = await of_each(_sql.read_payments(connection, order_ids=order_ids), OurPayment)
    events = await of_each(_sql.read_history(connection, order_ids=order_ids), OurEvent)
    reservations = await of_each(
        _sql.read_reservations(connection, order_ids=order_ids), OurReservation
    )
    fence = await of_each(_sql.read_fence(connection, order_ids=order_ids), OurFenceRow)
    requests = await of_each(_sql.read_open_requests(connection, order_ids=order_ids), OurRequest)
    demand: dict[str, dict[str, int]] = defaultdict(dict)
    async for row in _sql.read_demand(connection, order_ids=order_ids):
        demand[row["order_id"]][row["sku"]] = row["quantity"]
    ledger = {
        row["order_id"]: row
        async for row in _sql.read_ledger_of_orders(connection, order_ids=order_ids)
    }
    return tuple(
        [
            OurOrder(
                **row,
                demand=demand.get(row["id"], {}),
                payments=tuple(payments.get(row["id"], ())),
                events=tuple(events.get(row["id"], ())),
                reservations=tuple(reservations.get(row["id"], ())),
                fence=tuple(fence.get(row["id"], ())),
                requests=tuple(requests.get(row["id"], ())),
                ledger_held=ledger[row["id"]]["held"] if row["id"] in ledger else 0,
                ledger_spendable=ledger[row["id"]]["spendable"] if row["id"] in ledger else 0,
            )
            async for row in _sql.read_orders(connection, order_ids=order_ids)
        ]
    )


async def _all(rows: Rows, kind: Callable[..., T]) -> tuple[T, ...]:
    return tuple([kind(*row) async for row in rows])
