"""Money: per payment, per order, and against the provider's books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ordersaga.audit.evidence import BookedPayment, Evidence, OurOrder, OurPayment
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.keys import payment_step, refund_step
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
    return Problem(
        subject=payment_id,
        detail=detail,
        order_id=order.id,
        steps=(payment_step(payment_id), refund_step(payment_id)),
    )


def _within_bounds(each: OrderPayment, _: Evidence) -> Iterator[Problem]:
    order, payment = each
    kept = payment.captured - payment.refunded  # a slip may be overpaid, and then goes back whole
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
        yield Problem(order.id, detail, order.id, tuple(refund_step(p.id) for p in order.payments))


def _given_back(each: OrderPayment, _: Evidence) -> Iterator[Problem]:
    order, payment = each
    if payment.captured != payment.refunded:
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
        "of a rejected, canceled or returned order: captured = refunded, nothing held",
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
