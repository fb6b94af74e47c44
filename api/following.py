"""What one listener gets: first what PostgreSQL has after what he knows, then what the hub tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, TypeAlias

import structlog
from sse_starlette import ServerSentEvent

from adapters.postgres.outbox import read_after
from adapters.postgres.pool import Connection, reading
from adapters.postgres.streams import read_histories
from api.live import LINE_END, PAGE, Listener, Told, tell_position, tell_sequence
from api.services import Services
from ordersaga.errors import Unavailable
from ordersaga.events import OrderEvent

log = structlog.get_logger(__name__)

COME_AGAIN_MS: Final = 1_000  # a browser's pause before it resumes

Read: TypeAlias = Callable[[Connection, int], Awaitable[tuple[OrderEvent, ...]]]


class Progress:
    """How far a listener has got: what comes to him twice is sent once."""

    def __init__(self, known: int) -> None:
        self._known = known

    @property
    def known(self) -> int:
        return self._known

    def begin(self) -> bytes:
        """Who is cut off before his first event resumes from here, too."""
        return f"id: {self._known}{LINE_END}retry: {COME_AGAIN_MS}{LINE_END * 2}".encode()

    def tell(self, told: Iterable[Told]) -> bytes:
        """What of it is new; `told` goes up."""
        new = [one for one in told if one.number > self._known]
        if new:
            self._known = new[-1].number
        return b"".join(one.text for one in new)

    def beat(self, number: int) -> bytes:
        """A comment. He need not come back for what is none of his."""
        if number <= self._known:
            return f":{LINE_END * 2}".encode()
        self._known = number
        return f"id: {number}{LINE_END}:{LINE_END * 2}".encode()


async def follow_order(
    services: Services, order_id: str, *, known: int, key: str
) -> AsyncIterator[bytes]:
    """One order's events after a sequence. `key`: looked at again with every heartbeat."""

    async def read(connection: Connection, after: int) -> tuple[OrderEvent, ...]:
        return await read_histories(connection, {order_id: after}, limit=PAGE)

    progress = Progress(known)
    yield progress.begin()
    try:
        with services.live.follow_order(order_id, known=known, key=key) as listener:
            async for text in _catch_up(services, progress, read, tell_sequence):
                yield text
            async for text in _hear(listener, progress):
                yield text
    except Unavailable as error:
        log.warning("stream.interrupted", error=str(error))  # he comes again


async def follow_changes(services: Services, order_id: str, *, known: int) -> AsyncIterator[bytes]:
    """Only that one order has more events than `known`, and how many: nothing of what happened."""
    progress = Progress(known)
    yield progress.begin()
    try:
        with services.live.follow_order(order_id, known=known, key=None) as listener:
            async with services.live.turns, reading(services.pool) as connection:
                happened = await read_histories(connection, {order_id: known}, limit=PAGE)
            if happened:
                yield progress.tell([_tell_number(happened[-1].sequence)])
            while (news := await listener.next()) is not None:
                text = progress.tell([_tell_number(told.number) for told in news.told[-1:]])
                if news.heartbeat is not None:
                    text += progress.beat(news.heartbeat)
                if text:
                    yield text
    except Unavailable as error:
        log.warning("stream.interrupted", error=str(error))  # he comes again


def _tell_number(number: int) -> Told:
    sent = ServerSentEvent(str(number), id=str(number), event="changed", sep=LINE_END)
    return Told(number, sent.encode())


async def follow_tenant(
    services: Services, tenant: str, *, known: int, key: str
) -> AsyncIterator[bytes]:
    """A tenant's events after a position. `key`: looked at again with every heartbeat."""

    async def read(connection: Connection, after: int) -> tuple[OrderEvent, ...]:
        return await read_after(connection, after, tenant=tenant, limit=PAGE)

    progress = Progress(known)
    yield progress.begin()
    try:
        # Most of it before anything waits for him in the hub, and the rest once it does.
        async for text in _catch_up(services, progress, read, tell_position):
            yield text
        async with services.live.follow_tenant(tenant, key=key) as listener:
            async for text in _catch_up(services, progress, read, tell_position):
                yield text
            async for text in _hear(listener, progress):
                yield text
    except Unavailable as error:
        log.warning("stream.interrupted", error=str(error))  # he comes again


async def _catch_up(
    services: Services, progress: Progress, read: Read, tell: Callable[[OrderEvent], Told]
) -> AsyncIterator[bytes]:
    """No connection is held while he reads."""
    is_full = True
    while is_full:
        async with services.live.turns, reading(services.pool) as connection:
            events = await read(connection, progress.known)
        is_full = len(events) == PAGE
        if events:
            yield progress.tell(map(tell, events))


async def _hear(listener: Listener, progress: Progress) -> AsyncIterator[bytes]:
    while (news := await listener.next()) is not None:
        text = progress.tell(news.told)
        if news.heartbeat is not None:
            text += progress.beat(news.heartbeat)
        if text:
            yield text
