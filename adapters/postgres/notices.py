"""What people are told of their orders: written once each, claimed by who sends it, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from adapters.postgres.pool import Connection, load_queries
from ordersaga.events import OrderEvent
from ordersaga.notices import mails_of

_sql = load_queries("notices")

Outcome = Literal["sent", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class DueNotice:
    """A notice that is this sender's for a while. `data`, `recorded_at`: of the event that it tells."""

    id: int
    order_id: str
    notice: str
    audience: str
    about: str
    tries: int
    leased_until: datetime
    tenant: str
    data: Mapping[str, JsonValue]
    recorded_at: datetime

    @property
    def message_id(self) -> str:
        """The same whenever it is sent."""
        return message_id_of(self.order_id, self.notice, self.about, self.audience)


def message_id_of(order_id: str, notice: str, about: str, audience: str) -> str:
    """Without its domain. A step's colon is nothing for a Message-ID."""
    named = f".{about.replace(':', '.')}" if about else ""
    return f"{order_id}.{notice}{named}.{audience}"


async def add_notices(connection: Connection, events: Sequence[OrderEvent]) -> None:
    """What is to be mailed because of these events, each thing once."""
    due = [(event, notice) for event in events for notice in mails_of(event)]
    if due:
        await _sql.add_notices(
            connection,
            order_ids=[event.order_id for event, _ in due],
            names=[notice.name for _, notice in due],
            audiences=[notice.audience for _, notice in due],
            abouts=[notice.subject(event.data) for event, notice in due],
            sequences=[event.sequence for event, _ in due],
        )


async def claim_due(connection: Connection, *, lease_s: float, limit: int) -> tuple[DueNotice, ...]:
    """Nobody else has them for so long; then somebody else may send them."""
    rows = _sql.claim_due(connection, lease_s=lease_s, limit=limit)
    return tuple([DueNotice(**row) async for row in rows])


async def renew_lease(
    connection: Connection, due: Sequence[DueNotice], *, lease_s: float
) -> tuple[DueNotice, ...]:
    """Those that are still this sender's, for so long from now, in the same order."""
    rows = _sql.renew_lease(
        connection,
        ids=[each.id for each in due],
        leased_until=[each.leased_until for each in due],
        lease_s=lease_s,
    )
    until = {row["id"]: row["leased_until"] async for row in rows}
    return tuple(replace(each, leased_until=until[each.id]) for each in due if each.id in until)


async def settle(
    connection: Connection, due: DueNotice, status: Outcome, reason: str | None = None
) -> None:
    await _sql.settle(connection, id=due.id, status=status, reason=reason)


async def put_off(
    connection: Connection, due: DueNotice, *, reason: str, again_in_s: float
) -> None:
    await _sql.put_off(connection, id=due.id, reason=reason, again_in_s=again_in_s)


async def give_up_lease(connection: Connection, due: Collection[DueNotice]) -> None:
    await _sql.give_up_lease(connection, ids=[each.id for each in due])


async def forget_notices(connection: Connection, *, older_than_s: float, limit: int) -> int:
    """Deletes what was done so long ago; how many."""
    gone: int = await _sql.forget_notices(connection, older_than_s=older_than_s, limit=limit)
    return gone
