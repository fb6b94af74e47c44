"""What activities are asked with: references, never personal data; and what makes a person look."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio import activity
from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.service import RPCError

from ordersaga import keys
from ordersaga.errors import OrdersagaError, Unavailable
from ordersaga.keys import Step
from ordersaga.messages import CarrierNews, PaymentNews
from ordersaga.order import PaymentPlan, RefundPlan, Refusal
from ordersaga.ports import Records

# Three may be a hiccup; by the fifth some ten seconds have passed.
TRIES_BEFORE_ATTENTION: Final = 5
ATTENTION_SIGNAL: Final = "attention"  # takes the step's name
SIGNAL_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True)
class HoldOwnSite:
    """Hold these steps of our own site."""

    order_id: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Decide:
    """Decide: `confirm` unless there is an objection. `nothing_else`: no remote step was begun.

    `holding`: these steps of our own site are held first, in the same transaction.
    """

    order_id: str
    objection: Refusal | None
    nothing_else: bool
    holding: tuple[str, ...] = ()


@dataclass(frozen=True)
class Because:
    """An order, and why."""

    order_id: str
    reason: Refusal


@dataclass(frozen=True)
class PaymentStep:
    """One payment of one order. `is_repeat`: it was asked before, and what came of it is not known."""

    order_id: str
    payment: PaymentPlan
    is_repeat: bool = False

    @property
    def step(self) -> Step:
        """Holding and taking it; and the undo of that."""
        return Step(self.order_id, keys.payment_step(self.payment.id))


@dataclass(frozen=True)
class RefundStep:
    """Giving some of one payment back after `confirm`."""

    order_id: str
    refund: RefundPlan

    @property
    def step(self) -> Step:
        return Step(self.order_id, self.refund.step)


@dataclass(frozen=True)
class ExaminePayment:
    """Something was heard of a payment that nobody waits for."""

    order_id: str
    news: PaymentNews

    @property
    def payment(self) -> Step:
        """What its provider knows it by."""
        return Step(self.order_id, keys.payment_step(self.news.payment_id))

    @property
    def step(self) -> Step:
        """Looking at it: never fenced, it may be done again and again."""
        return Step(self.order_id, keys.books_step(self.news.payment_id))


@dataclass(frozen=True)
class FollowParcel:
    """The parcel of one order was seen."""

    order_id: str
    news: CarrierNews


@dataclass(frozen=True)
class ParcelStep:
    """The parcel of one order. `in_undo`: nobody was told to come, so a cancel takes no no."""

    order_id: str
    shipment_id: str
    in_undo: bool = False

    @property
    def step(self) -> Step:
        """Booking it; and the undo of that."""
        return Step(self.order_id, keys.parcel_step(self.shipment_id))

    @property
    def release(self) -> Step:
        """Telling the carrier to come."""
        return Step(self.order_id, keys.release_step(self.shipment_id))


@asynccontextmanager
async def calling_a_person(records: Records, step: Step) -> AsyncIterator[None]:
    """Around a step that is retried without end: from the fifth failure on it calls a person.

    The failure is raised all the same, and the retries go on.
    """
    try:
        yield
    except Exception as error:
        tries = activity.info().attempt
        if tries >= TRIES_BEFORE_ATTENTION:
            with suppress(Unavailable):  # then the next failure raises it
                await records.raise_attention(step.order_id, step.name, _told(error), tries)
            with suppress(RPCError, RuntimeError):  # the SDK's own, where nobody listens
                await _tell_workflow(step)
        raise


async def _tell_workflow(step: Step) -> None:
    """So that Temporal's pages and searches say so too.

    Told at every failure, heard once: the server drops a signal of an id that it had before.
    """
    info, client = activity.info(), activity.client()
    assert info.workflow_id is not None, "a step is a workflow's"
    assert info.workflow_run_id is not None, "and of one run of it"
    request = SignalWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(
            workflow_id=info.workflow_id, run_id=info.workflow_run_id
        ),
        signal_name=ATTENTION_SIGNAL,
        request_id=f"{step.name}:{info.activity_id}",
        input=Payloads(payloads=await client.data_converter.encode([step.name])),
    )
    await client.workflow_service.signal_workflow_execution(request, timeout=SIGNAL_TIMEOUT)


def _told(error: Exception) -> str:
    """In our own words where they are ours; another's may quote what somebody sent."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, OrdersagaError) else name
