"""What live streams read: orders' histories from where a listener was, and what is still kept of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.postgres.outbox import event_of
from adapters.postgres.pool import Connection, load_queries
from ordersaga.events import OrderEvent

_sql = load_queries("streams")

# No transaction of ours is open for so long: see the time-outs in pool.py.
SLACK_S: Final = 60.0


@dataclass(frozen=True)
class Bounds:
    """`newest`: the last position that can be read. `given`: that exists. From `kept` on, all are there."""

    newest: int
    given: int
    kept: int | None

    def lead_on_from(self, position: int) -> bool:
        """Whether somebody who has all up to `position` can have all that came after it."""
        if position >= self.newest:
            return position <= self.given  # a later one is none of this database's
        return self.kept is not None and position >= self.kept - 1


async def find_bounds(connection: Connection, *, kept_s: float) -> Bounds:
    """Of the positions that can be resumed from, where events are kept for `kept_s`."""
    row = await _sql.find_bounds(connection, kept_s=kept_s, slack_s=SLACK_S)
    return Bounds(row["newest"], row["given"], row["kept"])


async def find_version(connection: Connection, *, tenant: str, order_id: str) -> int | None:
    """The order's newest sequence; None: this tenant has no such order."""
    version: int | None = await _sql.find_version(connection, tenant=tenant, order_id=order_id)
    return version


async def find_tenant(connection: Connection, *, order_id: str) -> str | None:
    """Whose order it is; None: there is no such order. For whoever has its signed link, and no key."""
    tenant: str | None = await _sql.find_tenant(connection, order_id=order_id)
    return tenant


async def read_histories(
    connection: Connection, known: Mapping[str, int], *, limit: int
) -> tuple[OrderEvent, ...]:
    """What happened to each order after the sequence that is known of it. They have no positions."""
    rows = _sql.read_histories(
        connection, order_ids=list(known), afters=list(known.values()), limit=limit
    )
    return tuple([event_of(row) async for row in rows])
