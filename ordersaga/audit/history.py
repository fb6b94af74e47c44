"""History: without gaps, of legal moves only, and what the order's row says is its fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurEvent, OurOrder
from ordersaga.errors import IllegalMove
from ordersaga.history import Happening, OrderState, PaymentState, advance

# Columns of the order's row that its history decides.
_FOLDED: Final = (
    "status",
    "payment_status",
    "fulfillment_status",
    "failure",
    "attention",
    "hold",
    "version",
    "paid_at",
    "confirmed_at",
    "shipped_at",
    "delivered_at",
    "received_at",
    "completed_at",
)


def _has_no_gaps(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    sequences = [e.sequence for e in order.events]
    if sequences != list(range(1, order.version + 1)):
        missing = sorted(set(range(1, order.version + 1)) - set(sequences))
        detail = (
            f"version {order.version}, but {len(sequences)} events"
            f"{f', without {missing}' if missing else ''}"
        )
        yield Problem(order.id, detail, order.id)


def _is_its_fold(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    state = OrderState()
    for event in order.events:
        try:
            state, fact = advance(state, Happening(event.type, event.data), event.occurred_at)
        except IllegalMove as illegal:
            yield Problem(order.id, f"event {event.sequence}: {illegal}", order.id)
            return
        except (AssertionError, KeyError, TypeError, ValueError) as broken:
            detail = f"event {event.sequence} ({event.type}) cannot be read: {broken!r}"
            yield Problem(order.id, detail, order.id)
            return
        written = (event.machine, event.from_state, event.to_state)
        if written != (fact.machine, fact.from_state, fact.to_state):
            detail = (
                f"event {event.sequence} ({event.type}) says {_move(*written)}, but it moves "
                f"{_move(fact.machine, fact.from_state, fact.to_state)}"
            )
            yield Problem(order.id, detail, order.id)
    yield from _differences(order, state)


def _differences(order: OurOrder, state: OrderState) -> Iterator[Problem]:
    for column in _FOLDED:
        row, folded = getattr(order, column), getattr(state, column)
        if row != folded:
            detail = f"{column} is {row} in its row, {folded} by its history"
            yield Problem(order.id, detail, order.id)
    rows = {
        p.id: PaymentState(p.id, p.amount, p.status, p.captured, p.refunded, p.failure_code)
        for p in order.payments
    }
    folds = {p.id: p for p in state.payments}
    for payment_id in sorted(rows.keys() | folds.keys()):
        row, folded = rows.get(payment_id), folds.get(payment_id)
        if row != folded:
            yield Problem(payment_id, f"{row} in its row, {folded} by its history", order.id)
    statuses = {r.id: r.status for r in order.returns}
    told = {r.id: r.status for r in state.returns}
    for return_id in sorted(statuses.keys() | told.keys()):
        in_row, by_history = statuses.get(return_id), told.get(return_id)
        if in_row != by_history:
            yield Problem(return_id, f"{in_row} in its row, {by_history} by its history", order.id)


def _move(machine: str | None, before: str | None, after: str | None) -> str:
    return f"{machine}: {before} → {after}" if machine else "nothing"


def _in_order(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    first: OurEvent | None = order.events[0] if order.events else None
    if first is None or first.type != "order.accepted":
        detail = f"its history begins with {first.type if first else 'nothing'}, not order.accepted"
        yield Problem(order.id, detail, order.id)


INVARIANTS: tuple[Invariant[OurOrder], ...] = (
    Invariant(
        "history.accepted",
        "every history begins with the order's acceptance",
        lambda evidence: evidence.ours.orders,
        _in_order,
    ),
    Invariant(
        "history.gapless",
        "sequences go from 1 to the order's version without gaps",
        lambda evidence: evidence.ours.orders,
        _has_no_gaps,
    ),
    Invariant(
        "history.fold",
        "every move is legal, and the fold of all events is the row",
        lambda evidence: evidence.ours.orders,
        _is_its_fold,
    ),
)
