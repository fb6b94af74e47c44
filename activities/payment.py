"""Payments at a provider, one step each: ask, take, and the way back.

After an unclear answer the provider is asked how it stands before anything else is asked of it.
"""

from __future__ import annotations

from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.steps import PaymentStep, calling_a_person
from ordersaga.keys import Step
from ordersaga.methods import METHODS
from ordersaga.order import Refusal, Vote
from ordersaga.ports import (
    Destination,
    Op,
    PaymentGateway,
    PaymentRequest,
    ProviderPayment,
    Records,
    RemotePayment,
)

STILL_WAITING: Final = "StillWaiting"  # the payer has not acted yet: the queue asks again later


class PaymentActivities:
    """The queued lane of payments."""

    def __init__(self, gateway: PaymentGateway, records: Records) -> None:
        self._gateway = gateway
        self._records = records

    @activity.defn
    async def authorize_payment(self, ask: PaymentStep) -> Vote:
        """Holds the money. Undone by `undo_payment`."""
        return await self._ask(ask)

    @activity.defn
    async def charge_payment(self, ask: PaymentStep) -> Vote:
        """Takes money that cannot be held, or issues a slip for it. Undone by `undo_payment`."""
        return await self._ask(ask)

    @activity.defn
    async def await_payer(self, ask: PaymentStep) -> Vote:
        """How the payment stands at its provider; a benign failure for as long as it waits."""
        payment = await self._records.payment(ask.step, ask.payment.id)
        reference = _reference(payment)
        answer = await self._gateway.retrieve(reference, payment.request)
        if answer.state in ("requires_action", "processing"):
            raise ApplicationError(
                f"{ask.payment.method} is {answer.state}",
                type=STILL_WAITING,
                category=ApplicationErrorCategory.BENIGN,
            )
        return await self._records.payment_answered(ask.step, ask.payment.id, answer)

    @activity.defn
    async def capture_payment(self, ask: PaymentStep) -> Vote:
        """Takes held money. Undone by `undo_payment`."""
        too_late = await self._records.may_take(ask.step)
        if too_late is not None:
            return too_late
        payment = await self._records.payment(ask.step, ask.payment.id)
        reference = _reference(payment)
        if activity.info().attempt > 1:
            answer = await self._gateway.retrieve(reference, payment.request)
            if answer.state == "held" and answer.refusal is None:
                answer = await self._gateway.capture(reference, payment.request)
        else:
            answer = await self._gateway.capture(reference, payment.request)
        return await self._records.payment_captured(ask.step, ask.payment.id, answer)

    @activity.defn
    async def undo_payment(self, ask: PaymentStep) -> str:
        """Cancels what is held, refunds what is taken, bars what is under way; says which it was."""
        async with calling_a_person(self._records, ask.step):
            began = await self._records.begin_undo(ask.step)
            if began != "undo":
                return began
            payment = await self._records.payment(ask.step, ask.payment.id)
            if payment.reference is None:  # made, perhaps, but nobody ever asks money of it
                await self._records.payment_given_back(
                    ask.step, "undo", ask.payment.id, amount=0, to="payer"
                )
                return "never_asked"
            answer = await self._gateway.retrieve(payment.reference, payment.request)
            if answer.state not in ("canceled", "taken"):
                answer = await self._gateway.cancel(payment.reference, payment.request)
            if answer.state == "taken":
                return await self._give_back(ask, ask.step, payment.request, answer)
            await self._records.payment_given_back(
                ask.step, "undo", ask.payment.id, amount=0, to="payer"
            )
            return "canceled"

    @activity.defn
    async def refund_payment(self, ask: PaymentStep) -> str:
        """Gives taken money back after `confirm`; says where to."""
        async with calling_a_person(self._records, ask.refund):
            begun = await self._records.begin(ask.refund)
            if begun.vote is not None:
                return "done_before"
            payment = await self._records.payment(ask.refund, ask.payment.id)
            answer = await self._gateway.retrieve(_reference(payment), payment.request)
            return await self._give_back(ask, ask.refund, payment.request, answer)

    async def _give_back(
        self, ask: PaymentStep, step: Step, request: PaymentRequest, answer: ProviderPayment
    ) -> str:
        """The exact inverse of taking: a refund, or store credit where the method has none."""
        op: Op = "undo" if step == ask.step else "hold"
        to: Destination = "store_credit"
        if METHODS[request.method].refundable:
            to = "payer"
            await self._gateway.refund(
                answer.reference, request, amount=answer.captured, refund_key=f"{step.key}:{op}"
            )
        await self._records.payment_given_back(
            step, op, ask.payment.id, amount=answer.captured, to=to
        )
        return f"back_to_{to}"

    async def _ask(self, ask: PaymentStep) -> Vote:
        """Store the intent, make the payment, store its reference, and only then ask for money."""
        begun = await self._records.begin(ask.step)
        if begun.vote is not None:
            return begun.vote
        payment = await self._records.payment(ask.step, ask.payment.id)
        if payment.reference is None:
            made = await self._make(ask, payment)
            if isinstance(made, Vote):
                return made
            answer = await self._gateway.confirm(made, payment.request)
        else:
            answer = await self._gateway.retrieve(payment.reference, payment.request)
            if answer.state == "unconfirmed" and answer.refusal is None:
                answer = await self._gateway.confirm(payment.reference, payment.request)
        return await self._records.payment_answered(ask.step, ask.payment.id, answer)

    async def _make(self, ask: PaymentStep, payment: RemotePayment) -> str | Vote:
        """A payment at the provider by a reference that we have stored; or why there is none."""
        made = await self._gateway.create(payment.request)
        if isinstance(made, Refusal):
            return await self._records.payment_refused(ask.step, ask.payment.id, made)
        kept = await self._records.keep_reference(ask.step, ask.payment.id, made)
        if kept is None:
            await self._gateway.cancel(made, payment.request)
            begun = await self._records.begin(ask.step)
            assert begun.vote is not None, "only an undo bars a reference, and it votes no"
            return begun.vote
        return kept


def _reference(payment: RemotePayment) -> str:
    """Only a payment that was asked for is waited for, captured or refunded."""
    assert payment.reference is not None, f"{payment.request.payment_id} was never made"
    return payment.reference
