"""Where tenants want to be told of events: endpoints, their secrets, and what went to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError

_sql = load_queries("webhook_endpoints")

MOST_ENDPOINTS: Final = 20  # of a tenant: each event is a row for each of them
MOST_SECRETS: Final = 5  # that sign at once: each is a part of a header
LAST_NUMBER: Final = 2**63 - 1
REPLAY_BITE: Final = 2_000  # deliveries a statement

DisabledWhy = Literal["asked", "gone"]
DeliveryStatus = Literal["pending", "delivered", "failed"]


class TooManyEndpoints(OrdersagaError):
    """One more would be more than `MOST_ENDPOINTS`; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class NewEndpoint:
    """One that is to be added."""

    id: str
    tenant: str
    url: str
    description: str
    event_types: tuple[str, ...]
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StoredEndpoint:
    """One as it is now: without its secrets."""

    id: str
    url: str
    description: str
    event_types: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: DisabledWhy | None
    failing_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class StoredDelivery:
    """An event on its way to an endpoint, or there. `error`: of the last try; None: it was taken.

    `next_try_at`: not before; None: it is not sent again.
    """

    number: int
    order_id: str
    sequence: int
    type: str
    status: DeliveryStatus
    tries: int
    created_at: datetime
    last_tried_at: datetime | None
    next_try_at: datetime | None
    ended_at: datetime | None
    http_status: int | None
    error: str | None
    excerpt: str


async def add_endpoint(connection: Connection, endpoint: NewEndpoint) -> None:
    """Raises `TooManyEndpoints`."""
    await _sql.lock_endpoints(connection, tenant=endpoint.tenant)
    # A statement of its own, after the lock: it sees what those before us have committed.
    if await _sql.count_endpoints(connection, tenant=endpoint.tenant) >= MOST_ENDPOINTS:
        raise TooManyEndpoints(endpoint.tenant)
    await _sql.add_endpoint(
        connection,
        id=endpoint.id,
        tenant=endpoint.tenant,
        url=endpoint.url,
        description=endpoint.description,
        event_types=list(endpoint.event_types),
    )
    await _sql.add_secret(connection, endpoint_id=endpoint.id, secret=endpoint.secret)


async def rotate_secret(
    connection: Connection, endpoint_id: str, *, secret: str, overlap_s: int
) -> None:
    """`secret` signs from now on; those before it, beside it and for `overlap_s` at most."""
    await _sql.end_secrets(connection, endpoint_id=endpoint_id, overlap_s=overlap_s)
    await _sql.add_secret(connection, endpoint_id=endpoint_id, secret=secret)


async def read_secrets(connection: Connection, endpoint_id: str) -> tuple[str, ...]:
    """Those that sign now, the newest first."""
    rows = _sql.read_secrets(connection, endpoint_id=endpoint_id, limit=MOST_SECRETS)
    return tuple([row["secret"] async for row in rows])


async def read_endpoint(
    connection: Connection, *, tenant: str, endpoint_id: str
) -> StoredEndpoint | None:
    """None: it is not there, or not this tenant's."""
    row = await _sql.read_endpoint(connection, tenant=tenant, id=endpoint_id)
    return None if row is None else StoredEndpoint(**{**row, "event_types": (*row["event_types"],)})


async def list_endpoints(connection: Connection, *, tenant: str) -> tuple[StoredEndpoint, ...]:
    """All of a tenant's, oldest first."""
    rows = [row async for row in _sql.list_endpoints(connection, tenant=tenant)]
    return tuple(StoredEndpoint(**{**row, "event_types": (*row["event_types"],)}) for row in rows)


async def enable(connection: Connection, endpoint_id: str) -> None:
    """What waited for it goes on its way."""
    await _sql.enable(connection, id=endpoint_id)


async def disable(connection: Connection, endpoint_id: str, *, why: DisabledWhy) -> None:
    """It hears of nothing that happens from now on; what is pending waits."""
    await _sql.disable(connection, id=endpoint_id, why=why)


async def delete_endpoint(connection: Connection, *, tenant: str, endpoint_id: str) -> bool:
    """False: there is none."""
    done = await _sql.delete_endpoint(connection, tenant=tenant, id=endpoint_id)
    return done is not None


async def list_deliveries(
    connection: Connection,
    endpoint_id: str,
    *,
    status: DeliveryStatus | None,
    order_id: str | None,
    before: int,
    limit: int,
) -> tuple[StoredDelivery, ...]:
    """Newest first, those with a number less than `before`."""
    rows = _sql.list_deliveries(
        connection,
        endpoint_id=endpoint_id,
        status=status,
        order_id=order_id,
        before=before,
        limit=limit,
    )
    return tuple([StoredDelivery(**row) async for row in rows])


async def read_delivery(
    connection: Connection, endpoint_id: str, *, order_id: str, sequence: int
) -> StoredDelivery | None:
    """None: this event did not go there, or too long ago."""
    row = await _sql.read_delivery(
        connection, endpoint_id=endpoint_id, order_id=order_id, sequence=sequence
    )
    return None if row is None else StoredDelivery(**row)


async def replay(connection: Connection, endpoint_id: str, delivery: StoredDelivery) -> None:
    """Sends it again, at once and with all of its tries; before what is pending of its order."""
    await _send_again(connection, endpoint_id, [delivery.number], [delivery.order_id])


async def replay_failed(connection: Connection, endpoint_id: str, *, since: datetime) -> None:
    """Sends all again that were given up since then."""
    found = REPLAY_BITE
    while found == REPLAY_BITE:
        rows = [
            row
            async for row in _sql.find_failed(
                connection, endpoint_id=endpoint_id, since=since, limit=REPLAY_BITE
            )
        ]
        found = len(rows)
        await _send_again(
            connection,
            endpoint_id,
            [row["number"] for row in rows],
            [row["order_id"] for row in rows],
        )


async def _send_again(
    connection: Connection, endpoint_id: str, numbers: Sequence[int], order_ids: Sequence[str]
) -> None:
    await _sql.open_lanes(connection, endpoint_id=endpoint_id, order_ids=order_ids)
    await _sql.send_again(connection, numbers=numbers)
