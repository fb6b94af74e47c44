"""Endings: every accepted order is settled, undone, on its way, or there is a reason why not."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import DEADLINE_SLACK, Evidence, OurOrder
from ordersaga.audit.findings import Explanation, Invariant, Problem


def explanations(order: OurOrder, evidence: Evidence) -> Iterator[Explanation]:
    """Why an order is where it is, as far as somebody has to know."""
    for step, who_and_why in order.skipped.items():
        yield Explanation(order.id, f"step {step} was given up by {who_and_why}")
    if order.attention is not None:
        mark = order.attention
        reason = (
            f"{order.status}, in attention: {mark.get('step')} failed {mark.get('tries')} times "
            f"since {mark.get('since')}: {mark.get('error')}"
        )
        yield Explanation(order.id, reason)
    elif evidence.waits_for_payer(order):
        yield Explanation(order.id, f"waits for its payer until {order.deadline:%F %T %Z}")


def _has_ended(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    if (
        not order.is_undecided
        or order.attention is not None
        or evidence.waits_for_payer(order)
        or evidence.is_in_flight(order)
    ):
        return
    quiet_s = (evidence.ours.read_at - order.updated_at).total_seconds()
    overdue = evidence.ours.read_at - order.deadline
    late = (
        f", {overdue.total_seconds():.0f} s past its deadline" if overdue > DEADLINE_SLACK else ""
    )
    detail = f"{order.status}, and nothing moved for {quiet_s:.0f} s{late}"
    yield Problem(order.id, detail, order.id)


def _was_answered(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    if order.attention is not None:
        return
    for request in order.requests:
        waited = evidence.ours.read_at - request.requested_at
        if waited > evidence.settle:
            detail = f"a {request.kind} asked {waited.total_seconds():.0f} s ago is not answered"
            yield Problem(order.id, detail, order.id)


INVARIANTS: tuple[Invariant[OurOrder], ...] = (
    Invariant(
        "orders.ended",
        "every accepted order is settled or undone, or waits for somebody who is named",
        lambda evidence: evidence.ours.orders,
        _has_ended,
    ),
    Invariant(
        "requests.answered",
        "whatever was asked of an order was answered",
        lambda evidence: evidence.ours.orders,
        _was_answered,
    ),
)
