"""The order as a durable workflow: `run` is the business.

Its plumbing: `asks.py` (how each step is asked, its undo beside it), `saga.py` (undo, retries, people),
`hold.py` (who stops it), `news.py` (what is heard from outside), `policy.py` (every time-out, named).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from activities.steps import Because, Decide, FollowParcel, HoldOwnSite
    from ordersaga.lifecycle import FINAL, Status
    from ordersaga.methods import METHODS
    from ordersaga.order import (
        CANCEL_ASKED,
        DECLINED_BY_MERCHANT,
        PAYMENT_EXPIRED,
        Decision,
        Followed,
        OrderRequest,
        OrderTicket,
        Outcome,
        PaymentPlan,
        Refusal,
        ReversalOpened,
        Standing,
    )
    from workflows import names, words
    from workflows.asks import Asks
    from workflows.attention import InAttention
    from workflows.cancellation import cancel_is_a_request, until
    from workflows.display import Display, payment_status, show, show_status
    from workflows.hold import Hold, time_left
    from workflows.news import News
    from workflows.own_site import here
    from workflows.saga import OUT_OF_PATIENCE, SKIPPED, Saga


@workflow.defn(name=names.ORDER_WORKFLOW)
class OrderWorkflow(InAttention):
    """Brings payment, stock and parcel of one order to one decision, and sees it through."""

    @workflow.init
    def __init__(self, ticket: OrderTicket) -> None:
        self._order = ticket
        self._payments = ticket.payments
        self._display = Display()
        self._saga = Saga(self._display)
        self._hold_on = Hold(
            ticket.order_id, until=ticket.held_until, saga=self._saga, display=self._display
        )
        self._asks = Asks(ticket, self._saga)
        self._news = News()
        self._release: asyncio.Task[None] | None = None
        self._release_refused: Refusal | None = None  # the carrier will not come
        self._is_received = False  # says its buyer
        self._parcel_turned_back: Refusal | None = None
        self._delivered_at: datetime | None = None

    @workflow.run
    @cancel_is_a_request
    async def run(self, ticket: OrderTicket) -> Outcome:
        if ticket.is_resumed:
            await self._resume()
        objection = (
            await self._hold_our_own()
            or await self._wait_until_buyer_pays()
            or await self._hold_elsewhere()
            or await self._wait_while_held()
            or await self._charge()
            or await self._book_parcel_if_it_waited()
            or await self._capture()
        )
        decision = await self._decide(objection)
        if decision.verdict == "undo":
            return await self._undo(decision)
        return await self._see_through(decision.standing)

    # --- What is heard meanwhile ------------------------------------------------------------------

    @workflow.update(name=names.REQUEST_UPDATE)
    def request(self, request: OrderRequest) -> None:
        """Takes what was asked; the answer is written with the order, where everybody sees it."""
        self._hold_on.hear(request)
        match request.kind:
            case "cancel":
                self._saga.stop(CANCEL_ASKED)
            case "pay":
                self._payments = self._payments or request.payments
            case "decline":
                self._saga.stop(DECLINED_BY_MERCHANT)
            case "receipt":
                self._is_received = True
            case "attention":
                self._saga.instruct(request)

    @workflow.signal(name=names.PAYMENT_EVENT)
    def payment_event(self, message: Any = None, *_: Any) -> None:
        """Something happened to a payment: a hint, the provider is asked.

        (Sent by hand, a signal may carry nothing, or too much: that must not fail the task.)
        """
        self._news.hear_of_payment(message)

    @workflow.signal(name=names.CARRIER_EVENT)
    def carrier_event(self, message: Any = None, *_: Any) -> None:
        """The parcel was seen."""
        self._news.hear_of_parcel(message)

    def cancel_from_engine(self) -> None:
        """Temporal's own cancel of this workflow: the same as anybody's."""
        self._saga.stop(CANCEL_ASKED)

    async def _resume(self) -> None:
        """A workflow before this one is lost, with what it began and what it heard."""
        self._asks.owe_undos(self._remote_payments)
        seen = await here(
            OwnSiteActivities.resume_order, self._order.order_id, "where the one before it was lost"
        )
        self._delivered_at = seen.delivered_at
        self._parcel_turned_back = seen.reversal

    # --- Hold and take ----------------------------------------------------------------------------

    async def _hold_our_own(self) -> Refusal | None:
        """Stock, store credit, vouchers and the merchant's parcel: one transaction."""
        if self._order.is_one_phase and self._hold_on.until is None:
            return self._saga.stopped  # else they are held as it is decided
        return await self._hold(self._order.own_steps(self._payments))

    async def _wait_until_buyer_pays(self) -> Refusal | None:
        """An order that came without payments."""
        if self._order.payments or self._order.total == 0:
            return None  # (payments that came since are not held yet: only those it came with are)
        self._display.tell(words.waits_for_buyer(self._order))
        try:
            await until(
                lambda: bool(self._payments) or self._saga.stopped is not None,
                timeout=time_left(self._order.deadline),
                summary="wait for the buyer to pay",
            )
        except TimeoutError:
            return Refusal("payment", PAYMENT_EXPIRED, OUT_OF_PATIENCE[PAYMENT_EXPIRED])
        ours = [p.step for p in self._payments if p.is_ours]
        return await self._hold(ours) if ours else None

    async def _hold(self, steps: Sequence[str]) -> Refusal | None:
        """Our own site's hold; its undo is part of the decision `undo`, in the same transaction."""
        if self._saga.stopped is not None:
            return self._saga.stopped
        self._display.tell(words.HOLDS_OUR_OWN)
        ask = HoldOwnSite(self._order.order_id, tuple(steps))
        votes = await here(OwnSiteActivities.hold_own_site, ask, words.holds(steps))
        return next((vote.refusal for vote in votes if vote.refusal), None)

    async def _hold_elsewhere(self) -> Refusal | None:
        """What can be held at others, side by side; the parcel too, unless its money is slow."""
        holdable = self._holdable
        for payment in holdable:
            self._asks.hold_payment(payment)
        asks_parcel = not (self._is_ours or self._parcel_waits)
        if asks_parcel:
            self._asks.book_parcel()
        if holdable or asks_parcel:
            self._display.tell(words.asks_others(self._order, holdable, parcel=asks_parcel))
        return await self._saga.answers() or await self._wait_for_payers(holdable)

    async def _wait_while_held(self) -> Refusal | None:
        """Somebody has to let it go on."""
        return await self._hold_on.over(self._standing)

    async def _charge(self) -> Refusal | None:
        """What cannot be held, only after every hold said yes; slips last, for they have no refund."""
        charged = [p for p in self._remote_payments if not METHODS[p.method].holdable]
        for payment in (p for p in charged if not METHODS[p.method].slow):
            self._charge_one(payment)
            if objection := await self._saga.answers() or await self._wait_for_payers([payment]):
                return objection
        slips = [p for p in charged if METHODS[p.method].slow]
        for payment in slips:
            self._charge_one(payment)
        return await self._saga.answers() or await self._wait_for_payers(slips)

    def _charge_one(self, payment: PaymentPlan) -> None:
        self._display.tell(words.charges(self._order, [payment]))
        self._asks.charge_payment(payment)

    async def _book_parcel_if_it_waited(self) -> Refusal | None:
        if self._parcel_waits and not self._is_ours:
            self._display.tell(words.asks_others(self._order, (), parcel=True))
            self._asks.book_parcel()
        return await self._saga.answers()

    async def _capture(self) -> Refusal | None:
        """Held money becomes ours, one by one: the last thing that can say no."""
        for payment in self._holdable:
            self._display.tell(words.captures(self._order, payment))
            self._asks.capture_payment(payment)
            if objection := await self._saga.answers():
                return objection
        return None

    async def _wait_for_payers(self, payments: Sequence[PaymentPlan]) -> Refusal | None:
        """Those of `payments` that wait for somebody's act: until we hear of it, or its deadline.

        At the deadline its provider is asked all the same: a lost message shall not lose a paid order.
        """
        while waiting := {p.id: p for p in payments if self._vote(p).answer == "waiting"}:
            first = min(waiting.values(), key=lambda p: self._expiry(p))
            by = self._expiry(first)
            self._display.tell(words.waits_for_payers(self._order, waiting.values(), until=by))
            show(self._standing)
            told = await self._hear_of(frozenset(waiting), by=by)
            for payment_id in told or (first.id,):
                payment = waiting[payment_id]
                self._asks.check_payment(payment, time_left=time_left(self._expiry(payment)))
            if objection := await self._saga.answers():
                return objection
            if not told and self._vote(first).answer == "waiting":
                return Refusal("payment", PAYMENT_EXPIRED, OUT_OF_PATIENCE[PAYMENT_EXPIRED])
        return None

    async def _hear_of(self, payment_ids: frozenset[str], *, by: datetime) -> list[str]:
        """The payments of which something is heard; none: nothing was until `by`."""
        try:
            await until(
                lambda: self._news.is_of_any(payment_ids) or self._saga.stopped is not None,
                timeout=time_left(by),
                summary="wait for the payer",
            )
        except TimeoutError:
            return []
        return sorted(self._news.take_of(payment_ids))

    # --- Decide, and what follows -------------------------------------------------------------------

    async def _decide(self, objection: Refusal | None) -> Decision:
        """The pivot: one row, written by whoever comes first. What it says is what is done."""
        holding = self._order.own_steps(self._payments) if self._order.is_one_phase else ()
        while True:
            self._display.tell(words.DECIDES)
            ask = Decide(self._order.order_id, objection, not self._saga.began, holding)
            decision = await here(OwnSiteActivities.decide_order, ask, words.decides(ask))
            if decision.verdict != "held":
                # What is asked within a task is forgotten with it when its worker dies, but not by the fence.
                self._asks.owe_undos(self._remote_payments, of=decision.began)
                return decision
            self._hold_on.until = decision.held_until  # by somebody whose word is on its way
            objection = await self._hold_on.over(decision.standing)

    async def _undo(self, decision: Decision) -> Outcome:
        """Everything that was begun elsewhere is taken back; our own site already is."""
        standing = decision.standing
        if standing.status == Status.COMPENSATING:
            show(standing, decision.failure)
        self._display.tell(words.undoes(decision.failure))
        await self._saga.undo_all()
        if standing.status == Status.COMPENSATING:
            standing = await here(
                OwnSiteActivities.close_order, self._order.order_id, "close the undone order"
            )
        return await self._end(standing, decision.failure)

    async def _see_through(self, standing: Standing) -> Outcome:
        """Confirmed: the carrier is told to come, the parcel is followed until the buyer has it and
        keeps it. From here an order is only given back as a whole, or by its returns."""
        show(standing)
        if standing.status in FINAL:  # a workflow before this one was lost at its very end
            return await self._end(standing, None)
        if standing.status == Status.COMPENSATING:  # or while it gave the order back
            return await self._reverse(await self._open_reversal(CANCEL_ASKED))
        if self._parcel_turned_back is not None:  # or before it could begin to
            return await self._reverse(await self._open_reversal(self._parcel_turned_back))
        carrier_comes = words.carrier_comes(self._order)
        self._display.tell(words.MERCHANT_SHIPS if self._is_ours else carrier_comes)
        self._release = asyncio.create_task(self._tell_carrier_to_come())
        while not self._is_received:
            try:
                await until(
                    self._has_work,
                    timeout=self._window_left,
                    summary="wait for the buyer to confirm",
                )
            except TimeoutError:
                break
            if (why := self._why_given_back()) and (ended := await self._call_back(why)):
                return ended
            if (sighting := self._news.next_of_parcel()) is not None:
                followed = await self._follow(FollowParcel(self._order.order_id, sighting))
                if followed.reversal is not None:
                    return await self._reverse(await self._open_reversal(followed.reversal))
            await self._look_at_payments()
        return await self._complete()

    def _has_work(self) -> bool:
        return bool(self._news) or self._is_received or self._why_given_back() is not None

    def _why_given_back(self) -> Refusal | None:
        assert self._release is not None
        if self._release.done():
            self._release.result()  # a bug of it is loud here
        return self._saga.stopped or self._release_refused

    async def _tell_carrier_to_come(self) -> None:
        """However often it takes; its no for good is kept."""
        if self._is_ours:
            return
        vote = await self._saga.insist(self._asks.release_parcel())
        self._release_refused = None if vote is SKIPPED else vote.refusal
        before = words.carrier_comes(self._order)
        self._display.turn(before, words.carrier_is_told(self._order, skipped=vote is SKIPPED))

    async def _call_back(self, why: Refusal) -> Outcome | None:
        """Asked before any money goes back. None: the parcel is on its way, so the order stands."""
        self._display.tell(words.calls_parcel_back(self._order, why))
        refusal = None if self._is_ours else await self._cancel_parcel()
        if refusal is None:
            opened = await self._open_reversal(why)
            if opened.refusal is None:
                return await self._reverse(opened)
            refusal = opened.refusal
        self._saga.stopped = self._release_refused = None  # this no settles both
        await here(OwnSiteActivities.refuse_cancel, self._because(refusal), "refuse the cancel")
        self._display.tell(words.cancel_refused(refusal))
        return None

    async def _cancel_parcel(self) -> Refusal | None:
        answer = await self._saga.insist(self._asks.cancel_parcel())
        if answer is SKIPPED:
            return Refusal("parcel", "cancel_skipped", "an operator gave the cancel up")
        refusal: Refusal | None = answer
        return refusal

    async def _follow(self, seen: FollowParcel) -> Followed:
        seen_as = f"the parcel: {seen.news.status}"
        followed = await here(OwnSiteActivities.follow_parcel, seen, seen_as)
        self._delivered_at = followed.delivered_at
        if followed.standing.status in (Status.SHIPPED, Status.DELIVERED):
            show(followed.standing)
            self._display.tell(words.parcel_seen(seen.news.status, self._over_at))
        return followed

    async def _open_reversal(self, why: Refusal) -> ReversalOpened:
        """The reversal's own pivot: what goes back is written down; the first reason stays."""
        because = self._because(why)
        return await here(OwnSiteActivities.open_reversal, because, f"give it back: {why.code}")

    async def _reverse(self, opened: ReversalOpened) -> Outcome:
        """Refund, then restock."""
        self._display.tell(words.gives_back(self._order, opened.refunds, opened.why))
        show_status(Status.COMPENSATING, opened.why)
        await self._saga.insist_on_all(
            self._asks.refund(refund) for refund in opened.refunds if not refund.is_ours
        )
        standing = await here(
            OwnSiteActivities.reverse_own_site, self._order.order_id, "put the goods back"
        )
        return await self._end(standing, opened.why)

    async def _complete(self) -> Outcome:
        standing = await here(
            OwnSiteActivities.complete_order, self._order.order_id, "complete the order"
        )
        return await self._end(standing, None)

    async def _end(self, standing: Standing, failure: Refusal | None) -> Outcome:
        """Nobody is told to come any more; what was heard at the last moment is looked at."""
        if self._release is not None:
            self._release.cancel()
        while self._news:
            if (sighting := self._news.next_of_parcel()) is not None:
                await self._follow(FollowParcel(self._order.order_id, sighting))
            await self._look_at_payments()
        self._display.end(standing, failure)
        return Outcome(self._order.order_id, standing.status, failure)

    async def _look_at_payments(self) -> None:
        """What is heard of payments that nobody waits for: too late, disputed, given back by others."""
        while (news := self._news.next_of_payment()) is not None:
            if all(payment.id != news.payment_id for payment in self._payments):
                continue  # not of this order
            refunds = await self._saga.insist(self._asks.examine_payment(news))
            if refunds is not SKIPPED:
                await self._saga.insist_on_all(self._asks.refund(refund) for refund in refunds)

    # --- Facts ------------------------------------------------------------------------------------

    @property
    def _remote_payments(self) -> list[PaymentPlan]:
        return [p for p in self._payments if not p.is_ours]

    @property
    def _holdable(self) -> list[PaymentPlan]:
        return [p for p in self._remote_payments if METHODS[p.method].holdable]

    @property
    def _standing(self) -> Standing:
        """As its row has it too, once what is ours is held and before anything is captured."""
        return Standing(Status.PENDING, payment_status(self._payments, self._saga.votes))

    @property
    def _is_ours(self) -> bool:
        return self._order.parcel.is_ours

    @property
    def _parcel_waits(self) -> bool:
        """No carrier keeps a place for days while a slip is paid."""
        return any(METHODS[p.method].slow for p in self._payments)

    @property
    def _window_left(self) -> timedelta | None:
        """Until a delivered order is over; None: it is not delivered."""
        return None if self._over_at is None else time_left(self._over_at)

    @property
    def _over_at(self) -> datetime | None:
        if self._delivered_at is None:
            return None
        return self._delivered_at + timedelta(seconds=self._order.completion_window_s)

    def _vote(self, payment: PaymentPlan) -> Any:
        return self._saga.votes[payment.step]

    def _expiry(self, payment: PaymentPlan) -> datetime:
        expires_at: datetime = self._vote(payment).expires_at or self._order.deadline
        return expires_at

    def _because(self, reason: Refusal) -> Because:
        return Because(self._order.order_id, reason)
