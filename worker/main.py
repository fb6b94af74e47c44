"""The composition root: adapters into activities, activities and workflow into a Temporal worker."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import start_http_server
from temporalio.client import Client
from temporalio.worker import (
    Interceptor,
    PollerBehaviorSimpleMaximum,
    UnsandboxedWorkflowRunner,
    Worker,
)

from activities.local import OwnSiteActivities
from activities.parcel import ParcelActivities
from activities.payment import PaymentActivities
from adapters.carrier_http import HttpCarrier
from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import Pool, connect_pool
from adapters.postgres.records import PostgresRecords
from adapters.stripe import StripeGateway
from adapters.temporal import OrderWorkflows, connect
from ordersaga.config import Settings
from ordersaga.errors import DatabaseUnavailable
from ordersaga.order import SANDBOX
from worker.discretion import Discretion
from worker.heartbeats import Heartbeats
from worker.relay.relay import Relay
from worker.sinks import sinks_of
from worker.sweep import Sweep
from workflows.order import OrderWorkflow
from workflows.refund import PaymentNewsWorkflow, RefundWorkflow
from workflows.return_ import ReturnWorkflow

RECONNECT_S: Final = 1.0
GRACEFUL_STOP_S: Final = 10  # longer than a provider takes, shorter than a deployment waits
CACHED_WORKFLOWS: Final = 2000  # waiting orders kept in memory; one more is replayed when it wakes
STICKY_PATIENCE_S: Final = 5  # how long a killed worker's orders wait for it
# A task has one until its answer is written back, and so has each poller that waits. With more, tasks of a
# crowd begin that nobody works off in time; with fewer, orders wait in the queue that could begin at once.
WORKFLOW_SLOTS: Final = 150
# With 50 clients, by card, some orders more a second than with 3, 5 or 10 of each.
WORKFLOW_POLLERS: Final = 20
ACTIVITY_POLLERS: Final = 20
# For each connection. One more step of our own site would only wait for it; of those that ask others within
# a task it serves several: most of their time they wait for somebody else.
LOCAL_SLOTS: Final = {"queued": 1, "local_first": 4}
ACTIVITY_SLOTS: Final = 100  # they wait for providers, so far more than cores
# Allocations between two looks for garbage that points to itself, and looks between two that look further
# back. An order makes thousands: with Python's own 700 and 10 the looking took 5 % of a busy worker's CPU.
COLLECTED_EVERY: Final = (5_000, 5, 5)

log = structlog.get_logger()

There = TypeVar("There")


@asynccontextmanager
async def activities_of(settings: Settings, pool: Pool) -> AsyncIterator[list[Callable[..., Any]]]:
    """Every activity, its ports filled."""
    records = PostgresRecords(pool, payer_patience_s=settings.payer_patience_s)
    gateway = StripeGateway(
        api_key=settings.payment_provider_key,
        base_url=settings.payment_provider_url,
        return_url=settings.payment_return_url,
    )
    carrier = HttpCarrier(base_url=settings.carrier_url, key=settings.carrier_key)
    own_site = OwnSiteActivities(PostgresOwnSite(pool))
    payments = PaymentActivities(gateway, records)
    parcels = ParcelActivities({SANDBOX: carrier}, records)
    try:
        yield [
            own_site.hold_own_site,
            own_site.decide_order,
            own_site.close_order,
            own_site.follow_parcel,
            own_site.resume_order,
            own_site.look_at_hold,
            own_site.complete_order,
            own_site.open_reversal,
            own_site.reverse_own_site,
            own_site.refuse_cancel,
            own_site.look_at_return,
            own_site.settle_return,
            own_site.requested_refunds,
            own_site.settle_refund,
            payments.authorize_payment,
            payments.charge_payment,
            payments.check_payment,
            payments.capture_payment,
            payments.undo_payment,
            payments.refund_payment,
            payments.examine_payment,
            parcels.book_parcel,
            parcels.release_parcel,
            parcels.cancel_parcel,
        ]
    finally:
        await gateway.aclose()
        await carrier.aclose()


def build_worker(
    client: Client,
    settings: Settings,
    activities: Sequence[Callable[..., Any]],
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """The one worker of a process.

    Workflow code runs without the SDK's sandbox: it costs 5 ms of CPU an order. What it would catch,
    a test catches by replaying every recorded history inside it.
    """
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[OrderWorkflow, ReturnWorkflow, RefundWorkflow, PaymentNewsWorkflow],
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=CACHED_WORKFLOWS,
        max_concurrent_workflow_tasks=WORKFLOW_SLOTS,
        max_concurrent_activities=ACTIVITY_SLOTS,
        max_concurrent_local_activities=settings.database_pool_size
        * LOCAL_SLOTS[settings.remote_lane],
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=WORKFLOW_POLLERS),
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(maximum=ACTIVITY_POLLERS),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=STICKY_PATIENCE_S),
        graceful_shutdown_timeout=timedelta(seconds=GRACEFUL_STOP_S),
        interceptors=[Heartbeats(), Discretion(), *interceptors],
    )


async def _connect_when_it_is_there(settings: Settings) -> Pool:
    while True:
        try:
            return await connect_pool(
                settings.database_url,
                size=settings.database_pool_size,
                application_name="ordersaga-worker",
            )
        except DatabaseUnavailable as error:
            log.warning("worker.waits_for_database", error=str(error))
            await asyncio.sleep(RECONNECT_S)


async def work_until(stop: asyncio.Event, beside: Sequence[asyncio.Task[None]]) -> None:
    """Until it is told to stop. None of what works beside ends by itself: one that does ends the process."""
    told = asyncio.create_task(stop.wait())
    try:
        ended, _ = await asyncio.wait({told, *beside}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (told, *beside):
            task.cancel()
        await asyncio.gather(told, *beside, return_exceptions=True)
    for task in ended - {told}:
        raise RuntimeError(f"{task.get_name()} ended by itself") from (
            None if task.cancelled() else task.exception()
        )


async def _unless(stop: asyncio.Event, waiting: Coroutine[Any, Any, There]) -> There | None:
    """What is waited for; None: told to stop before."""
    task, told = asyncio.create_task(waiting), asyncio.create_task(stop.wait())
    await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None


def _spare_collector() -> None:
    """What is there at the start stays to the end, so nobody looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_EVERY)


