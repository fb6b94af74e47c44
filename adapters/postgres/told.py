"""What there was to tell of orders, and what is still on its way: for whoever knows what was heard."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from adapters.postgres.notices import message_id_of
from adapters.postgres.outbox import event_of, read_backlog
from adapters.postgres.pool import Connection, load_queries
from ordersaga.events import OrderEvent

_sql = load_queries("told")

NOT_STAMPED: Final = "(not stamped)"  # on its way to all of them


@dataclass(frozen=True, kw_only=True)
class ToldMail:
    """A notice as it is written down, and what became of it."""

    order_id: str
    notice: str
    audience: str
    about: str
    sequence: int  # of the event that it tells
    status: str

    @property
    def message_id(self) -> str:
        """Without its domain."""
        return message_id_of(self.order_id, self.notice, self.about, self.audience)


async def read_history(
    connection: Connection, order_ids: Collection[str]
) -> tuple[OrderEvent, ...]:
    """Each order's in their order."""
    rows = _sql.read_history(connection, order_ids=sorted(order_ids))
    return tuple([event_of(row) async for row in rows])


async def read_mails(connection: Connection, order_ids: Collection[str]) -> tuple[ToldMail, ...]:
    """As they were written down."""
    rows = _sql.read_notices(connection, order_ids=sorted(order_ids))
    return tuple([ToldMail(**row) async for row in rows])


async def read_untold(
    connection: Connection, *, sinks: Collection[str], endpoint_id: str
) -> dict[str, int]:
    """How much these sinks have still to hear, a parked order counted as one; nothing: all is told."""
    waiting = {
        each.sink or NOT_STAMPED: each.waiting + each.parked
        for each in await read_backlog(connection)
        if not each.sink or each.sink in sinks
    }
    row = await _sql.untold(connection, endpoint_id=endpoint_id)
    waiting |= {"webhooks, tries": row["webhooks"], "mail, tries": row["mails"]}
    return {name: count for name, count in waiting.items() if count}
