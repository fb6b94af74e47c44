"""Endings: every accepted order is settled, undone, on its way, or there is a reason why not."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import DEADLINE_SLACK, Evidence
from ordersaga.audit.findings import Explanation, Invariant, Problem
from ordersaga.audit.ours import OurOrder
from ordersaga.lifecycle import ReturnStatus


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
    elif (why := evidence.waits_for(order)) is not None:
        yield Explanation(order.id, why)


def _has_ended(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    if (
        not order.is_undecided
        or order.attention is not None
        or evidence.waits_for(order) is not None
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
        if evidence.is_settled_since(request.requested_at):
            asked = f"a {request.kind} asked at {request.requested_at:%F %T %Z}"
            yield Problem(order.id, f"{asked} is not answered", order.id)


def _was_told(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    for message in order.messages:
        if evidence.is_settled_since(message.received_at):
            detail = (
                f"{message.type} from {message.source}, kept since "
                f"{message.received_at:%F %T %Z}, was never told to it"
            )
            yield Problem(order.id, detail, order.id)


def _went_back(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    if order.attention is not None:
        return
    for refund in order.open_refunds:
        if evidence.is_settled_since(refund.created_at):
            since = f"{refund.created_at:%F %T %Z}"
            detail = f"{order.money(refund.amount)} should go back since {since}, and did not"
            yield Problem(refund.id, detail, order.id)
    for return_ in order.returns:
        is_here = return_.status == ReturnStatus.RECEIVED and not order.skipped
        if is_here and evidence.is_settled_since(return_.updated_at):
            detail = f"its goods are here since {return_.updated_at:%F %T %Z}, and it is not over"
            yield Problem(return_.id, detail, order.id)


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
    Invariant(
        "messages.told",
        "whatever came from outside about an order was told to it",
        lambda evidence: evidence.ours.orders,
        _was_told,
    ),
    Invariant(
        "refunds.made",
        "whatever has to go back went back, or a person was called",
        lambda evidence: evidence.ours.orders,
        _went_back,
    ),
)
