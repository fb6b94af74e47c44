"""A PostgreSQL of their own, and a relay between it and sinks that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.postgres import outbox
from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import Pool, connect_pool, reading, transaction
from cli.stack.stack import LocalStack
from ordersaga.errors import Unacceptable, Unavailable
from ordersaga.events import OrderEvent
from ordersaga.history import Happening
from tests.postgres.merchant import Merchant
from worker.relay import relay
from worker.relay.lane import FanOut, Publisher

WITHIN_S = 30.0
ALWAYS_S = 7 * 24 * 3600.0


@dataclass
class Listener:
    """A sink outside of us: hears, refuses, or is away, as it is told."""

    name: str
    heard: list[OrderEvent] = field(default_factory=list)
    refuses: Callable[[OrderEvent], bool] = lambda _: False
    is_away: bool = False
    takes_s: float = 0.0

    async def publish(self, event: OrderEvent) -> None:
        await asyncio.sleep(self.takes_s)
        if self.is_away:
            raise Unavailable(f"{self.name} is away")
        if self.refuses(event):
            raise Unacceptable("not this one")
        self.heard.append(event)

    def of(self, order_id: str) -> list[int]:
        """The sequences that it heard of an order, each when it came first."""
        return list(dict.fromkeys(e.sequence for e in self.heard if e.order_id == order_id))

    def all_of_them(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for event in self.heard:
            if event.sequence not in found[event.order_id]:
                found[event.order_id].append(event.sequence)
        return found


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[LocalStack]:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-relay-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"postgres"}
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture(scope="module")
async def pool(stack: LocalStack) -> AsyncIterator[Pool]:
    pool = await connect_pool(stack.ready.database, size=16, application_name="tests")
    yield pool
    await pool.close()


@pytest.fixture
async def merchant(pool: Pool) -> Merchant:
    return Merchant(pool)


async def happen(pool: Pool, order_id: str, times: int = 1) -> None:
    """Something worth telling, in a transaction each."""
    for n in range(times):
        async with transaction(pool) as connection:
            await record(
                connection,
                await lock_order(connection, order_id),
                Happening.of("cancel.requested", request=f"req-{n}"),
            )


@asynccontextmanager
async def relaying(
    stack: LocalStack,
    pool: Pool,
    *publishers: Publisher,
    fan_outs: tuple[FanOut, ...] = (),
    kept_s: float = ALWAYS_S,
) -> AsyncIterator[asyncio.Task[None]]:
    """A relay, at work until the end of the block or until its task is cancelled.

    Its sinks hear of all that is not stamped yet, however soon its stamper begins.
    """
    async with reading(pool) as connection:
        for name in (*(p.name for p in publishers), *(f.name for f in fan_outs)):
            await outbox.begin_cursors(connection, name)
    working = asyncio.create_task(
        relay.Relay(
            pool,
            database_url=stack.ready.database,
            publishers=publishers,
            fan_outs=fan_outs,
            kept_s=kept_s,
        ).run_forever()
    )
    try:
        yield working
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def until(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Raises `TimeoutError`."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = is_so()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)
