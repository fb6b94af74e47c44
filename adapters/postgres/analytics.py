"""What a tenant's past says: read from history and from what he imported, folded beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import asyncpg

from adapters.postgres.pool import Connection, Pool, load_queries, reading
from ordersaga.analytics.courses import Course, make_course
from ordersaga.analytics.fit import TRACKING_STATUS, Fit, Standing, fit
from ordersaga.analytics.past_orders import PastOrder, RecordedStatus, course_of
from ordersaga.history import PAYMENT_STATUS
from ordersaga.lifecycle import FINAL, FULFILLMENT, STATUS, FulfillmentStatus, PaymentStatus
from ordersaga.tracking import RANKS, TrackingStatus

_sql = load_queries("analytics")

Source: TypeAlias = Literal["all", "own", "imported"]

# Of each, the newest. An estimate is no better for more, and older ones are of another time.
MOST_ORDERS: Final = 20_000
ROWS_AT_ONCE: Final = 1_000  # decoded within 5 ms: the event loop goes on in between

# Where an order is before its history says a word of the machine.
_BEGINNINGS: Final = {
    PAYMENT_STATUS: PaymentStatus.UNPAID,
    FULFILLMENT: FulfillmentStatus.UNFULFILLED,
    TRACKING_STATUS: TrackingStatus.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """How many past orders were not known before, were known otherwise, and were known so."""

    new: int
    changed: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class OverdueOrder:
    """An order that has been in `status` since `since`, and should be for `limit_s` seconds at most."""

    id: str
    status: str
    since: datetime
    limit_s: float


async def read_fit(pool: Pool, *, tenant: str, machine: str, source: Source = "all") -> Fit:
    """Of this tenant's own newest orders, and on `status` of those that he imported, too; or of one sort."""
    async with reading(pool) as connection:
        own_query = (
            _sql.read_parcel_courses_cursor(connection, tenant=tenant, most=MOST_ORDERS)
            if machine == TRACKING_STATUS
            else _sql.read_courses_cursor(
                connection, tenant=tenant, machine=machine, most=MOST_ORDERS
            )
        )
        own = await _all_rows(own_query) if source != "imported" else []
        imported = (
            await _all_rows(
                _sql.read_past_orders_cursor(connection, tenant=tenant, most=MOST_ORDERS)
            )
            if machine == STATUS and source != "own"
            else []
        )
    return await asyncio.to_thread(_fit, machine, own, imported)


async def read_standing(connection: Connection, *, tenant: str, order_id: str) -> Standing | None:
    """Where an order is; None: this tenant has no such order."""
    row = await _sql.read_standing(connection, tenant=tenant, order_id=order_id)
    if row is None:
        return None
    promised_at = row["promised_at"]
    return Standing(
        status=row["status"],
        since_s=row["since"].timestamp(),
        promised_at_s=None if promised_at is None else promised_at.timestamp(),
    )


async def read_overdue(
    connection: Connection, *, tenant: str, limits_s: Mapping[str, float], limit: int
) -> tuple[OverdueOrder, ...]:
    """Those that have been in a state for longer than its limit, the furthest beyond it first."""
    rows = _sql.read_overdue(
        connection,
        tenant=tenant,
        states=list(limits_s),
        limits_s=list(limits_s.values()),
        limit=limit,
    )
    return tuple([OverdueOrder(**row) async for row in rows])


async def import_past_orders(
    connection: Connection, *, tenant: str, past: Sequence[PastOrder]
) -> Imported:
    """Keeps them, each once by its reference; none of them has another's. What is known is corrected."""
    rows = [
        row
        async for row in _sql.import_past_orders(
            connection,
            tenant=tenant,
            references=[one.reference for one in past],
            statuses=[one.status for one in past],
            purchased=[one.purchased_at for one in past],
            approved=[one.approved_at for one in past],
            handed=[one.handed_to_carrier_at for one in past],
            delivered=[one.delivered_at for one in past],
            promised=[one.promised_by for one in past],
        )
    ]
    new = sum(row["is_new"] for row in rows)
    return Imported(new=new, changed=len(rows) - new, unchanged=len(past) - len(rows))


async def _all_rows(query: Any) -> list[asyncpg.Record]:
    """A few at a time, so that others get their turn."""
    found: list[asyncpg.Record] = []
    async with query as opening:
        cursor = await opening
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            found += rows
    return found


def _fit(machine: str, own: Sequence[asyncpg.Record], imported: Sequence[asyncpg.Record]) -> Fit:
    return fit(
        machine,
        own=[_own_course(machine, row) for row in own],
        imported=[_imported_course(row) for row in imported],
    )


def _own_course(machine: str, row: asyncpg.Record) -> Course:
    states, entered_at_s = row["states"] or [], row["entered_at_s"] or []
    if machine == TRACKING_STATUS:
        told = sorted(zip(entered_at_s, states, strict=True), key=_when)
        states, entered_at_s = [state for _, state in told], [at_s for at_s, _ in told]
    if machine in _BEGINNINGS:
        states = [_BEGINNINGS[machine], *states]
        entered_at_s = [row["placed_at_s"], *entered_at_s]
    return make_course(
        states,
        entered_at_s,
        is_over=row["status"] in FINAL,
        promised_at_s=row["promised_at_s"],
    )


def _when(told: tuple[float, str]) -> tuple[float, int]:
    at_s, state = told
    return at_s, RANKS[TrackingStatus(state)]


def _imported_course(row: asyncpg.Record) -> Course:
    return course_of(PastOrder(**{**row, "status": RecordedStatus(row["status"])}))
