"""A relay: one session, one stamper among all relays, and a lane for each sink."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from adapters.postgres import outbox
from adapters.postgres.pool import Pool, reading
from ordersaga.errors import DatabaseUnavailable
from worker.relay.lane import FanOut, FanOutLane, Lane, Publisher, PublisherLane
from worker.relay.session import Session

STAMP_BATCH: Final = 500
GATHER_S: Final = 0.05  # after a stamping: what is written within it is stamped by one statement
LOOK_EVERY_S: Final = 2.0  # without being woken, should a NOTIFY be lost; and to become the stamper
AGAIN_S: Final = 1.0
FORGET_EVERY_S: Final = 60.0
FORGET_BATCH: Final = 5_000

log = structlog.get_logger(__name__)


class Relay:
    """`publishers` tell others, `fan_outs` write into our own tables. `kept_s`: how long events stay."""

    def __init__(
        self,
        pool: Pool,
        *,
        database_url: str,
        publishers: Sequence[Publisher] = (),
        fan_outs: Sequence[FanOut] = (),
        kept_s: float,
    ) -> None:
        self._pool = pool
        self._database_url = database_url
        self._publishers = publishers
        self._fan_outs = fan_outs
        self._kept_s = kept_s

    async def run_forever(self) -> None:
        """Until it is cancelled; no outage and no bug of a sink ends it."""
        while True:
            try:
                # A task of its own: a task group of Python 3.11 leaves its task marked as cancelled
                # when one of its children fails, and it must not be us that it marks.
                await asyncio.create_task(self._run_session())
            except* DatabaseUnavailable as group:
                log.warning("relay.interrupted", error=str(group.exceptions[0]))
            except* Exception:
                log.exception("relay.failed")
            _heed_cancellation()
            await asyncio.sleep(AGAIN_S)

    async def _run_session(self) -> None:
        async with Session(self._database_url) as session, asyncio.TaskGroup() as tasks:
            await session.settle_shares()
            tasks.create_task(session.until_lost())
            tasks.create_task(self._stamp(session))
            tasks.create_task(self._forget())
            for lane in self._lanes(session):
                tasks.create_task(lane.run())

    def _lanes(self, session: Session) -> list[Lane]:
        return [
            *(PublisherLane(self._pool, each, session) for each in self._publishers),
            *(FanOutLane(self._pool, each, session) for each in self._fan_outs),
        ]

    async def _stamp(self, session: Session) -> None:
        """Where this relay is the one that does; the others wait until it is gone."""
        while True:
            session.written.clear()
            if await session.is_stamper():
                while await session.stamp(STAMP_BATCH) == STAMP_BATCH:
                    pass
                await asyncio.sleep(GATHER_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await session.written.wait()
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _forget(self) -> None:
        sinks = [
            *(publisher.name for publisher in self._publishers),
            *(fan_out.name for fan_out in self._fan_outs),
        ]
        while True:
            gone = FORGET_BATCH
            while gone == FORGET_BATCH:
                async with reading(self._pool) as connection:
                    gone = await outbox.forget(
                        connection, sinks=sinks, older_than_s=self._kept_s, limit=FORGET_BATCH
                    )
            await asyncio.sleep(FORGET_EVERY_S)


def _heed_cancellation() -> None:
    """A task group forgets a cancellation that comes together with an error of its own; we were told."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
