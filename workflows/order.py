"""The order as a durable workflow: `run` is the business; `saga.py` and `policy.py` its plumbing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from activities.parcel import ParcelActivities
    from activities.payment import PaymentActivities
    from activities.steps import Because, Decide, HoldOwnSite, ParcelStep, PaymentStep
    from ordersaga import keys
    from ordersaga.lifecycle import PaymentStatus, Status
    from ordersaga.methods import METHODS
    from ordersaga.money import format_amount
    from ordersaga.order import (
        CANCEL_ASKED,
        PAYMENT_EXPIRED,
        Decision,
        OrderRequest,
        OrderTicket,
        Outcome,
        PaymentPlan,
        Refusal,
        Standing,
    )
    from workflows import names, policy
    from workflows.cancellation import cancel_is_a_request, until
    from workflows.saga import OUT_OF_PATIENCE, SKIPPED, Handle, Obligation, Saga, Skipped

ORDER_STATUS = SearchAttributeKey.for_keyword(names.ORDER_STATUS)
PAYMENT_STATUS = SearchAttributeKey.for_keyword(names.PAYMENT_STATUS)


@workflow.defn(name=names.ORDER_WORKFLOW)
class OrderWorkflow:
    """Brings payment, stock and parcel of one order to one decision, and sees it through."""

    @workflow.init
    def __init__(self, ticket: OrderTicket) -> None:
        self._order = ticket
        self._payments = ticket.payments
        self._saga = Saga()
        self._release_refused: Refusal | None = None  # the carrier will not come

    @workflow.run
    @cancel_is_a_request
    async def run(self, ticket: OrderTicket) -> Outcome:
        if ticket.is_resumed:
            self._owe_what_was_begun_before()
        objection = (
            await self._hold_our_own()
            or await self._wait_until_buyer_pays()
            or await self._hold_elsewhere()
            or await self._charge()
            or await self._book_parcel_if_it_waited()
            or await self._capture()
        )
        decision = await self._decide(objection)
        if decision.verdict == "undo":
            return await self._undo(decision)
        return await self._see_through()

    # --- What people ask meanwhile ----------------------------------------------------------------

    @workflow.update(name=names.REQUEST_UPDATE)
    def request(self, request: OrderRequest) -> None:
        """Takes what was asked; the answer is written with the order, where everybody sees it."""
        match request.kind:
            case "cancel":
                self._saga.cancel = self._saga.cancel or request
            case "pay":
                self._payments = self._payments or request.payments
            case "attention":
                self._saga.instruct(request)

    def cancel_from_engine(self) -> None:
        """Temporal's own cancel of this workflow: the same as anybody's."""
        self._saga.cancel = self._saga.cancel or OrderRequest(
            id="engine", kind="cancel", requested_by="temporal"
        )

    # --- Hold and take ----------------------------------------------------------------------------

    async def _hold_our_own(self) -> Refusal | None:
        """Stock, store credit, vouchers and the merchant's parcel: one transaction."""
        parcel = self._order.parcel
        steps = [keys.STOCK, *(p.step for p in self._payments if p.is_ours)]
        return await self._hold([*steps, parcel.step] if parcel.is_ours else steps)

    async def _wait_until_buyer_pays(self) -> Refusal | None:
        """An order that came without payments."""
        if self._order.payments or self._order.total == 0:
            return None  # (payments that came since are not held yet: only those it came with are)
        self._tell("Waits for the buyer to pay.")
        try:
            await until(
                lambda: bool(self._payments) or self._saga.cancel is not None,
                timeout=self._patience_for_payer,
                summary="the buyer pays",
            )
        except TimeoutError:
            return Refusal("payment", PAYMENT_EXPIRED, OUT_OF_PATIENCE[PAYMENT_EXPIRED])
        ours = [p.step for p in self._payments if p.is_ours]
        return await self._hold(ours) if ours else None

    async def _hold_elsewhere(self) -> Refusal | None:
        """What can be held at others, side by side; the parcel too, unless its money is slow."""
        holdable = [p for p in self._remote_payments if METHODS[p.method].holdable]
        for payment in holdable:
            self._ask_payment(payment, PaymentActivities.authorize_payment, "hold")
        if not self._parcel_waits:
            self._ask_parcel()
        return await self._saga.answers() or await self._wait_for_payers(holdable)

    async def _charge(self) -> Refusal | None:
        """What cannot be held, only after every hold said yes; slips last, for they have no refund."""
        charged = [p for p in self._remote_payments if not METHODS[p.method].holdable]
        for payment in (p for p in charged if not METHODS[p.method].slow):
            self._ask_payment(payment, PaymentActivities.charge_payment, "charge")
            if objection := await self._saga.answers() or await self._wait_for_payers([payment]):
                return objection
        slips = [p for p in charged if METHODS[p.method].slow]
        for payment in slips:
            self._ask_payment(payment, PaymentActivities.charge_payment, "slip")
        return await self._saga.answers() or await self._wait_for_payers(slips)

    async def _book_parcel_if_it_waited(self) -> Refusal | None:
        if self._parcel_waits:
            self._ask_parcel()
        return await self._saga.answers()

    async def _capture(self) -> Refusal | None:
        """Held money becomes ours, one by one: the last thing that can say no."""
        for payment in (p for p in self._remote_payments if METHODS[p.method].holdable):
            self._ask_payment(payment, PaymentActivities.capture_payment, "capture")
            if objection := await self._saga.answers():
                return objection
        return None

    async def _wait_for_payers(self, payments: Sequence[PaymentPlan]) -> Refusal | None:
        """Those of `payments` that wait for somebody's act, until the order's deadline."""
        waiting = [p for p in payments if self._saga.votes[p.step].answer == "waiting"]
        if waiting:
            self._tell("Waits for the payer.")
        for payment in waiting:
            self._ask_payment(payment, PaymentActivities.await_payer, "payer")
        return await self._saga.answers(patience_ends_as=PAYMENT_EXPIRED)

    # --- Decide, and what follows -------------------------------------------------------------------

    async def _decide(self, objection: Refusal | None) -> Decision:
        """The pivot: one row, written by whoever comes first. What it says is what is done."""
        return await workflow.execute_local_activity_method(
            OwnSiteActivities.decide_order,
            Decide(self._order.order_id, objection, nothing_else=not self._saga.began),
            summary="confirm" if objection is None else f"undo: {objection.code}",
            **policy.LOCAL,
        )

    async def _undo(self, decision: Decision) -> Outcome:
        """Everything that was begun elsewhere is taken back; our own site already is."""
        standing = decision.standing
        if standing.status == Status.COMPENSATING:
            self._show(standing)
        self._tell(f"Undoing: {decision.failure.detail}." if decision.failure else "Undoing.")
        await self._saga.undo_all()
        if standing.status == Status.COMPENSATING:
            standing = await workflow.execute_local_activity_method(
                OwnSiteActivities.close_order, self._order.order_id, **policy.LOCAL
            )
        return self._end(standing, decision.failure)

    async def _see_through(self) -> Outcome:
        """Confirmed: the carrier is told to come; from here an order is only given back as a whole."""
        paid = PaymentStatus.CAPTURED if self._order.total else PaymentStatus.UNPAID
        self._show(Standing(Status.CONFIRMED, paid))
        self._tell(
            "Confirmed. " + ("The merchant ships." if self._is_ours else "The carrier comes.")
        )
        release = asyncio.create_task(self._release())

        def why_given_back() -> Refusal | None:
            if release.done():
                release.result()  # a bug of it is loud here
            if self._saga.cancel is not None:
                return CANCEL_ASKED
            return self._release_refused

        while True:
            await until(lambda: why_given_back() is not None)
            why = why_given_back()
            assert why is not None
            refusal = await self._cancel_parcel()
            if refusal is None:
                release.cancel()
                return await self._reverse(why)
            # The carrier keeps the parcel, so the order stands; a no to the release is settled by this one.
            self._saga.cancel = self._release_refused = None
            await self._local(OwnSiteActivities.refuse_cancel, refusal)

    async def _release(self) -> None:
        """Tells the carrier to come, however often it takes; its no for good is kept."""
        if self._is_ours:
            return
        ask = self._parcel_step
        vote = await self._saga.insist(
            Obligation(ask.release.name, lambda: self._insist_on_parcel(ask, "release"))
        )
        self._release_refused = None if vote is SKIPPED else vote.refusal

    async def _cancel_parcel(self) -> Refusal | None:
        """Asked before any money goes back: a parcel that is on its way refuses the cancel."""
        if self._is_ours:
            return None
        ask = self._parcel_step
        answer: Refusal | Skipped | None = await self._saga.insist(
            Obligation(ask.step.name, lambda: self._insist_on_parcel(ask, "cancel"))
        )
        if answer is SKIPPED:
            return Refusal("parcel", "cancel_skipped", "an operator gave the cancel up")
        return answer

    async def _reverse(self, why: Refusal) -> Outcome:
        """Refund and restock. The parcel's yes, written down, is the reversal's own pivot."""
        self._tell(f"Giving it back: {why.detail}.")
        await self._local(OwnSiteActivities.open_reversal, why)
        self._show(Standing(Status.COMPENSATING, PaymentStatus.CAPTURED))
        await self._saga.insist_on_all(
            self._refund(payment) for payment in reversed(self._remote_payments)
        )
        standing = await workflow.execute_local_activity_method(
            OwnSiteActivities.reverse_own_site, self._order.order_id, **policy.LOCAL
        )
        return self._end(standing, why)

    def _end(self, standing: Standing, failure: Refusal | None) -> Outcome:
        self._show(standing)
        self._tell(f"Ended {standing.status}" + (f": {failure.detail}." if failure else "."))
        return Outcome(self._order.order_id, standing.status, failure)

    # --- How each step is asked, and its undo beside it -------------------------------------------------

    async def _hold(self, steps: Sequence[str]) -> Refusal | None:
        """Our own site's hold; its undo is part of the decision `undo`, in the same transaction."""
        if self._saga.cancel is not None:
            return CANCEL_ASKED
        votes = await workflow.execute_local_activity_method(
            OwnSiteActivities.hold_own_site,
            HoldOwnSite(self._order.order_id, tuple(steps)),
            **policy.LOCAL,
        )
        return next((vote.refusal for vote in votes if vote.refusal), None)

    def _ask_payment(self, payment: PaymentPlan, activity: Callable[..., Any], verb: str) -> None:
        """authorize, charge, capture, await | undo_payment."""
        ask = PaymentStep(self._order.order_id, payment)
        options = (
            policy.waiting_for_payer(
                poll_s=self._order.payer_poll_s,
                patience_s=self._patience_for_payer.total_seconds(),
            )
            if verb == "payer"
            else policy.asking(patience_s=self._order.outage_patience_s)
        )
        money = f"{format_amount(payment.amount, self._order.currency)} by {payment.method}"
        self._saga.ask(
            payment.step,
            lambda: workflow.start_activity_method(
                activity, ask, summary=f"{verb} {money}", **options
            ),
            undo=lambda: self._undo_payment(payment),
        )

    def _undo_payment(self, payment: PaymentPlan) -> Handle:
        money = f"{format_amount(payment.amount, self._order.currency)} by {payment.method}"
        return workflow.start_activity_method(
            PaymentActivities.undo_payment,
            PaymentStep(self._order.order_id, payment),
            summary=f"give back {money}",
            **self._insisting,
        )

    def _ask_parcel(self) -> None:
        """book_parcel | cancel_parcel."""
        if self._is_ours:
            return
        ask = self._parcel_step
        self._saga.ask(
            ask.step.name,
            lambda: workflow.start_activity_method(
                ParcelActivities.book_parcel,
                ask,
                summary=f"book {self._order.parcel.service} at {self._order.parcel.carrier}",
                **policy.asking(patience_s=self._order.outage_patience_s),
            ),
            undo=self._undo_parcel,
        )

    def _undo_parcel(self) -> Handle:
        return self._insist_on_parcel(replace(self._parcel_step, in_undo=True), "cancel")

    def _owe_what_was_begun_before(self) -> None:
        """By a workflow that is lost: whatever it asked of others is undone with what this one asks."""
        for payment in self._remote_payments:
            self._saga.owe_undo(payment.step, partial(self._undo_payment, payment))
        if not self._is_ours:
            self._saga.owe_undo(self._order.parcel.step, self._undo_parcel)

    def _insist_on_parcel(self, ask: ParcelStep, verb: str) -> Handle:
        """cancel_parcel is an undo itself; release_parcel has none: a reversal follows it."""
        activity: Callable[..., Any] = (
            ParcelActivities.cancel_parcel if verb == "cancel" else ParcelActivities.release_parcel
        )
        summary = f"{verb} at {self._order.parcel.carrier}"
        return workflow.start_activity_method(activity, ask, summary=summary, **self._insisting)

    def _refund(self, payment: PaymentPlan) -> Obligation:
        """refund_payment: no undo, nobody takes money twice."""
        ask = PaymentStep(self._order.order_id, payment)
        what = f"refund {format_amount(payment.amount, self._order.currency)} by {payment.method}"
        return Obligation(
            ask.refund.name,
            lambda: workflow.start_activity_method(
                PaymentActivities.refund_payment, ask, summary=what, **self._insisting
            ),
        )

    async def _local(self, activity: Callable[..., Any], reason: Refusal) -> None:
        await workflow.execute_local_activity_method(
            activity, Because(self._order.order_id, reason), **policy.LOCAL
        )

    # --- Facts ------------------------------------------------------------------------------------

    @property
    def _remote_payments(self) -> list[PaymentPlan]:
        return [p for p in self._payments if not p.is_ours]

    @property
    def _is_ours(self) -> bool:
        return self._order.parcel.is_ours

    @property
    def _parcel_waits(self) -> bool:
        """No carrier keeps a place for days while a slip is paid."""
        return any(METHODS[p.method].slow for p in self._payments)

    @property
    def _parcel_step(self) -> ParcelStep:
        return ParcelStep(self._order.order_id, self._order.parcel.id)

    @property
    def _insisting(self) -> policy.RemoteOptions:
        return policy.insisting(retry_cap_s=self._order.undo_retry_cap_s)

    @property
    def _patience_for_payer(self) -> timedelta:
        return max(self._order.deadline - workflow.now(), timedelta(seconds=1))

    def _tell(self, sentence: str) -> None:
        """For whoever looks at this workflow in Temporal's UI."""
        workflow.set_current_details(sentence)

    def _show(self, standing: Standing) -> None:
        """For whoever searches there."""
        workflow.upsert_search_attributes(
            [
                ORDER_STATUS.value_set(str(standing.status)),
                PAYMENT_STATUS.value_set(str(standing.payment_status)),
            ]
        )
