"""What operators look at: figures of a tenant's shop, and orders found by what somebody has in his hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.postgres.orders import LAST_ID, OrderFilter, least_id_after, list_order_ids
from adapters.postgres.pool import Connection, load_queries
from ordersaga.lifecycle import Status

_sql = load_queries("console")

SLICE_S: Final = 5  # of the line that shows how many orders come in
WINDOW_S: Final = 300
MOST_COUNTED: Final = 10_000  # of a state; a page shows "10,000+" then, and stays quick
MOST_LOOKED_AT: Final = 1_000  # open orders of a state, oldest first, for who waits the longest
MOST_SEARCHED: Final = 5_000  # orders with one SKU, say, of which some may be filtered away
OPEN: Final = (
    Status.PENDING,
    Status.COMPENSATING,
    Status.CONFIRMED,
    Status.SHIPPED,
    Status.DELIVERED,
)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Orders that came in within `SLICE_S`, and how many of them are decided by now."""

    placed: int
    decided: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Who is waited for, the order that waits the longest, and how many of those looked at wait for him."""

    waiting_for: str
    order_id: str
    since: datetime
    orders: int


@dataclass(frozen=True, kw_only=True)
class FailingEndpoint:
    """Where something waits to be delivered. `failing_since`: None, it took what it was sent last."""

    id: str
    url: str
    failing_since: datetime | None
    disabled_at: datetime | None
    pending: int


@dataclass(frozen=True, kw_only=True)
class ParkedEvent:
    """An event that a sink does not take; the order's later ones wait behind it."""

    sink: str
    order_id: str
    sequence: int
    type: str | None
    error: str
    tries: int
    parked_at: datetime
    next_try_at: datetime


async def placed_lately(connection: Connection, *, tenant: str) -> tuple[Slice, ...]:
    """The last `WINDOW_S`, oldest first, the newest slice still growing."""
    rows = _sql.placed_lately(
        connection,
        tenant=tenant,
        oldest=least_id_after(datetime.now(UTC) - timedelta(seconds=WINDOW_S)),
        slice_s=SLICE_S,
        window_s=WINDOW_S,
    )
    found = {
        row["slice"]: Slice(placed=row["placed"], decided=row["decided"]) async for row in rows
    }
    nothing = Slice(placed=0, decided=0)
    return tuple(found.get(i, nothing) for i in reversed(range(WINDOW_S // SLICE_S)))


async def count_in_states(connection: Connection, *, tenant: str) -> dict[str, int]:
    """Open orders by status; `MOST_COUNTED`: so many, or more."""
    rows = _sql.count_in_states(connection, tenant=tenant, statuses=list(OPEN), most=MOST_COUNTED)
    return {row["status"]: row["orders"] async for row in rows}


async def count_in_attention(connection: Connection, *, tenant: str) -> int:
    """`MOST_COUNTED`: so many, or more."""
    found: int = await _sql.count_in_attention(connection, tenant=tenant, most=MOST_COUNTED)
    return found


async def oldest_waiting(connection: Connection, *, tenant: str) -> tuple[Waiting, ...]:
    rows = _sql.oldest_waiting(connection, tenant=tenant, statuses=list(OPEN), most=MOST_LOOKED_AT)
    return tuple([Waiting(**row) async for row in rows])


async def failing_endpoints(connection: Connection, *, tenant: str) -> tuple[FailingEndpoint, ...]:
    rows = _sql.failing_endpoints(connection, tenant=tenant, most=MOST_COUNTED)
    return tuple([FailingEndpoint(**row) async for row in rows])


async def list_parked(
    connection: Connection, *, tenant: str, limit: int
) -> tuple[ParkedEvent, ...]:
    """The longest waiting first."""
    rows = _sql.list_parked(connection, tenant=tenant, limit=limit)
    return tuple([ParkedEvent(**row) async for row in rows])


async def find_order_ids(
    connection: Connection,
    *,
    tenant: str,
    shown: OrderFilter,
    text: str | None = None,
    waiting_for: str | None = None,
    before: str = LAST_ID,
    limit: int,
) -> list[str]:
    """A page of ids below `before`, newest first. `text`: as `search` in queries/console.sql finds it."""
    if text is None and waiting_for is None:
        return await list_order_ids(
            connection, tenant=tenant, shown=shown, before=before, limit=limit
        )
    filters = {
        "tenant": tenant,
        "before": before,
        "oldest": least_id_after(shown.created_after),
        "payment_status": shown.payment_status,
        "fulfillment_status": shown.fulfillment_status,
        "attention": shown.attention,
        "created_after": shown.created_after,
        "limit": limit,
    }
    if text is not None:
        rows = _sql.search(
            connection,
            text=text,
            status=shown.status,
            waiting_for=waiting_for,
            most=MOST_SEARCHED,
            **filters,
        )
    else:
        statuses = list(OPEN) if shown.status is None else [shown.status]
        rows = _sql.list_waiting(connection, waiting_for=waiting_for, statuses=statuses, **filters)
    return [row["id"] async for row in rows]
