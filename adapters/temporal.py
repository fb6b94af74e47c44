"""Orders' workflows as seen from outside: started, and told what somebody asks of them.

All that is told is in PostgreSQL already. A call that fails loses nothing: a sweep makes it again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Final, Literal

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from adapters.payload_codec import data_converter
from adapters.temporal_attempts import Attempted, read_attempts
from ordersaga import keys
from ordersaga.config import PayloadKey, Settings
from ordersaga.errors import EngineUnavailable
from ordersaga.lifecycle import PaymentStatus, Status
from ordersaga.messages import CarrierNews, PaymentNews, PaymentNewsTicket
from ordersaga.money import format_amount
from ordersaga.order import GiveBackTicket, Launch, OrderRequest
from workflows import names

RPC_TIMEOUT_S: Final = 5.0  # a start takes 5 ms, or seconds under load; a sweep makes up for it
GIVE_UP_S: Final = 5.5  # with the first connection, which the SDK does not count
LOOK_TIMEOUT_S: Final = 2.0  # somebody waits for a page, which has most of it from our own tables
CHECK_TIMEOUT_S: Final = 1.0  # readiness is asked every few seconds
TASK_TIMEOUT_S: Final = 5  # a killed worker's task goes to another after this; one takes 50 ms
RECONNECT_S: Final = 1.0
# With more orders waited for in a process, one that began at once would pass those in the queue.
CROWD: Final = 100
CUSTOMER_HASH_BYTES: Final = 16

Started = Literal["started", "already_started"]
Delivered = Literal["accepted", "no_workflow"]  # no_workflow: not started yet, or ended


async def connect(payload_keys: Sequence[PayloadKey] = (), *, lazy: bool = True) -> Client:
    """A client by the SDK's own settings (`TEMPORAL_*`); what it sends is encrypted where there are keys.

    A lazy one connects when it is first used; else, as a worker needs it, this waits for Temporal.
    """
    config = ClientConfig.load_client_connect_config()
    while True:
        try:
            return await Client.connect(
                **config, lazy=lazy, data_converter=data_converter(payload_keys)
            )
        except RuntimeError:  # the SDK's word for a server that does not answer
            await asyncio.sleep(RECONNECT_S)


class OrderWorkflows:
    """The workflows that own orders. Each call raises `EngineUnavailable` on an outage."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._task_queue = settings.task_queue

    def share(self, client: Client) -> None:
        """From here on by this connection, a worker's: what is started begins in that worker, at once."""
        self._client = client

    @property
    def namespace(self) -> str:
        return self._client.namespace

    async def start(self, launch: Launch, *, again: bool = False, waiting: int = 0) -> Started:
        """Starts an order's workflow, once: one that is there or was there is left as it is.

        `again`: where the one that was there failed or was terminated, another is started.
        `waiting`: how many orders somebody waits for here; of a `CROWD` they go through the queue, in turn.
        """
        ticket = launch.ticket
        try:
            with _outages_translated():
                async with asyncio.timeout(GIVE_UP_S):
                    await self._client.start_workflow(
                        names.ORDER_WORKFLOW,
                        ticket,
                        id=keys.workflow_id(ticket.order_id),
                        task_queue=self._task_queue,
                        id_reuse_policy=_reuse(again=again),
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                        search_attributes=_search_attributes(launch),
                        static_summary=summarise(launch),
                        static_details=describe(launch),
                        # Only heard where a worker shares the connection.
                        request_eager_start=waiting <= CROWD,
                        task_timeout=timedelta(seconds=TASK_TIMEOUT_S),
                        rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S),
                    )
        except WorkflowAlreadyStartedError:
            return "already_started"
        return "started"

    async def start_return(self, ticket: GiveBackTicket, *, again: bool = False) -> Started:
        """Starts a return's workflow, once; `again` as in `start`."""
        assert ticket.return_id is not None
        return await self._start_beside(
            names.RETURN_WORKFLOW,
            ticket,
            workflow_id=keys.return_workflow_id(ticket.return_id),
            **_give_back(ticket, f"return {ticket.return_id}, once its goods are received"),
            again=again,
        )

    async def start_refund(self, ticket: GiveBackTicket, *, again: bool = False) -> Started:
        """Starts the workflow of a refund without a return, once; `again` as in `start`."""
        assert ticket.request_id is not None
        return await self._start_beside(
            names.REFUND_WORKFLOW,
            ticket,
            workflow_id=keys.refund_workflow_id(ticket.request_id),
            **_give_back(ticket, f"request {ticket.request_id}, without a return"),
            again=again,
        )

    async def start_payment_news(self, ticket: PaymentNewsTicket) -> Started:
        """Starts what looks at a payment whose order is over: once for each message."""
        news = ticket.news
        return await self._start_beside(
            names.PAYMENT_NEWS_WORKFLOW,
            ticket,
            workflow_id=keys.payment_news_workflow_id(ticket.order_id, news.event_id),
            summary=f"{news.type} was heard of {news.payment_id}, after its order's end",
            details=f"`{news.type}` was heard of payment `{news.payment_id}` after the end of order "
            f"`{ticket.order_id}`. Its provider is asked; what came too late goes back.",
            again=True,
        )

    async def has_looked(self, ticket: PaymentNewsTicket) -> bool:
        """Whether that workflow is done: what it saw is written down, and went back."""
        handle = self._client.get_workflow_handle(
            keys.payment_news_workflow_id(ticket.order_id, ticket.news.event_id)
        )
        with _outages_translated():
            async with asyncio.timeout(GIVE_UP_S):
                found = await handle.describe(rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S))
        return found.status == WorkflowExecutionStatus.COMPLETED

    async def _start_beside(
        self,
        name: str,
        ticket: GiveBackTicket | PaymentNewsTicket,
        *,
        workflow_id: str,
        summary: str,
        details: str,
        again: bool,
    ) -> Started:
        """A workflow of its own, beside the order's."""
        try:
            with _outages_translated():
                async with asyncio.timeout(GIVE_UP_S):
                    await self._client.start_workflow(
                        name,
                        ticket,
                        id=workflow_id,
                        task_queue=self._task_queue,
                        id_reuse_policy=_reuse(again=again),
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                        static_summary=summary,
                        static_details=details,
                        task_timeout=timedelta(seconds=TASK_TIMEOUT_S),
                        rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S),
                    )
        except WorkflowAlreadyStartedError:
            return "already_started"
        return "started"

    async def tell_return(self, return_id: str, status: str) -> Delivered:
        """Tells a return's workflow to look: it is `status` now. Told again, it does not hear it twice."""
        request = SignalWorkflowExecutionRequest(
            namespace=self.namespace,
            workflow_execution=WorkflowExecution(workflow_id=keys.return_workflow_id(return_id)),
            signal_name=names.LOOK_SIGNAL,
            request_id=f"{return_id}:{status}",  # the server drops a signal that it had before
        )
        with _outages_translated():
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await self._client.workflow_service.signal_workflow_execution(
                        request, timeout=timedelta(seconds=RPC_TIMEOUT_S)
                    )
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return "no_workflow"
                raise
        return "accepted"

    async def deliver(self, workflow_id: str, request: OrderRequest) -> Delivered:
        """Tells an order's workflow, or a refund's; it takes each request once, by its id."""
        handle = self._client.get_workflow_handle(workflow_id)
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

    async def tell(self, order_id: str, news: PaymentNews | CarrierNews) -> Delivered:
        """Tells the order's workflow what was heard from outside."""
        if isinstance(news, PaymentNews):
            return await self.signal_payment(order_id, news)
        return await self.signal_carrier(order_id, news)

    async def signal_payment(self, order_id: str, news: PaymentNews) -> Delivered:
        """Tells the order's workflow that something happened to a payment."""
        return await self._signal(order_id, names.PAYMENT_EVENT, news)

    async def signal_carrier(self, order_id: str, news: CarrierNews) -> Delivered:
        """Tells the order's workflow how its parcel stands; where, in whose words, is in the inbox."""
        told = replace(news, location=None, detail=None)
        return await self._signal(order_id, names.CARRIER_EVENT, told)

    async def _signal(self, order_id: str, name: str, news: PaymentNews | CarrierNews) -> Delivered:
        handle = self._client.get_workflow_handle(keys.workflow_id(order_id))
        with _outages_translated():
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await handle.signal(name, news, rpc_timeout=timedelta(seconds=RPC_TIMEOUT_S))
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return "no_workflow"
                raise
        return "accepted"

    async def attempts(self, order_id: str) -> tuple[Attempted, ...]:
        """The tries of an order's remote steps; none where Temporal has forgotten it."""
        with _outages_translated():
            try:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    return await read_attempts(self._client, keys.workflow_id(order_id))
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return ()
                raise

    async def reachable(self) -> bool:
        """Whether Temporal serves now."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                return await self._client.service_client.check_health(
                    timeout=timedelta(seconds=CHECK_TIMEOUT_S)
                )
        except (RPCError, RuntimeError, TimeoutError):
            return False


async def reach(settings: Settings) -> OrderWorkflows:
    """By a connection that is made when it is first used: Temporal may be away."""
    return OrderWorkflows(await connect(settings.payload_keys), settings)


def _reuse(*, again: bool) -> WorkflowIDReusePolicy:
    if again:
        return WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    return WorkflowIDReusePolicy.REJECT_DUPLICATE


def hash_customer(tenant: str, customer_id: str) -> str:
    """What Temporal knows a customer by: the same for all orders of one customer of one tenant."""
    tenant_key = hashlib.sha256(tenant.encode()).digest()
    digest = hashlib.blake2b(customer_id.encode(), key=tenant_key, digest_size=CUSTOMER_HASH_BYTES)
    return digest.hexdigest()


def summarise(launch: Launch) -> str:
    """`3 units for 95.58 BRL, paid by voucher and card, sent to BR by merchant`"""
    ticket = launch.ticket
    methods = " and ".join(dict.fromkeys(p.method for p in ticket.payments))
    total = format_amount(ticket.total, ticket.currency)
    paid = f"paid by {methods}" if methods else "to be paid later"
    return (
        f"{_units(launch)} for {total}, {paid}, sent to {launch.country} by {ticket.parcel.carrier}"
    )


def describe(launch: Launch) -> str:
    """What is sold, each payment, the parcel, and until when it waits to be paid; as Markdown."""
    ticket, currency = launch.ticket, launch.ticket.currency
    sold = f"Order `{ticket.order_id}` sells {_units(launch)} for {format_amount(ticket.total, currency)}."
    payments = [
        f"- {format_amount(p.amount, currency)} is paid by {p.method}: `{p.id}`."
        for p in ticket.payments
    ]
    parcel = ticket.parcel
    sent = f"- The parcel goes to {launch.country} by {parcel.carrier}, {parcel.service}: `{parcel.id}`."
    deadline = f"{ticket.deadline.astimezone(UTC):%-d %b %Y, %H:%M} UTC"
    waits = f"It waits to be paid until {deadline}; a slip has a deadline of its own."
    resumed = ["A workflow before this one was lost; this one goes on."] * ticket.is_resumed
    return "\n\n".join([sold, "\n".join([*payments, sent]), waits, *resumed])


def _units(launch: Launch) -> str:
    return "1 unit" if launch.units == 1 else f"{launch.units} units"


def _give_back(ticket: GiveBackTicket, why: str) -> dict[str, str]:
    """Summary and details of what gives money back."""
    money = format_amount(ticket.amount, ticket.currency)
    return {
        "summary": f"{money} of {ticket.order_id} goes back: {why}",
        "details": f"{money} of order `{ticket.order_id}` goes back: {why}. "
        "How much of which payment stands in the order's `refunds`.",
    }


def _search_attributes(launch: Launch) -> TypedSearchAttributes:
    customer = hash_customer(launch.tenant, launch.customer_id)
    return TypedSearchAttributes(
        [
            SearchAttributePair(names.ORDER_STATUS, Status.PENDING),
            SearchAttributePair(names.PAYMENT_STATUS, PaymentStatus.UNPAID),
            SearchAttributePair(names.CUSTOMER_ID, customer),
            SearchAttributePair(names.ORDER_TOTAL, launch.ticket.total),
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
