"""Orders' workflows as seen from outside: started, and told what somebody asks of them.

All that is told is in PostgreSQL already. A call that fails loses nothing: a sweep makes it again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, Literal

from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowUpdateStage
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.lifecycle import PaymentStatus, Status
from ordersaga.money import format_amount
from ordersaga.order import Launch, OrderRequest
from workflows import names

RPC_TIMEOUT_S: Final = 5.0  # a start takes 5 ms, or seconds under load; a sweep makes up for it
GIVE_UP_S: Final = 5.5  # with the first connection, which the SDK does not count
CHECK_TIMEOUT_S: Final = 1.0  # readiness is asked every few seconds
TASK_TIMEOUT_S: Final = 5  # a killed worker's task goes to another after this; one takes 50 ms
RECONNECT_S: Final = 1.0
CUSTOMER_HASH_BYTES: Final = 16

ORDER_STATUS: Final = SearchAttributeKey.for_keyword(names.ORDER_STATUS)
PAYMENT_STATUS: Final = SearchAttributeKey.for_keyword(names.PAYMENT_STATUS)
CUSTOMER_ID: Final = SearchAttributeKey.for_keyword(names.CUSTOMER_ID)
ORDER_TOTAL: Final = SearchAttributeKey.for_int(names.ORDER_TOTAL)

Started = Literal["started", "already_started"]
Delivered = Literal["accepted", "no_workflow"]  # no_workflow: not started yet, or ended


async def connect(*, lazy: bool = True) -> Client:
    """A client by the SDK's own settings (`TEMPORAL_*`).

    A lazy one connects when it is first used; else, as a worker needs it, this waits for Temporal.
    """
    config = ClientConfig.load_client_connect_config()
    while True:
        try:
            return await Client.connect(**config, lazy=lazy, data_converter=pydantic_data_converter)
        except RuntimeError:  # the SDK's word for a server that does not answer
            await asyncio.sleep(RECONNECT_S)


class OrderWorkflows:
    """The workflows that own orders. Each call raises `EngineUnavailable` on an outage."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._task_queue = settings.task_queue

    @property
    def namespace(self) -> str:
        return self._client.namespace

    async def start(self, launch: Launch, *, again: bool = False) -> Started:
        """Starts an order's workflow, once: one that is there or was there is left as it is.

        `again`: where the one that was there failed or was terminated, another is started.
        """
        reuse = WorkflowIDReusePolicy.REJECT_DUPLICATE
        if again:
            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        ticket = launch.ticket
        try:
            with _outages_translated():
                async with asyncio.timeout(GIVE_UP_S):
                    await self._client.start_workflow(
                        names.ORDER_WORKFLOW,
                        ticket,
                        id=keys.workflow_id(ticket.order_id),
                        task_queue=self._task_queue,
                        id_reuse_policy=reuse,
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                        search_attributes=_search_attributes(launch),
                        static_summary=summarise(launch),
                        static_details=describe(launch),
                        task_timeout=timedelta(seconds=TASK_TIMEOUT_S),
                        rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S),
                    )
        except WorkflowAlreadyStartedError:
            return "already_started"
        return "started"

    async def deliver(self, order_id: str, request: OrderRequest) -> Delivered:
        """Tells the order's workflow; it takes each request once, by its id."""
        handle = self._client.get_workflow_handle(keys.workflow_id(order_id))
        with _outages_translated():
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await handle.start_update(
                        names.REQUEST_UPDATE,
                        request,
                        id=request.id,
                        wait_for_stage=WorkflowUpdateStage.ACCEPTED,
                        rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S),
                    )
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return "no_workflow"
                raise
        return "accepted"

    async def reachable(self) -> bool:
        """Whether Temporal serves now."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._client.service_client.check_health(
                    timeout=timedelta(seconds=CHECK_TIMEOUT_S)
                )
        except (RPCError, RuntimeError, TimeoutError):
            return False


def hash_customer(tenant: str, customer_id: str) -> str:
    """What Temporal knows a customer by: the same for all orders of one customer of one tenant."""
    tenant_key = hashlib.sha256(tenant.encode()).digest()
    digest = hashlib.blake2b(customer_id.encode(), key=tenant_key, digest_size=CUSTOMER_HASH_BYTES)
    return digest.hexdigest()


def summarise(launch: Launch) -> str:
    """`3 units for 95.58 BRL by card, to BR by merchant`."""
    ticket = launch.ticket
    units = "1 unit" if launch.units == 1 else f"{launch.units} units"
    methods = " + ".join(dict.fromkeys(p.method for p in ticket.payments)) or "nothing yet"
    total = format_amount(ticket.total, ticket.currency)
    return f"{units} for {total} by {methods}, to {launch.country} by {ticket.parcel.carrier}"


def describe(launch: Launch) -> str:
    """Each payment and the parcel, a line each, as Markdown."""
    ticket = launch.ticket
    payments = [
        f"- `{p.id}`: {format_amount(p.amount, ticket.currency)} by {p.method}"
        for p in ticket.payments
    ]
    parcel = f"- `{ticket.parcel.id}`: {ticket.parcel.carrier} {ticket.parcel.service}"
    return "\n".join([*payments, f"{parcel}, to {launch.country}"])


def _search_attributes(launch: Launch) -> TypedSearchAttributes:
    customer = hash_customer(launch.tenant, launch.customer_id)
    return TypedSearchAttributes(
        [
            SearchAttributePair(ORDER_STATUS, Status.PENDING),
            SearchAttributePair(PAYMENT_STATUS, PaymentStatus.UNPAID),
            SearchAttributePair(CUSTOMER_ID, customer),
            SearchAttributePair(ORDER_TOTAL, launch.ticket.total),
        ]
    )


@contextmanager
def _outages_translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise EngineUnavailable(f"Temporal: no answer in {GIVE_UP_S} s") from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise EngineUnavailable("Temporal: nobody took the request in time") from error
    except RuntimeError as error:  # how the SDK says that it could not connect
        raise EngineUnavailable(f"Temporal: {error}") from error
    except RPCError as error:
        raise EngineUnavailable(f"Temporal: {error.status.name}") from error
