"""What a key and a tenant may do: requests a second, settled between processes, and orders open at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError

_sql = load_queries("limits")

# A count of open orders is remembered while the room that it leaves cannot be filled:
MOST_ORDERS_PER_S: Final = 1_000  # of one tenant; more than any PostgreSQL accepted for us
SETTLED_AFTER_S: Final = 10.0  # a transaction that the count did not see has ended: two statements


@dataclass(frozen=True, kw_only=True)
class RequestsUsed:
    """So many requests of one key or tenant since this was last settled, and what it is allowed."""

    subject: str
    used: int
    burst: float
    per_s: float


async def settle_requests(connection: Connection, used: Sequence[RequestsUsed]) -> dict[str, float]:
    """Tells the other processes; returns what each subject may still ask for, all processes together."""
    rows = _sql.settle_requests(
        connection,
        subjects=[u.subject for u in used],
        used=[u.used for u in used],
        bursts=[u.burst for u in used],
        rates=[u.per_s for u in used],
    )
    return {row["subject"]: row["tokens"] async for row in rows}


@dataclass(frozen=True, kw_only=True)
class OpenOrderCaps:
    """How many orders may be open at once, of a key and of its whole tenant. 0: any number."""

    of_key: int
    of_tenant: int


class TooManyOpenOrders(OrdersagaError):
    """One more would be more than the cap; nothing was written."""


class OpenOrders:
    """Keeps the caps: exactly, and with nothing to ask PostgreSQL while they are far away."""

    def __init__(self) -> None:
        self._far_until_s: dict[tuple[str, OpenOrderCaps], float] = {}  # as many as there are keys

    async def admit(
        self, connection: Connection, *, tenant: str, key_id: str, caps: OpenOrderCaps
    ) -> None:
        """In the transaction that is about to accept one more. Raises `TooManyOpenOrders`."""
        subject = (key_id, caps)
        if not (caps.of_key or caps.of_tenant):
            return
        if time.monotonic() < self._far_until_s.get(subject, 0.0):
            return
        await _sql.lock_open_orders(connection, tenant=tenant)
        counted_at_s = time.monotonic()
        # A statement of its own, after the lock: it sees what those before us have committed.
        opened = await _sql.count_open_orders(
            connection,
            tenant=tenant,
            key_id=key_id,
            key_cap=caps.of_key,
            tenant_cap=caps.of_tenant,
        )
        counts = ((caps.of_key, opened["of_key"]), (caps.of_tenant, opened["of_tenant"]))
        room = min(cap - count for cap, count in counts if cap)
        if room <= 0:
            raise TooManyOpenOrders(tenant)
        self._far_until_s[subject] = counted_at_s + room / MOST_ORDERS_PER_S - SETTLED_AFTER_S
