"""Refunds: each is there for a reason, once, in our tables, in history, and where its money went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ordersaga.audit.books import BookedRefund
from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import (
    PAYER,
    REFUNDS,
    OurEvent,
    OurOrder,
    OurPayment,
    OurRefund,
    amount_of,
)
from ordersaga.keys import Step, books_step, payment_step

OrderPayment = tuple[OurOrder, OurPayment]
OrderRefund = tuple[OurOrder, OurRefund]
BookedOrder = tuple[OurOrder, BookedRefund]
Reason = tuple[str, str]  # why money goes back, and of which return, request or payment


def _payments(evidence: Evidence) -> Iterable[OrderPayment]:
    return ((order, payment) for order in evidence.ours.orders for payment in order.payments)


def _done(evidence: Evidence) -> Iterable[OrderRefund]:
    return ((o, refund) for o in evidence.ours.orders for refund in o.refunds if refund.is_done)


def _booked(evidence: Evidence) -> Iterable[BookedOrder]:
    return (
        (order, refund)
        for order in evidence.ours.orders
        if order.is_at_rest
        for payment in evidence.booked_of.get(order.id, ())
        for refund in payment.refunds
    )


def _of_refund(order: OurOrder, refund: OurRefund, detail: str) -> Problem:
    steps = (refund.step, books_step(refund.payment_id))
    return Problem(refund.id, detail, order.id, steps)


def _add_up(each: OrderPayment, _: Evidence) -> Iterator[Problem]:
    order, payment = each
    rows = [refund for refund in order.refunds if refund.payment_id == payment.id]
    undone = order.undone_by_events.get(payment.id, 0)
    done = sum(refund.amount for refund in rows if refund.is_done) + undone
    steps = (payment_step(payment.id), *(refund.step for refund in rows))
    if payment.refunded != done:
        detail = (
            f"refunded {order.money(payment.refunded)}, but its refunds that are done come to "
            f"{order.money(done)}"
        )
        yield Problem(payment.id, detail, order.id, steps)
    promised = sum(refund.amount for refund in rows) + undone
    if promised > payment.captured:
        detail = (
            f"captured {order.money(payment.captured)}, but {order.money(promised)} of it went "
            "back or is to go back"
        )
        yield Problem(payment.id, detail, order.id, steps)


def _are_caused(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    due, there = _due(order), _there(order)
    for cause, subject in sorted(due.keys() | there.keys()):
        wanted, found = due.get((cause, subject), 0), there.get((cause, subject), 0)
        if wanted != found:
            detail = (
                f"{order.money(found)} goes back for the {cause} {subject}, "
                f"but {order.money(wanted)} should"
            )
            yield Problem(order.id, detail, order.id, (books_step(subject),))
    for refund in order.refunds:
        if refund.cause == "reversal" and not order.was_reversed:
            detail = f"given back as a whole order's, and the order is {order.status}"
            yield _of_refund(order, refund, detail)


def _due(order: OurOrder) -> Mapping[Reason, int]:
    """What should go back, by returns and history. Of a reversal: whatever was left."""
    returned = {("return", r.id): r.amount for r in order.returns if r.is_here_again}
    requested = {
        ("request", str(e.data.get("request"))): amount_of(e)
        for e in order.events
        if e.type == "refund.requested"
    }
    late = {
        ("late", str(e.data.get("payment_id"))): amount_of(e) for e in order.events if _is_late(e)
    }
    return returned | requested | late


def _there(order: OurOrder) -> Mapping[Reason, int]:
    sums: dict[Reason, int] = {}
    for refund in order.refunds:
        if refund.cause != "reversal":
            subject = refund.return_id or refund.request_id or refund.payment_id
            reason = refund.cause, subject
            sums[reason] = sums.get(reason, 0) + refund.amount
    return sums


def _is_late(event: OurEvent) -> bool:
    return event.type == "payment.captured" and event.data.get("late") is True


def _are_told(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    rows = {
        refund.id: (refund.payment_id, refund.amount, refund.destination)
        for refund in order.refunds
        if refund.is_done
    }
    told = [e for e in order.events if e.type in REFUNDS and "refund_id" in e.data]
    events = {
        str(e.data["refund_id"]): (e.data.get("payment_id"), amount_of(e), e.data.get("to"))
        for e in told
    }
    if len(events) < len(told):
        yield Problem(order.id, f"{len(told)} events of {len(events)} refunds", order.id)
    for refund_id in sorted(rows.keys() | events.keys()):
        row, event = rows.get(refund_id), events.get(refund_id)
        if row != event:
            yield Problem(refund_id, f"{row} by its row, {event} by its history", order.id)


def _arrived(each: OrderRefund, evidence: Evidence) -> Iterator[Problem]:
    order, refund = each
    payment = next((p for p in order.payments if p.id == refund.payment_id), None)
    if payment is None:
        yield _of_refund(order, refund, f"of {refund.payment_id}, which is no payment of it")
        return
    key = Step(order.id, refund.step).key
    if refund.destination == PAYER:
        there = evidence.refunds_by_key.get(f"{key}:hold", [])
        sums = [(r.payment_reference, r.amount) for r in there]
        if sums != [(payment.provider_ref, refund.amount)]:
            detail = f"{order.money(refund.amount)} went back, but in the provider's books {sums}"
            yield _of_refund(order, refund, detail)
        return
    transfer = f"{key}:refund" if payment.is_on_ledger else f"{key}:credit"
    posted = order.ledger_credits.get(transfer, 0)
    if posted != refund.amount:
        detail = (
            f"{order.money(refund.amount)} went back as {refund.destination}, "
            f"but {order.money(posted)} did in the ledger"
        )
        yield _of_refund(order, refund, detail)


def _is_ours(each: BookedOrder, _: Evidence) -> Iterator[Problem]:
    order, booked = each
    done = {f"{Step(order.id, r.step).key}:hold" for r in order.refunds if r.is_done}
    undone = {f"{Step(order.id, payment_step(p)).key}:undo" for p in order.undone_by_events}
    if booked.key not in done | undone:
        payment = next(
            (p.id for p in order.payments if p.provider_ref == booked.payment_reference), ""
        )
        detail = (
            f"{order.money(booked.amount)} went back by the provider's books "
            f"({booked.reference}, for {booked.key}), and our tables do not know it"
        )
        steps = books_step(payment), payment_step(payment), *(r.step for r in order.refunds)
        yield Problem(booked.reference, detail, order.id, steps)


INVARIANTS: tuple[
    Invariant[OrderPayment] | Invariant[OurOrder] | Invariant[OrderRefund] | Invariant[BookedOrder],
    ...,
] = (
    Invariant(
        "refunds.add_up",
        "of each payment: what went back is the sum of its refunds, and all of them ≤ captured",
        _payments,
        _add_up,
    ),
    Invariant(
        "refunds.caused",
        "what goes back for a return, a request or late money is just that; nothing else goes back",
        lambda evidence: evidence.ours.orders,
        _are_caused,
    ),
    Invariant(
        "refunds.told",
        "each refund that is done is in history, once",
        lambda evidence: evidence.ours.orders,
        _are_told,
    ),
    Invariant(
        "refunds.booked",
        "each refund that is done is in the provider's books once, or in the ledger",
        _done,
        _arrived,
    ),
    Invariant(
        "refunds.known",
        "each refund in the provider's books is one that we asked for",
        _booked,
        _is_ours,
    ),
)
