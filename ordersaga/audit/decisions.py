"""Decisions: one an order, and what came of it; and the fence behind an undone order."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurOrder
from ordersaga.keys import STOCK, parcel_step, payment_step
from ordersaga.lifecycle import Status


def _decision_due(order: OurOrder) -> str | None:
    if order.status == Status.PENDING:
        return None
    return "confirm" if order.was_confirmed or order.is_settled else "undo"


def _was_decided_so(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    due = _decision_due(order)
    if order.decision != due:
        detail = (
            f"{order.status}, so its decision should be {due or 'open'}, "
            f"but it is {order.decision or 'open'}"
        )
        yield Problem(order.id, detail, order.id)


def _says_why(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    if order.status in (Status.REJECTED, Status.CANCELED) and not order.failure:
        yield Problem(order.id, f"{order.status}, and nothing says why", order.id)


def _holds_nobody_up(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    if order.hold is not None:
        detail = f"{order.status}, and still held: {order.hold.get('kind')}"
        yield Problem(order.id, detail, order.id)


def _own_steps(order: OurOrder) -> frozenset[str]:
    steps = {STOCK, *(payment_step(p.id) for p in order.payments if p.is_on_ledger)}
    if order.shipment_id is not None and not order.ships_with_carrier:
        steps.add(parcel_step(order.shipment_id))
    return frozenset(steps)


def _has_undone_its_holds(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    own = _own_steps(order)
    undone = {(row.step, row.generation) for row in order.fence if row.op == "undo"}
    for row in order.fence:
        if row.op != "hold" or row.answer != "yes" or row.step not in own:
            continue
        if (row.step, row.generation) not in undone:
            detail = f"decided undo, but step {row.step} voted yes and was not undone"
            yield Problem(order.id, detail, order.id, (row.step,))


INVARIANTS: tuple[Invariant[OurOrder], ...] = (
    Invariant(
        "decision.kept",
        "confirmed orders were decided confirm, rejected and canceled ones undo, pending ones not",
        lambda evidence: evidence.ours.orders,
        _was_decided_so,
    ),
    Invariant(
        "decision.reasoned",
        "a rejected or canceled order says why",
        lambda evidence: (o for o in evidence.ours.orders if o.is_undone),
        _says_why,
    ),
    Invariant(
        "holds.lifted",
        "a decided order is not held any more",
        lambda evidence: (o for o in evidence.ours.orders if o.decision is not None),
        _holds_nobody_up,
    ),
    Invariant(
        "fence.undone",
        "of an undone order, every step of our own site that voted yes is undone",
        lambda evidence: (o for o in evidence.ours.orders if o.decision == "undo"),
        _has_undone_its_holds,
    ),
)
