"""ordersaga itself: API and worker in one process, as `ordersaga serve` and `ordersaga up` run them.

The caller does what `POST /v1/orders` does, less HTTP, keys and rendering: accepts in one transaction, starts
the workflow, waits for PostgreSQL's NOTIFY. The worker also relays the outbox and sweeps, as in production.
Durability: each step's rows in PostgreSQL and their history in Temporal's SQLite file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from adapters.postgres.changes import OrderChanges
from adapters.postgres.orders import launch_of
from adapters.temporal import OrderWorkflows, reach
from bench.engines.calling import NotConfirmed
from bench.engines.flow import Ask
from bench.engines.participants import Participants
from bench.engines.where import Where
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.lifecycle import Status
from ordersaga.order import NewOrder
from worker.main import work

PATIENCE_S: Final = 60.0


class Ordersaga:
    def __init__(
        self,
        participants: Participants,
        workflows: OrderWorkflows,
        changes: OrderChanges,
        settings: Settings,
    ) -> None:
        self._participants = participants
        self._workflows = workflows
        self._changes = changes
        self._settings = settings

    async def place(self, order: NewOrder, ask: Ask) -> None:
        async with self._changes.watch(order.id) as watch:
            await self._participants.accept(order)
            with contextlib.suppress(EngineUnavailable):  # as the API: a sweep starts it later
                launch = launch_of(order, self._settings)
                await self._workflows.start(launch, waiting=self._changes.waited_for)
            while True:
                change = await watch.next(PATIENCE_S)
                if change is None or change.status not in (Status.PENDING, Status.CONFIRMED):
                    raise NotConfirmed(f"{order.id}: {change}")
                if change.status == Status.CONFIRMED:
                    return


@asynccontextmanager
async def calling(
    where: Where,
    participants: Participants,
    *,
    works: bool = True,
    task_queue: str = "orders-in-one",
    **otherwise: object,
) -> AsyncIterator[Ordersaga]:
    """`works`: the worker is in this process, else the stack's. `otherwise`: settings that differ."""
    os.environ |= {
        "TEMPORAL_ADDRESS": where.temporal,
        "TEMPORAL_NAMESPACE": where.temporal_namespace,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
    queue = {"task_queue": task_queue} if works else {}
    settings = Settings.model_validate(
        {
            "database_url": where.database,
            "payment_provider_url": where.provider,
            "payment_provider_key": where.provider_key,
            **queue,
            **otherwise,
        }
    )
    workflows, stop = await reach(settings), asyncio.Event()
    changes = OrderChanges(where.database, application_name=f"bench-{where.engine}-changes")
    listening = asyncio.create_task(changes.listen())
    at_work = work(settings, stop, share=workflows.share) if works else stop.wait()
    working = asyncio.create_task(at_work)
    await asyncio.sleep(0.5)  # until it listens
    try:
        yield Ordersaga(participants, workflows, changes, settings)
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        stop.set()
        await working
