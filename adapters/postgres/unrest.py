"""What still moves, and what became of the orders of a run: for whoever waits until all is quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adapters.postgres.pool import Connection, load_queries

_sql = load_queries("unrest")


@dataclass(frozen=True, kw_only=True)
class Restless:
    """An order that something still has to happen to."""

    id: str
    status: str
    payment_status: str
    fulfillment_status: str
    version: int
    updated_at: datetime
    attention: str | None  # the step that needs a person
    is_asked: bool  # a request of it is not answered
    awaits_release: bool  # its carrier was not told to come
    gives_back: bool  # money of it is still to go back
    has_mail: bool  # something from outside was not told to it
    comes_back: bool  # its parcel will not arrive, and it is not given back yet


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What became of an order. `reference`: its buyer's."""

    id: str
    reference: str
    status: str
    payment_status: str
    reason: str | None
    created_at: datetime
    updated_at: datetime


async def find_restless(connection: Connection, *, limit: int) -> tuple[Restless, ...]:
    """Oldest first."""
    rows = [row async for row in _sql.find_restless(connection, limit=limit)]
    return tuple(Restless(**row) for row in rows)


async def read_open_returns(connection: Connection) -> frozenset[str]:
    """Ids of the returns that have a workflow."""
    return frozenset([row["id"] async for row in _sql.read_open_returns(connection)])


async def read_endings(connection: Connection, *, run: str) -> tuple[Ending, ...]:
    """Every order whose reference begins with `run`."""
    rows = [row async for row in _sql.read_endings(connection, run=run)]
    return tuple(Ending(**row) for row in rows)
