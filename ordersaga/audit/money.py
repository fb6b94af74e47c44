"""Money: per payment, per order, and against the provider's books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ordersaga.audit.books import BookedPayment
from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurOrder, OurPayment
from ordersaga.keys import Step, books_step, payment_step
from ordersaga.lifecycle import PaymentStatus

OrderPayment = tuple[OurOrder, OurPayment]

_HOLDS_MONEY = frozenset({PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED})


def _payments(evidence: Evidence) -> Iterable[OrderPayment]:
    return ((order, payment) for order in evidence.ours.orders for payment in order.payments)


def _at_provider(evidence: Evidence) -> Iterable[OrderPayment]:
    return (
        (order, payment)
        for order, payment in _payments(evidence)
        if order.is_at_rest and not payment.is_on_ledger
    )


def _undone_payments(evidence: Evidence) -> Iterable[OrderPayment]:
    return ((order, payment) for order, payment in _payments(evidence) if order.is_undone)


def _problem(order: OurOrder, payment_id: str, detail: str) -> Problem:
    refunds = (refund.step for refund in order.refunds if refund.payment_id == payment_id)
    return Problem(
        subject=payment_id,
        detail=detail,
        order_id=order.id,
        steps=(payment_step(payment_id), books_step(payment_id), *refunds),
    )


def _on_its_way_back(order: OurOrder, payment: OurPayment) -> int:
    return sum(refund.amount for refund in order.open_refunds if refund.payment_id == payment.id)


def _within_bounds(each: OrderPayment, _: Evidence) -> Iterator[Problem]:
    order, payment = each
    # A slip may be overpaid, and then goes back whole.
    kept = payment.captured - payment.refunded - _on_its_way_back(order, payment)
    if payment.refunded < 0 or not 0 <= kept <= payment.amount:
        detail = (
            f"refunded {order.money(payment.refunded)}, captured "
            f"{order.money(payment.captured)}, of an amount of "
            f"{order.money(payment.amount)}"
        )
        yield _problem(order, payment.id, detail)


def _paid_in_full(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    captured = sum(p.captured for p in order.payments)
    refunded = sum(p.refunded for p in order.payments)
    kept = captured - refunded
    wanted = order.total - order.refunded_while_confirmed
    if kept != wanted:
        detail = (
            f"{order.status} with {order.money(kept)} kept (captured − refunded), "
            f"but {order.money(wanted)} to keep (total − refunds in its history)"
        )
        yield Problem(order.id, detail, order.id, tuple(r.step for r in order.refunds))


def _given_back(each: OrderPayment, _: Evidence) -> Iterator[Problem]:
    order, payment = each
    if payment.captured != payment.refunded + _on_its_way_back(order, payment):
        detail = (
            f"of a {order.status} order: captured {order.money(payment.captured)}, "
            f"but refunded {order.money(payment.refunded)}"
        )
        yield _problem(order, payment.id, detail)
    elif payment.status == PaymentStatus.AUTHORIZED:
        detail = f"of a {order.status} order still holds money by our tables"
        yield _problem(order, payment.id, detail)


def _booked_the_same(each: OrderPayment, evidence: Evidence) -> Iterator[Problem]:
    order, payment = each
    booked = evidence.booked.get(payment.provider_ref or "")
    if booked is None:
        if payment.status in _HOLDS_MONEY or payment.captured:
            detail = (
                f"{payment.status} with {order.money(payment.captured)} captured by our tables, "
                f"but {payment.provider_ref} is not in the provider's books"
            )
            yield _problem(order, payment.id, detail)
        return
    if booked.currency != order.currency:
        detail = f"in {order.currency} by our tables, in {booked.currency} by the provider's books"
        yield _problem(order, payment.id, detail)
        return
    sent_back = payment.refunded - order.credited.get(payment.id, 0)
    for what, our_sum, their_sum in (
        ("captured", payment.captured, booked.received),
        ("refunded (but as store credit)", sent_back, booked.refunded),
    ):
        if our_sum != their_sum:
            detail = (
                f"{what}: {order.money(our_sum)} by our tables, "
                f"{order.money(their_sum)} by the provider's books ({booked.reference})"
            )
            yield _problem(order, payment.id, detail)


def _no_more_back_than_came(each: OrderPayment, evidence: Evidence) -> Iterator[Problem]:
    order, payment = each
    booked = evidence.booked.get(payment.provider_ref or "")
    received = booked.received if booked else 0
    back = (booked.refunded if booked else 0) + _credited_by_ledger(order, payment)
    if back > received:
        detail = (
            f"{order.money(back)} went back there and as store credit, "
            f"but {order.money(received)} came by the provider's books"
        )
        yield _problem(order, payment.id, detail)


def _nothing_kept(each: OrderPayment, evidence: Evidence) -> Iterator[Problem]:
    order, payment = each
    booked = evidence.booked.get(payment.provider_ref or "")
    if booked is None:
        return
    kept = booked.received - booked.refunded - _credited_by_ledger(order, payment)
    if kept > 0:
        detail = f"{order.money(kept)} of a {order.status} order is kept by the provider's books"
        yield _problem(order, payment.id, detail)


def _credited_by_ledger(order: OurOrder, payment: OurPayment) -> int:
    """What of a remote payment was posted as store credit, by an undo of it or a refund."""
    steps = (
        payment_step(payment.id),
        *(refund.step for refund in order.refunds if refund.payment_id == payment.id),
    )
    return sum(order.ledger_credits.get(f"{Step(order.id, s).key}:credit", 0) for s in steps)


def _booked_for_us(booked: BookedPayment, evidence: Evidence) -> Iterator[Problem]:
    order = evidence.orders.get(booked.order_id or "")
    if order is None:
        detail = (
            f"{booked.amount} {booked.currency} (minor units) {booked.state} by the provider's "
            f"books, but our tables have no order {booked.order_id!r}"
        )
        yield Problem(booked.reference, detail, booked.order_id)
        return
    payment = next((p for p in order.payments if p.id == booked.payment_id), None)
    if payment is None:
        detail = (
            f"{booked.state} at the provider for {booked.payment_id!r}, which is no payment of it"
        )
        yield Problem(booked.reference, detail, order.id)
    elif payment.provider_ref != booked.reference:
        detail = (
            f"{booked.state} at the provider as {booked.reference}, but our tables know it as "
            f"{payment.provider_ref}: asked for twice"
        )
        yield _problem(order, payment.id, detail)
    elif payment.amount != booked.amount:
        detail = (
            f"of {order.money(payment.amount)} by our tables, "
            f"of {order.money(booked.amount)} by the provider's books"
        )
        yield _problem(order, payment.id, detail)


def _nothing_left_open(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    ours = {p.provider_ref for p in order.payments}
    for booked in evidence.booked_of.get(order.id, ()):
        # One that we never kept a reference of was never confirmed, and nobody else can.
        forgotten = booked.state == "idle" and booked.reference in ours
        if booked.state in ("held", "payable") or forgotten:
            detail = (
                f"{order.status}, but {booked.reference} of {order.money(booked.amount)} is still "
                f"{booked.state} at the provider, not dead"
            )
            yield _problem(order, booked.payment_id or booked.reference, detail)


INVARIANTS: tuple[Invariant[OrderPayment] | Invariant[OurOrder] | Invariant[BookedPayment], ...] = (
    Invariant(
        "money.bounds",
        "of each payment: 0 ≤ captured − refunded ≤ amount",
        _payments,
        _within_bounds,
    ),
    Invariant(
        "money.paid_in_full",
        "of a confirmed order: captured − refunded = total, less refunds in its history",
        lambda evidence: (o for o in evidence.ours.orders if o.is_settled),
        _paid_in_full,
    ),
    Invariant(
        "money.given_back",
        "of a rejected, canceled or returned order: all captured went back, or is on its way; nothing held",
        _undone_payments,
        _given_back,
    ),
    Invariant(
        "money.booked",
        "our sums of each payment are those of the provider's books",
        _at_provider,
        _booked_the_same,
    ),
    Invariant(
        "money.back",
        "of each payment, no more went back than the provider's books received",
        _at_provider,
        _no_more_back_than_came,
    ),
    Invariant(
        "money.late",
        "of an undone order the provider's books keep nothing, whenever it came",
        lambda evidence: (each for each in _at_provider(evidence) if each[0].is_undone),
        _nothing_kept,
    ),
    Invariant(
        "money.known",
        "money held or taken in the provider's books is for one payment of one order of ours",
        lambda evidence: (p for p in evidence.books.payments if p.has_money),
        _booked_for_us,
    ),
    Invariant(
        "money.closed",
        "of an undone order nothing is held at the provider, and nothing can still be paid",
        lambda evidence: (o for o in evidence.ours.orders if o.is_undone and o.is_at_rest),
        _nothing_left_open,
    ),
)
