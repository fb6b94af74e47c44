"""Webhooks out: what is due goes to its endpoints, each order's events one by one, until they are taken.

Any number of workers do this at once. What a killed one had claimed is sent again, by the same
`webhook-id`, when its lease has ended: at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn

import asyncpg
import orjson
import structlog

from adapters import webhooks
from adapters.egress import Egress
from adapters.postgres import webhooks_out
from adapters.postgres.pool import (
    CONNECT_TIMEOUT_S,
    Connection,
    Pool,
    reading,
    transaction,
    translated_errors,
)
from adapters.postgres.webhook_endpoints import DeliveryStatus, disable
from adapters.postgres.webhooks_out import DUE_CHANNEL, Claimed, Settlement
from adapters.webhooks import GONE, Outcome
from ordersaga.errors import DatabaseUnavailable
from ordersaga.events import OrderEvent

SINK: Final = "webhooks"
APPLICATION_NAME: Final = "ordersaga-webhooks"

AT_ONCE: Final = 200  # requests of a worker
PER_ENDPOINT: Final = 5  # … to one endpoint: a tenant's twenty slow ones leave half of them free
LEASE_S: Final = 60.0  # four times what a try may take; then another worker sends it

# After each failure, by the clock of people: seconds while it restarts, hours while somebody mends it.
PAUSES_S: Final = (
    *(5, 30, 2 * 60, 10 * 60, 30 * 60),
    *(hours * 3600 for hours in (1, 2, 4, 8, 16, 24, 24)),
)
JITTER: Final = 0.2  # of a pause: those who failed together do not come back together
LONGEST_RETRY_AFTER_S: Final = 24 * 3600  # what a receiver may ask for

GATHER_S: Final = 0.01  # what ends within it is followed up by one statement
LEAST_WAIT_S: Final = 0.1  # what is due and cannot be claimed is another worker's
LOOK_EVERY_S: Final = 30.0  # without being woken, should a NOTIFY be lost
AGAIN_S: Final = 1.0  # after an outage
HEARTBEAT_S: Final = 5.0
HEARTBEAT_TIMEOUT_S: Final = 3.0
CLEAN_EVERY_S: Final = 60.0
CLEAN_BATCH: Final = 1_000

log = structlog.get_logger(__name__)


class WebhookFanOut:
    """The relay's sink: a delivery for each endpoint that wants to hear of an event."""

    name = SINK

    async def fan_out(self, connection: Connection, events: Sequence[OrderEvent]) -> None:
        await webhooks_out.fan_out(connection, events)


