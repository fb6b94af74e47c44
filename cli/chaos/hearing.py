"""What the listeners' books say that they heard, and when they have heard all."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from adapters.postgres.pool import Pool, reading
from adapters.postgres.told import ToldMail, read_history, read_mails, read_untold
from cli.chaos.listening import Listeners
from cli.chaos.schedule import BROKER, MAILBOX
from ordersaga.errors import DatabaseUnavailable
from ordersaga.events import OrderEvent

# What was under way when a worker died is sent again after its lease: by mail 90 s, to an endpoint 60 s.
# What a dead receiver had not answered, after 5 s, and twice after 30; by mail after a minute.
HEARD_WITHIN_S: Final = 240.0
LOOK_EVERY_S: Final = 0.5


class Told(NamedTuple):
    """An event, by what it says of itself."""

    order_id: str
    sequence: int
    type: str

    @classmethod
    def of(cls, event: OrderEvent) -> Self:
        return cls(event.order_id, event.sequence, event.type)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """All that came and all that there was to tell. `orders`: of the run.

    `events`: by listener, as they came, again and again. `mails`: ids of messages, as they came.
    `history`: of the run's orders, and of any other that somebody heard of. `untold`: still on its way.
    """

    orders: frozenset[str]
    events: Mapping[str, Sequence[Told]]
    mails: Sequence[str]
    history: Sequence[OrderEvent]
    notices: Sequence[ToldMail]
    untold: Mapping[str, int]
    waited_s: float

    @property
    def is_all(self) -> bool:
        """Whether nothing is on its way, and nobody misses anything."""
        due = {Told.of(each) for each in self.history if each.order_id in self.orders}
        sent = {each.message_id for each in self.notices if each.status == "sent"}
        return (
            not self.untold
            and all(due <= set(came) for came in self.events.values())
            and sent <= set(self.mails)
        )


async def wait_until_heard(
    pool: Pool,
    listeners: Listeners,
    orders: Collection[str],
    *,
    within_s: float = HEARD_WITHIN_S,
) -> Heard:
    """Looks until all was heard, or until patience ends. Raises `DatabaseUnavailable`."""
    began_s = time.monotonic()
    while True:
        waited_s = time.monotonic() - began_s
        try:
            heard = await _look(pool, listeners, frozenset(orders), waited_s)
            if heard.is_all or waited_s > within_s:
                return heard
        except DatabaseUnavailable:
            if waited_s > within_s:
                raise
        await asyncio.sleep(LOOK_EVERY_S)


async def _look(pool: Pool, listeners: Listeners, orders: frozenset[str], waited_s: float) -> Heard:
    async with reading(pool) as connection:  # before the books: what is told is in them then
        untold = await read_untold(
            connection, sinks=listeners.sinks, endpoint_id=listeners.endpoint_id
        )
    events = {
        part: read_events(listeners.books(part))
        for part in listeners.parts
        if part not in (BROKER, MAILBOX)
    }
    mails = read_mail_ids(listeners.books(MAILBOX))
    known = {told.order_id for came in events.values() for told in came}
    known |= {order_of(message_id) for message_id in mails} | orders
    async with reading(pool) as connection:
        return Heard(
            orders=orders,
            events=events,
            mails=mails,
            history=await read_history(connection, known),
            notices=await read_mails(connection, orders),
            untold=untold,
            waited_s=waited_s,
        )


def read_events(books: Path) -> tuple[Told, ...]:
    """As they came."""
    found = _read(books, "select order_id, sequence, type from events order by number")
    return tuple(Told(order_id, sequence, type_) for order_id, sequence, type_ in found)


def read_mail_ids(books: Path) -> tuple[str, ...]:
    """Without their domains, as they came."""
    found = _read(books, "select message_id from mails order by number")
    return tuple(str(row[0]).partition("@")[0] for row in found)


def order_of(message_id: str) -> str:
    """The first of its parts."""
    return message_id.partition(".")[0]


def _read(books: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"{books.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()
