"""How each step of an order is asked of others, and its undo beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.parcel import ParcelActivities
    from activities.payment import PaymentActivities
    from activities.steps import ExaminePayment, ParcelStep, PaymentStep, RefundStep
    from ordersaga import keys
    from ordersaga.messages import PaymentNews
    from ordersaga.money import format_amount
    from ordersaga.order import OrderTicket, PaymentPlan, RefundPlan
    from workflows import policy
    from workflows.lanes import LocalFirst
    from workflows.saga import Handle, Obligation, Saga

Activity = Callable[..., Any]

# What Temporal's pages call it, before the carrier's name.
RELEASE = "tell it to come:"
CANCEL = "cancel the parcel at"


class Asks:
    """The remote steps of one order. What is asked through `saga` is undone with it."""

    def __init__(self, ticket: OrderTicket, saga: Saga) -> None:
        self._order = ticket
        self._saga = saga

    # --- authorize_payment, charge_payment, check_payment, capture_payment | undo_payment ---------

    def hold_payment(self, payment: PaymentPlan) -> None:
        self._payment(payment, PaymentActivities.authorize_payment, "hold")

    def charge_payment(self, payment: PaymentPlan) -> None:
        self._payment(payment, PaymentActivities.charge_payment, "charge")

    def check_payment(self, payment: PaymentPlan, *, time_left: timedelta) -> None:
        """A payer has acted, perhaps: an outage meanwhile is waited out as long as he would be."""
        patience_s = max(time_left.total_seconds(), self._order.outage_patience_s)
        self._payment(payment, PaymentActivities.check_payment, "check", patience_s=patience_s)

    def capture_payment(self, payment: PaymentPlan) -> None:
        self._payment(payment, PaymentActivities.capture_payment, "capture")

    def _payment(
        self,
        payment: PaymentPlan,
        activity: Activity,
        verb: str,
        *,
        patience_s: float | None = None,
    ) -> None:
        options = policy.asking(patience_s=patience_s or self._order.outage_patience_s)
        self._saga.ask(
            payment.step,
            lambda: self._begin(
                activity,
                PaymentStep(self._order.order_id, payment),
                again=PaymentStep(self._order.order_id, payment, is_repeat=True),
                summary=f"{verb} {self._money(payment)}",
                options=options,
            ),
            undo=partial(self._undo_payment, payment),
        )

    def _undo_payment(self, payment: PaymentPlan) -> Handle:
        return workflow.start_activity_method(
            PaymentActivities.undo_payment,
            PaymentStep(self._order.order_id, payment),
            summary=f"give back {self._money(payment)}",
            **self._insisting,
        )

    # --- book_parcel | cancel_parcel -----------------------------------------------------------------

    def book_parcel(self) -> None:
        parcel = self._order.parcel
        self._saga.ask(
            parcel.step,
            lambda: self._begin(
                ParcelActivities.book_parcel,
                self._parcel_step,
                again=self._parcel_step,
                summary=f"book the parcel at {parcel.carrier}, {parcel.service}",
                options=policy.asking(patience_s=self._order.outage_patience_s),
            ),
            undo=self._undo_parcel,
        )

    def _undo_parcel(self) -> Handle:
        return self._insist_on_parcel(
            ParcelActivities.cancel_parcel, replace(self._parcel_step, in_undo=True), CANCEL
        )

    def owe_undos(
        self, payments: Iterable[PaymentPlan], *, of: Collection[str] | None = None
    ) -> None:
        """What a workflow or a task that is lost may have asked of others is undone with what this one asks.

        `of`: these steps; None: any may have been begun.
        """
        for payment in payments:
            if of is None or payment.step in of:
                self._saga.owe_undo(payment.step, partial(self._undo_payment, payment))
        parcel = self._order.parcel
        if not parcel.is_ours and (of is None or parcel.step in of):
            self._saga.owe_undo(parcel.step, self._undo_parcel)

    # --- After confirm: done however long it takes ----------------------------------------------------

    def release_parcel(self) -> Obligation:
        """No undo: a reversal follows it."""
        ask = self._parcel_step
        return Obligation(
            ask.release.name,
            lambda: self._insist_on_parcel(ParcelActivities.release_parcel, ask, RELEASE),
        )

    def cancel_parcel(self) -> Obligation:
        """An undo itself."""
        ask = self._parcel_step
        return Obligation(
            ask.step.name,
            lambda: self._insist_on_parcel(ParcelActivities.cancel_parcel, ask, CANCEL),
        )

    def examine_payment(self, news: PaymentNews) -> Obligation:
        return examine_payment(self._order.order_id, news, self._insisting)

    def refund(self, refund: RefundPlan) -> Obligation:
        return refund_payment(self._order.order_id, self._order.currency, refund, self._insisting)

    def _begin(
        self,
        activity: Activity,
        ask: PaymentStep | ParcelStep,
        *,
        again: PaymentStep | ParcelStep,
        summary: str,
        options: policy.RemoteOptions,
    ) -> Handle:
        """In the lane that the order's ticket says. `again`: what is asked when it was asked before."""

        def queued(asked: PaymentStep | ParcelStep) -> workflow.ActivityHandle[Any]:
            return workflow.start_activity_method(activity, asked, summary=summary, **options)

        # (Payments that came since may be forgotten together with what was asked of them.)
        if self._order.remote_lane == "queued" or not self._order.payments:
            return queued(ask)
        at_once = workflow.start_local_activity_method(
            activity, ask, summary=summary, **policy.LOCAL_FIRST
        )
        return LocalFirst(at_once, lambda: queued(again))

    def _insist_on_parcel(self, activity: Activity, ask: ParcelStep, verb: str) -> Handle:
        summary = f"{verb} {self._order.parcel.carrier}"
        return workflow.start_activity_method(activity, ask, summary=summary, **self._insisting)

    def _money(self, payment: PaymentPlan) -> str:
        return f"{format_amount(payment.amount, self._order.currency)} by {payment.method}"

    @property
    def _parcel_step(self) -> ParcelStep:
        return ParcelStep(self._order.order_id, self._order.parcel.id)

    @property
    def _insisting(self) -> policy.RemoteOptions:
        return policy.insisting(retry_cap_s=self._order.undo_retry_cap_s)


def refund_payment(
    order_id: str, currency: str, refund: RefundPlan, options: policy.RemoteOptions
) -> Obligation:
    """No undo: nobody takes money twice."""
    what = f"refund {format_amount(refund.amount, currency)} by {refund.method}"
    return Obligation(
        refund.step,
        lambda: workflow.start_activity_method(
            PaymentActivities.refund_payment, RefundStep(order_id, refund), summary=what, **options
        ),
    )


def examine_payment(order_id: str, news: PaymentNews, options: policy.RemoteOptions) -> Obligation:
    """Looks, and writes down what it sees; its result is what has to go back."""
    return Obligation(
        keys.books_step(news.payment_id),
        lambda: workflow.start_activity_method(
            PaymentActivities.examine_payment,
            ExaminePayment(order_id, news),
            summary=f"look at {news.payment_id}: {news.type}",
            **options,
        ),
    )