class WebhookSender:
    """`await sender.run_forever()` until it is cancelled; no outage ends it."""

    def __init__(self, pool: Pool, egress: Egress, *, database_url: str, kept_s: float) -> None:
        self._pool = pool
        self._egress = egress
        self._database_url = database_url
        self._kept_s = kept_s
        self._woken = asyncio.Event()
        self._under_way: Counter[str] = Counter()  # by endpoint

    async def run_forever(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again_and_again(self._listen))
            tasks.create_task(_again_and_again(lambda: self._send_what_is_due(tasks)))
            tasks.create_task(_again_and_again(self._clean))

    # --- What is due ---------------------------------------------------------------------------

    async def _send_what_is_due(self, tasks: asyncio.TaskGroup) -> NoReturn:
        while True:
            self._woken.clear()
            claimed = await self._claim()
            for each in claimed:
                self._under_way[each.endpoint_id] += 1
                tasks.create_task(self._send(each))
            if not claimed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(await self._idle_s()):
                        await self._woken.wait()
                await asyncio.sleep(GATHER_S)

    async def _claim(self) -> tuple[Claimed, ...]:
        room = AT_ONCE - self._under_way.total()
        if room <= 0:
            return ()
        async with transaction(self._pool) as connection:
            return await webhooks_out.claim(
                connection,
                busy=self._under_way,
                per_endpoint=PER_ENDPOINT,
                room=room,
                lease_s=LEASE_S,
            )

    async def _idle_s(self) -> float:
        """Until something may be due that nobody tells us of."""
        if self._under_way.total() >= AT_ONCE:
            return LOOK_EVERY_S
        full = [each for each, count in self._under_way.items() if count >= PER_ENDPOINT]
        async with reading(self._pool) as connection:
            due_in_s = await webhooks_out.due_in_s(connection, full=full)
        return LOOK_EVERY_S if due_in_s is None else min(max(due_in_s, LEAST_WAIT_S), LOOK_EVERY_S)

    # --- One try -------------------------------------------------------------------------------

    async def _send(self, claimed: Claimed) -> None:
        """Raises nothing: what goes wrong here is sent again when its lease has ended."""
        event = claimed.event
        try:
            outcome = await webhooks.send(
                self._egress,
                claimed.url,
                message_id=event.id,
                body=orjson.dumps(event.to_cloudevent()),
                signed_with=claimed.secrets,
            )
            await self._settle(claimed, outcome)
        except DatabaseUnavailable as error:
            log.warning("webhooks.not_settled", event_id=event.id, error=str(error))
        except Exception:
            log.exception("webhooks.send_failed", event_id=event.id)
        finally:
            self._under_way[claimed.endpoint_id] -= 1
            self._under_way += Counter()  # without those that have none
            self._woken.set()

    async def _settle(self, claimed: Claimed, outcome: Outcome) -> None:
        settlement = judge(outcome, tries=claimed.tries + 1)
        async with transaction(self._pool) as connection:
            is_ours = await webhooks_out.settle(connection, claimed, settlement)
            if is_ours and outcome.http_status == GONE:
                await disable(connection, claimed.endpoint_id, why="gone")
        if settlement.status != "delivered" or not is_ours:
            log.info(
                "webhooks.not_delivered",
                endpoint_id=claimed.endpoint_id,
                event_id=claimed.event.id,
                tries=claimed.tries + 1,
                status=settlement.status if is_ours else "taken_over",
                http_status=outcome.http_status,
                error=outcome.error,
            )

    # --- Beside it -----------------------------------------------------------------------------

    async def _listen(self) -> NoReturn:
        """Wakes the sender. Raises `DatabaseUnavailable` when its connection is lost."""
        lost = asyncio.Event()
        with translated_errors():
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
                self._database_url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=HEARTBEAT_TIMEOUT_S,
                server_settings={"application_name": APPLICATION_NAME},
            )
            try:
                connection.add_termination_listener(lambda _: lost.set())
                await connection.add_listener(DUE_CHANNEL, lambda *_: self._woken.set())
                self._woken.set()  # something may have been said before
                while not lost.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(HEARTBEAT_S):
                            await lost.wait()
                        break
                    await connection.execute("select 1")
            finally:
                connection.terminate()
        raise DatabaseUnavailable("the connection that listens is lost")

    async def _clean(self) -> NoReturn:
        while True:
            is_more = True
            while is_more:
                async with reading(self._pool) as connection:
                    is_more = await webhooks_out.clean(
                        connection, kept_s=self._kept_s, limit=CLEAN_BATCH
                    )
            await asyncio.sleep(CLEAN_EVERY_S)


def judge(outcome: Outcome, *, tries: int) -> Settlement:
    """What follows from a try, the `tries`th of its delivery."""
    status: DeliveryStatus = "delivered"
    again_in_s = 0.0
    if outcome.http_status == GONE:
        status = "pending"  # it waits, should the endpoint be enabled again
    elif not outcome.is_taken and tries > len(PAUSES_S):
        status = "failed"
    elif not outcome.is_taken:
        status = "pending"
        jittered = PAUSES_S[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        again_in_s = max(jittered, min(outcome.retry_after_s, LONGEST_RETRY_AFTER_S))
    return Settlement(
        status=status,
        http_status=outcome.http_status,
        error=outcome.error,
        excerpt=outcome.excerpt,
        again_in_s=again_in_s,
    )


async def _again_and_again(work: Callable[[], Awaitable[NoReturn]]) -> None:
    """Until it is cancelled."""
    while True:
        try:
            await work()
        except DatabaseUnavailable as error:
            log.warning("webhooks.interrupted", error=str(error))
        except Exception:
            log.exception("webhooks.failed")
        await asyncio.sleep(AGAIN_S)
