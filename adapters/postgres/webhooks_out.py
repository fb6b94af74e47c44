"""Events on their way to endpoints: written down with the relay's cursor, claimed, settled, cleaned up.

An order's events go to an endpoint one by one. What keeps them so is the *lane*: one row for each
endpoint and order while something is pending between them, which one sender at a time claims.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from adapters.postgres.outbox import event_of
from adapters.postgres.pool import Connection, load_queries
from adapters.postgres.webhook_endpoints import MOST_SECRETS, DeliveryStatus
from ordersaga.events import OrderEvent

_sql = load_queries("webhooks_out")

DUE_CHANNEL: Final = "webhooks_due"  # NOTIFY: something may be sent now


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A delivery that is this sender's, until its lease ends."""

    endpoint_id: str
    claim: UUID
    number: int
    tries: int  # before this one
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    event: OrderEvent


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What came of a try. `pending`: it is tried again, in `again_in_s`."""

    status: DeliveryStatus
    http_status: int | None
    error: str | None
    excerpt: str
    again_in_s: float = 0.0


async def fan_out(connection: Connection, events: Sequence[OrderEvent]) -> None:
    """A delivery for each endpoint that wants it."""
    await _sql.fan_out(
        connection,
        tenants=[event.tenant for event in events],
        order_ids=[event.order_id for event in events],
        sequences=[event.sequence for event in events],
        types=[event.type for event in events],
    )


async def claim(
    connection: Connection,
    *,
    busy: Mapping[str, int],
    per_endpoint: int,
    room: int,
    lease_s: float,
) -> tuple[Claimed, ...]:
    """What is due, for one sender; `busy`: how many it has under way already, by endpoint.

    In a transaction.
    """
    lanes = [
        row
        async for row in _sql.claim(
            connection,
            busy_ids=list(busy),
            busy_counts=list(busy.values()),
            per_endpoint=per_endpoint,
            room=room,
            lease_s=lease_s,
        )
    ]
    if not lanes:
        return ()
    rows = _sql.read_claimed(
        connection,
        endpoint_ids=[lane["endpoint_id"] for lane in lanes],
        order_ids=[lane["order_id"] for lane in lanes],
        claims=[lane["claim"] for lane in lanes],
        most_secrets=MOST_SECRETS,
    )
    return tuple([_claimed(row) async for row in rows])


async def due_in_s(connection: Connection, *, full: Collection[str]) -> float | None:
    """When there may be something to claim, of all endpoints but the `full` ones. None: it is not known."""
    found: float | None = await _sql.due_in_s(connection, full_ids=list(full))
    return found


async def settle(connection: Connection, claimed: Claimed, settlement: Settlement) -> bool:
    """Writes down what came of it. False: its lease had ended, and it is another sender's.

    In a transaction.
    """
    lane = {"endpoint_id": claimed.endpoint_id, "order_id": claimed.event.order_id}
    if not await _sql.lock_lane(connection, **lane, claim=claimed.claim):
        return False
    # A statement of its own, after the lock: it sees every delivery that was added to the lane.
    await _sql.settle(
        connection,
        **lane,
        number=claimed.number,
        status=settlement.status,
        http_status=settlement.http_status,
        error=settlement.error,
        excerpt=settlement.excerpt,
        again_in_s=settlement.again_in_s,
    )
    return True


async def clean(connection: Connection, *, kept_s: float, limit: int) -> bool:
    """Some of what has ended for so long, or is a deleted endpoint's. True: there may be more."""
    ended = await _sql.clean_ended(connection, kept_s=kept_s, limit=limit)
    deleted = await _sql.clean_deleted(connection, limit=limit)
    await _sql.clean_endpoints(connection)
    return limit in (ended, deleted)


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(
        endpoint_id=row["endpoint_id"],
        claim=row["claim"],
        number=row["number"],
        tries=row["tries"],
        url=row["url"],
        secrets=tuple(row["secrets"]),
        event=event_of(row),
    )