def stop_when_told() -> asyncio.Event:
    """Set by SIGTERM and SIGINT, to this process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return stop


async def run_worker(settings: Settings, interceptors: Sequence[Interceptor] = ()) -> None:
    """Works until SIGTERM or SIGINT, then ends what is under way and stops."""
    await work(settings, stop_when_told(), interceptors)


async def work(
    settings: Settings,
    stop: asyncio.Event,
    interceptors: Sequence[Interceptor] = (),
    *,
    share: Callable[[Client], None] = lambda _: None,
) -> None:
    """Works until `stop`. `share`: told of the connection to Temporal, once it is there."""
    pool = await _unless(stop, _connect_when_it_is_there(settings))
    if pool is None:
        return
    try:
        client = await _unless(stop, connect(settings.payload_keys, lazy=False))
        if client is None:
            return
        share(client)
        sweep = Sweep(pool, OrderWorkflows(client, settings), settings)
        async with (
            activities_of(settings, pool) as activities,
            sinks_of(settings, pool) as sinks,
            build_worker(client, settings, activities, interceptors),
        ):
            relay = Relay(
                pool,
                database_url=settings.database_url,
                publishers=sinks.publishers,
                fan_outs=sinks.fan_outs,
                kept_s=settings.events_kept_s,
            )
            beside = [
                asyncio.create_task(each(), name=each.__qualname__)
                for each in (sweep.run_forever, relay.run_forever, *sinks.background)
            ]
            if settings.metrics_address:
                host, _, port = settings.metrics_address.partition(":")
                start_http_server(int(port), addr=host)
            _spare_collector()
            log.info("worker.ready", task_queue=settings.task_queue)
            print("worker ready", flush=True)
            await work_until(stop, beside)
    finally:
        await pool.close()
    log.info("worker.stopped")
