"""Sweeps: what was stored but not told to Temporal is told again.

An order stands once it is accepted, a request once it is stored, whether or not Temporal was there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from adapters.postgres import fence, orders, requests
from adapters.postgres.idempotency import forget_old_keys
from adapters.postgres.inbox import forget_old_messages
from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import Pool, reading, transaction
from adapters.postgres.requests import Undelivered
from adapters.temporal import OrderWorkflows
from ordersaga.config import Settings
from ordersaga.errors import DatabaseUnavailable, EngineUnavailable, Unavailable
from worker.give_backs import GiveBackSweep
from worker.inbox import InboxSweep

BATCH: Final = 100  # of each kind a round: a backlog of an outage is worked off in a few rounds
FENCES_EVERY_S: Final = 600.0  # a small bite of the fences of long-final orders: 3,000 an hour
FENCES_KEPT_S: Final = fence.KEPT_DAYS * 24 * 3600
STALE_S: Final = 30.0  # an order that has not moved for so long: is its workflow there?
STALE_BATCH: Final = 20  # of those a round, in turn: most wait for their payers, and are well
REDELIVER_S: Final = 300.0  # a request that its workflow has, and has not answered yet
GRACE_S: Final = 3.0  # the API's own try comes first, and is nearly always enough

log = structlog.get_logger()

T = TypeVar("T")


class Sweep:
    """Starts orders that nobody drives and delivers requests that nobody heard."""

    def __init__(self, pool: Pool, workflows: OrderWorkflows, settings: Settings) -> None:
        self._pool = pool
        self._workflows = workflows
        self._settings = settings
        self._fences_due_s = 0.0  # by the loop's clock
        self._looked_at = orders.FIRST_ID  # how far the look at stale orders has come
        self._give_backs = GiveBackSweep(pool, workflows, settings)
        self._inbox = InboxSweep(
            pool, workflows, PostgresOwnSite(pool), settings, start=self._start
        )

    async def run_forever(self) -> None:
        """A round every `sweep_interval_s`; no outage and no bug of one order ends the sweep."""
        while True:
            try:
                await self.run_once()
                await self.forget()
            except Unavailable as error:
                log.warning("sweep.interrupted", error=str(error))
            except Exception:
                log.exception("sweep.failed")
            await asyncio.sleep(self._settings.sweep_interval_s)

    async def run_once(self) -> int:
        """One round; returns how many workflows it started. Raises `Unavailable`: PostgreSQL is away."""
        async with reading(self._pool) as connection:
            unstarted = await orders.find_unstarted(connection, older_than_s=GRACE_S, limit=BATCH)
            stale = await orders.find_stale(
                connection, after=self._looked_at, older_than_s=STALE_S, limit=STALE_BATCH
            )
            unheard = await requests.find_undelivered(
                connection, older_than_s=GRACE_S, again_after_s=REDELIVER_S, limit=BATCH
            )
        self._looked_at = stale[-1] if len(stale) == STALE_BATCH else orders.FIRST_ID
        started = [await self._one(self._start(order_id)) for order_id in unstarted + stale]
        for undelivered in unheard:
            await self._one(self._deliver(undelivered))
        await self._inbox.run_once()
        await self._give_backs.run_once()
        return sum(filter(None, started))

    async def _one(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What one order needs: where it cannot be had, the others are not held up."""
        try:
            return await work
        except EngineUnavailable as error:
            log.warning("sweep.put_off", error=str(error))
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("sweep.failed_at_one")
        return None

    async def forget(self) -> None:
        """What nobody can use any more: old idempotency keys, messages and fences."""
        async with reading(self._pool) as connection:
            await forget_old_keys(connection)
            await forget_old_messages(connection)
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._fences_due_s:
            self._fences_due_s = now_s + FENCES_EVERY_S
            async with reading(self._pool) as connection:
                await fence.forget_final_orders(connection, older_than_s=FENCES_KEPT_S)

    async def _start(self, order_id: str) -> bool:
        """Starts an order's workflow where none runs: never started, lost, failed or terminated.

        To run again is safe: each step is fenced, and the decision is a row.
        """
        async with reading(self._pool) as connection:
            launch = await orders.read_launch(connection, order_id, self._settings)
        started = await self._workflows.start(launch, again=True) == "started"
        if started:
            log.info("sweep.started", order_id=order_id)
        return started

    async def _deliver(self, undelivered: Undelivered) -> None:
        order_id, request = undelivered.order_id, undelivered.request
        if await self._workflows.deliver(undelivered.workflow_id, request) == "no_workflow":
            if undelivered.is_over:
                async with transaction(self._pool) as connection:
                    await requests.refuse(connection, request.id)  # nobody is left to answer it
            else:
                await self._start(order_id)  # it hears of it in a later round
            return
        async with transaction(self._pool) as connection:
            await requests.mark_delivered(connection, request.id)
