"""The merchant's own parcels are handed over; and what carriers said of a parcel is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from adapters.postgres.history import record
from adapters.postgres.moves import lock_for
from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError
from ordersaga.history import Happening

_sql = load_queries("shipping")


class TrackingNumberTaken(OrdersagaError):
    """Another parcel has this tracking number."""


@dataclass(frozen=True, kw_only=True)
class StoredSighting:
    """One thing that a carrier said of a parcel."""

    status: str
    occurred_at: datetime
    location: str | None
    detail: str | None
    estimated_at: datetime | None


async def store_shipped(
    connection: Connection, *, order_id: str, return_window_s: int, tracking_number: str, by: str
) -> None:
    """The merchant has handed his parcel to somebody who knows it by this number.

    Raises `IllegalMove` and `TrackingNumberTaken`.
    """
    moving = await lock_for(connection, order_id, asks="ship", return_window_s=return_window_s)
    try:
        await _sql.set_tracking_number(
            connection, shipment_id=moving.shown.shipment.id, tracking_number=tracking_number
        )
    except asyncpg.UniqueViolationError as error:
        raise TrackingNumberTaken(tracking_number) from error
    handed_over = Happening.of("parcel.shipped", by=by)
    await record(connection, moving.order, handed_over, Happening.of("order.shipped"))


async def read_tracking(
    connection: Connection, *, tenant: str, order_id: str
) -> tuple[StoredSighting, ...] | None:
    """By the carrier's clock, oldest first; None where this tenant has no such order."""
    rows = [row async for row in _sql.read_tracking(connection, tenant=tenant, order_id=order_id)]
    if not rows:
        return None
    return tuple(StoredSighting(**row) for row in rows if row["status"] is not None)
