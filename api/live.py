"""Live streams: each new event is read once a process, and handed to everybody here who listens for it.

A listener catches up by himself, from PostgreSQL, when he starts or resumes; from then on the hub tells
him. Whoever does not keep up is cut off, never waited for: he resumes where he was.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from sse_starlette import JSONServerSentEvent

from adapters.postgres.api_keys import ORDERS_READ, ApiKey
from adapters.postgres.outbox import newest_position, read_after
from adapters.postgres.pool import Pool, reading
from adapters.postgres.streams import read_histories
from api.auth import KnownKeys
from api.problems import Problem
from ordersaga.config import Settings
from ordersaga.errors import Unavailable
from ordersaga.events import OrderEvent

log = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 15.0  # proxies close silent connections after a minute, some after half of one
MOST_WAITING: Final = 1_000  # events of a listener; some ten seconds of a busy shop
IDLE_S: Final = 3600.0  # then an order's stream ends: its listener comes again, or has forgotten it
PAGE: Final = 500  # events a statement
AGAIN_S: Final = 0.5  # PostgreSQL was away
CATCHING_UP: Final = 4  # at once, of a pool's 10 connections: when all come again, requests go on
LINE_END: Final = "\n"
LINKS_SHARE: Final = 0.5  # of a process's streams: anybody with links leaves the keys the rest


@dataclass(frozen=True)
class Told:
    """An event as it is sent. `number`: its sequence, or its position."""

    number: int
    text: bytes


@dataclass(frozen=True)
class News:
    """What a listener gets at once. `heartbeat`: all up to this number was told to him."""

    told: tuple[Told, ...]
    heartbeat: int | None


def tell_sequence(event: OrderEvent) -> Told:
    """As a stream of one order has it."""
    return _tell(event, event.sequence)


def tell_position(event: OrderEvent) -> Told:
    """As a stream of all orders has it."""
    return _tell(event, event.position)


def _tell(event: OrderEvent, number: int) -> Told:
    document = event.to_cloudevent()
    sent = JSONServerSentEvent(document, id=str(number), event=event.type, sep=LINE_END)
    return Told(number, sent.encode())


@dataclass(frozen=True)
class Visitor:
    """Somebody without a key, who has the link of an order's page. `id`: the order's."""

    id: str


@dataclass(eq=False)
class Listener:
    """Somebody who follows one order, or all of a tenant. `key`: what he showed; a visitor has none."""

    key: str | None = field(repr=False)
    idle_s: float | None  # how long he is kept without news
    _waiting: list[Told] = field(default_factory=list)
    _heartbeat: int | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _is_over: bool = False
    _told_at_s: float = field(default_factory=time.monotonic)

    async def next(self) -> News | None:
        """All that came since the last time, as soon as there is any; None: it is over."""
        await self._woken.wait()
        self._woken.clear()
        if self._is_over:
            return None
        news = News(tuple(self._waiting), self._heartbeat)
        self._waiting.clear()
        self._heartbeat = None
        return news

    def tell(self, told: Iterable[Told]) -> None:
        """Cuts him off where too much waits for him."""
        if self._is_over:
            return
        self._waiting.extend(told)
        self._told_at_s = time.monotonic()
        if len(self._waiting) > MOST_WAITING:
            log.info("stream.too_slow", waiting=len(self._waiting))
            self.end()
        self._woken.set()

    def beat(self, number: int) -> None:
        """Shows that the line is alive."""
        if self.idle_s is not None and time.monotonic() > self._told_at_s + self.idle_s:
            self.end()
        self._heartbeat = number
        self._woken.set()

    def end(self) -> None:
        """He comes again, or is not wanted any more."""
        self._is_over = True
        self._waiting.clear()
        self._woken.set()


class Hub:
    """All listeners of this process. An `Ear` of `OrderChanges`.

    `closing`: set when the process is told to stop; every stream ends then. `turns`: to catch up.
    """

    def __init__(self, pool: Pool, settings: Settings, known_keys: KnownKeys) -> None:
        self._pool = pool
        self._settings = settings
        self._known_keys = known_keys
        self._of_orders: dict[str, set[Listener]] = defaultdict(set)
        self._of_tenants: dict[str, set[Listener]] = defaultdict(set)
        self._sequences: dict[str, int] = {}  # told so far, of each order that somebody follows
        self._position: int | None = None  # told so far, of all; None: nobody follows all
        self._changed: set[str] = set()
        self._is_stamped = False
        self._woken = asyncio.Event()
        self._open: Counter[str] = Counter()  # streams of each key and link
        self._open_of_links = 0
        self.closing = anyio.Event()
        self.turns = asyncio.Semaphore(CATCHING_UP)

    # --- Who listens ------------------------------------------------------------------------------

    def admit(self, caller: ApiKey | Visitor) -> None:
        """One stream more, until `dismiss`. Raises the `Problem` where there are too many."""
        of_process = self._settings.streams_per_process
        of_links = max(1, int(of_process * LINKS_SHARE))
        is_visitor = isinstance(caller, Visitor)
        of_one = self._settings.streams_per_link if is_visitor else self._settings.streams_per_key
        if self.closing.is_set() or 0 < of_process <= self._open.total():
            raise Problem("streams_full", "this process has as many streams as it can hold")
        if is_visitor and of_process and of_links <= self._open_of_links:
            raise Problem(
                "streams_full", "this process has as many streams of links as it can hold"
            )
        if 0 < of_one <= self._open[caller.id]:
            whose = "link" if is_visitor else "key"
            raise Problem("too_many_streams", f"this {whose} has {of_one} streams open here")
        self._open[caller.id] += 1
        self._open_of_links += is_visitor

    def dismiss(self, caller: ApiKey | Visitor) -> None:
        """His stream is over."""
        self._open[caller.id] -= 1
        self._open_of_links -= isinstance(caller, Visitor)
        if not self._open[caller.id]:
            del self._open[caller.id]

    @property
    def open_streams(self) -> int:
        """Of all keys and links."""
        return self._open.total()

    def followers_of(self, tenant: str) -> int:
        """How many listen to all that is this tenant's."""
        return len(self._of_tenants.get(tenant, ()))

    @contextmanager
    def follow_order(self, order_id: str, *, known: int, key: str | None) -> Iterator[Listener]:
        """Tells all after `known`, or what another listener's news have already gone beyond: read that
        after this is entered."""
        self._sequences.setdefault(order_id, known)
        with self._listening(self._of_orders, order_id, Listener(key, IDLE_S)) as listener:
            try:
                yield listener
            finally:
                if self._of_orders[order_id] == {listener}:
                    del self._sequences[order_id]

    @asynccontextmanager
    async def follow_tenant(self, tenant: str, *, key: str) -> AsyncIterator[Listener]:
        """Tells all that is stamped from now on: read what was before after this is entered."""
        if self._position is None:
            async with reading(self._pool) as connection:
                newest = await newest_position(connection)
            if self._position is None:  # nobody was quicker
                self._position = newest
        with self._listening(self._of_tenants, tenant, Listener(key, None)) as listener:
            try:
                yield listener
            finally:
                if list(self._of_tenants.values()) == [{listener}]:
                    self._position = None

    @contextmanager
    def _listening(
        self, rooms: dict[str, set[Listener]], name: str, listener: Listener
    ) -> Iterator[Listener]:
        rooms[name].add(listener)
        if self.closing.is_set():
            listener.end()
        try:
            yield listener
        finally:
            rooms[name].discard(listener)
            if not rooms[name]:
                del rooms[name]

    def _listeners(self) -> list[Listener]:
        rooms = [*self._of_orders.values(), *self._of_tenants.values()]
        return [listener for room in rooms for listener in room]

    # --- What it hears (Ear) ----------------------------------------------------------------------

    def hear_change(self, order_id: str) -> None:
        if order_id in self._of_orders:
            self._changed.add(order_id)
            self._woken.set()

    def hear_stamped(self) -> None:
        if self._of_tenants:
            self._is_stamped = True
            self._woken.set()

    def hear_again(self) -> None:
        self._changed.update(self._of_orders)
        self._is_stamped = True
        self._woken.set()

    # --- What it tells ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled; no outage and no bug ends it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_forever())
            tasks.create_task(self._beat_forever())
            tasks.create_task(self._close())

    async def _tell_forever(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._tell_orders()
                await self._tell_tenants()
            except Exception as error:
                if isinstance(error, Unavailable):
                    log.warning("streams.interrupted", error=str(error))
                else:
                    log.exception("streams.failed")
                await asyncio.sleep(AGAIN_S)
                self.hear_again()

    async def _tell_orders(self) -> None:
        """One read for all orders that changed."""
        changed, self._changed = self._changed, set()
        while known := {o: self._sequences[o] for o in changed if o in self._sequences}:
            async with reading(self._pool) as connection:
                events = await read_histories(connection, known, limit=PAGE)
            for event in events:
                if event.order_id in self._sequences:
                    self._sequences[event.order_id] = event.sequence
                told = tell_sequence(event)
                for listener in self._of_orders.get(event.order_id, ()):
                    listener.tell([told])
            if len(events) < PAGE:
                return

    async def _tell_tenants(self) -> None:
        """One read for all tenants."""
        is_full, self._is_stamped = self._is_stamped, False
        while is_full and self._position is not None:
            async with reading(self._pool) as connection:
                events = await read_after(connection, self._position, limit=PAGE)
            is_full = len(events) == PAGE
            if events and self._position is not None:
                self._position = events[-1].position
            told: dict[str, list[Told]] = defaultdict(list)
            for event in events:
                if event.tenant in self._of_tenants:
                    told[event.tenant].append(tell_position(event))
            for tenant, tellings in told.items():
                for listener in self._of_tenants.get(tenant, ()):
                    listener.tell(tellings)

    async def _beat_forever(self) -> None:
        """A heartbeat for everybody whose key is still good; the end for the others."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            shown = {one.key for one in self._listeners() if one.key is not None}
            refused = {key for key in shown if await self._is_refused(key)}
            for listener in self._listeners():
                if listener.key in refused:
                    listener.end()
            for listeners in self._of_tenants.values():
                for listener in listeners:
                    listener.beat(self._position or 0)
            for order_id, listeners in self._of_orders.items():
                for listener in listeners:
                    listener.beat(self._sequences[order_id])

    async def _is_refused(self, key: str) -> bool:
        try:
            found = await self._known_keys.find(key)
        except Unavailable:
            return False  # nothing is told meanwhile either
        return found is None or ORDERS_READ not in found.scopes

    async def _close(self) -> None:
        await self.closing.wait()
        for listener in self._listeners():
            listener.end()
