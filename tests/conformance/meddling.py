"""A worker of the tests' own: it fails, repeats or delays what it is told to.

Its activities, its database, its provider and its carrier are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from adapters.postgres.pool import connect_pool
from cli.stack.ready import Ready
from ordersaga.config import Settings
from tests.conformance.misbehaving import MisbehavingFront, truthful
from tests.conftest import SHORT_PATIENCE
from worker.main import activities_of, build_worker

POOL_SIZE: Final = 10  # connections: a worker's usual
UNDOS: Final = frozenset({"undo_payment", "cancel_parcel"})

Around = Callable[["Run"], Any]


class Meddled(Exception):
    """A fault that a test asked for: retried, as any outage is."""


@dataclass(frozen=True)
class Run:
    """One attempt of one activity. `act` does it, as often as it is awaited."""

    name: str
    order_id: str
    attempt: int
    act: Callable[[], Any]


async def undisturbed(run: Run) -> Any:
    return await run.act()


def fails_first(*names: str, effect: bool, final: bool = False) -> Around:
    """The first attempt of each of these fails, before its effect or after it.

    `final`: and is not tried again, as when patience is over.
    """

    async def around(run: Run) -> Any:
        if run.name not in names or run.attempt > 1:
            return await run.act()
        if effect:
            await run.act()
        if final:
            raise ApplicationError("the test has no more patience", non_retryable=True)
        raise Meddled(f"{run.name}, {'after' if effect else 'before'} its effect")

    return around


def runs_twice(*names: str, at_once: bool) -> Around:
    """Each of these runs twice, as a duplicate delivery does; no name: every one. The later answer counts."""

    async def around(run: Run) -> Any:
        if names and run.name not in names:
            return await run.act()
        if at_once:
            answers = await asyncio.gather(run.act(), run.act())
            return answers[-1]
        await run.act()
        return await run.act()

    return around


def both(outer: Around, inner: Around) -> Around:
    """One fault within another."""

    async def around(run: Run) -> Any:
        async def act() -> Any:
            return await inner(run)

        return await outer(Run(run.name, run.order_id, run.attempt, act))

    return around


@dataclass
class Meddler(Interceptor):
    """What the tests' worker does around each activity, and what it saw."""

    provider: MisbehavingFront
    carrier: MisbehavingFront
    around: Around = undisturbed
    runs: list[Run] = field(default_factory=list)

    def reset(self) -> None:
        self.around = undisturbed
        self.runs.clear()
        for front in (self.provider, self.carrier):
            front.rewrite, front.lies = truthful, 0

    def tries(self, order_id: str, name: str) -> int:
        """How many attempts of this activity were begun for this order."""
        return sum(run.name == name and run.order_id == order_id for run in self.runs)

    def undone(self, order_id: str) -> list[str]:
        """The undos that were begun for this order, first attempts only, in the order they began."""
        return [
            r.name
            for r in self.runs
            if r.order_id == order_id and r.name in UNDOS and r.attempt == 1
        ]

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Meddling(next, self)


class _Meddling(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, meddler: Meddler) -> None:
        super().__init__(next)
        self._meddler = meddler

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        run = Run(
            info.activity_type,
            str(info.workflow_id).partition(":")[2],
            info.attempt,
            lambda: self.next.execute_activity(input),
        )
        self._meddler.runs.append(run)
        return await self._meddler.around(run)


@asynccontextmanager
async def meddling_worker(ready: Ready) -> AsyncIterator[Meddler]:
    """The one worker of a stack that has none."""
    async with (
        MisbehavingFront(ready.payment_provider) as provider,
        MisbehavingFront(ready.carrier) as carrier,
    ):
        settings = Settings.model_validate(
            {
                **SHORT_PATIENCE,
                "database_url": ready.database,
                "payment_provider_url": provider.url,
                "payment_provider_key": ready.payment_provider_key,
                "carrier_url": carrier.url,
                "carrier_key": ready.carrier_key,
            }
        )
        client = await Client.connect(ready.temporal, data_converter=pydantic_data_converter)
        meddler = Meddler(provider, carrier)
        pool = await connect_pool(settings.database_url, size=POOL_SIZE, application_name="meddler")
        try:
            async with (
                activities_of(settings, pool) as activities,
                build_worker(client, settings, activities, [meddler]),
            ):
                yield meddler
        finally:
            await pool.close()
