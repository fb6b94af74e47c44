"""Payments at a provider, one step each: ask, take, and the way back.

After an unclear answer the provider is asked how it stands before anything else is asked of it.
"""

from __future__ import annotations

from temporalio import activity

from activities.steps import ExaminePayment, PaymentStep, RefundStep, calling_a_person
from ordersaga.keys import Step
from ordersaga.methods import METHODS
from ordersaga.order import RefundPlan, Refusal, Vote
from ordersaga.ports import (
    Destination,
    Op,
    PaymentGateway,
    PaymentRequest,
    Records,
    RemotePayment,
)


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
    async def check_payment(self, ask: PaymentStep) -> Vote:
        """How a payment that waits for its payer stands at its provider."""
        payment = await self._records.payment(ask.step, ask.payment.id)
        answer = await self._gateway.retrieve(_reference(payment), payment.request)
        return await self._records.payment_answered(ask.step, ask.payment.id, answer)

    @activity.defn
    async def capture_payment(self, ask: PaymentStep) -> Vote:
        """Takes held money. Undone by `undo_payment`."""
        too_late = await self._records.may_take(ask.step)
        if too_late is not None:
            return too_late
        payment = await self._records.payment(ask.step, ask.payment.id)
        reference = _reference(payment)
        if ask.is_repeat or activity.info().attempt > 1:
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
                    ask.step, ask.payment.id, amount=0, to="payer"
                )
                return "never_asked"
            answer = await self._gateway.retrieve(payment.reference, payment.request)
            if answer.state not in ("canceled", "taken"):
                answer = await self._gateway.cancel(payment.reference, payment.request)
            if answer.state == "taken":
                to = await self._send_back(
                    ask.step, payment.request, answer.reference, amount=answer.captured, op="undo"
                )
                await self._records.payment_given_back(
                    ask.step, ask.payment.id, amount=answer.captured, to=to
                )
                return f"back_to_{to}"
            await self._records.payment_given_back(ask.step, ask.payment.id, amount=0, to="payer")
            return "canceled"

    @activity.defn
    async def refund_payment(self, ask: RefundStep) -> str:
        """Gives some of a taken payment back; says where to."""
        async with calling_a_person(self._records, ask.step):
            if await self._records.begin(ask.step) is not None:
                return "done_before"
            plan = ask.refund
            payment = await self._records.payment(ask.step, plan.payment_id)
            to = await self._send_back(
                ask.step, payment.request, _reference(payment), amount=plan.amount, op="hold"
            )
            await self._records.refunded(ask.step, plan, to=to)
            return f"back_to_{to}"

    @activity.defn
    async def examine_payment(self, ask: ExaminePayment) -> tuple[RefundPlan, ...]:
        """Looks at a payment that nobody waits for; returns what has to go back of it."""
        async with calling_a_person(self._records, ask.step):
            payment = await self._records.payment(ask.payment, ask.news.payment_id)
            if payment.reference is None:
                return ()  # nothing was ever asked of its provider
            answer = await self._gateway.retrieve(payment.reference, payment.request)
            return await self._records.payment_examined(ask.news, answer)

    async def _send_back(
        self, step: Step, request: PaymentRequest, reference: str, *, amount: int, op: Op
    ) -> Destination:
        """The exact inverse of taking: a refund, or store credit where the method has none."""
        if not METHODS[request.method].refundable:
            return "store_credit"  # posted with the record of it
        await self._gateway.refund(reference, request, amount=amount, refund_key=f"{step.key}:{op}")
        return "payer"

    async def _ask(self, ask: PaymentStep) -> Vote:
        """Store the intent, make the payment, store its reference, and only then ask for money."""
        answered = await self._records.begin(ask.step)
        if answered is not None:
            return answered
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
            too_late = await self._records.begin(ask.step)
            assert too_late is not None, "only an undo bars a reference, and it votes no"
            return too_late
        return kept


def _reference(payment: RemotePayment) -> str:
    """Only a payment that was asked for is waited for, captured or refunded."""
    assert payment.reference is not None, f"{payment.request.payment_id} was never made"
    return payment.reference
