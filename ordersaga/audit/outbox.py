"""Outbox: all that happened is on its way to others, in its order; and nothing that did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Explanation, Invariant, Problem
from ordersaga.audit.ours import OurOrder, OurRelay

# Where the relay that stamps dies, PostgreSQL has to notice before another takes over.
TAKEN_OVER_WITHIN: Final = timedelta(seconds=15)


def explanations(order: OurOrder, evidence: Evidence) -> Iterator[Explanation]:
    """Who does not hear of an order, though its sink is there."""
    for parked in order.parked:
        if evidence.is_settled_since(parked.parked_at):
            reason = (
                f"{parked.sink} does not take its event {parked.sequence}, nor those after it, since "
                f"{parked.parked_at:%F %T %Z}: {parked.error} (`ordersaga relay parked`)"
            )
            yield Explanation(order.id, reason)


def _has_told(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    """The oldest go first, and only when they were kept for long enough."""
    kept = {row.sequence for row in order.outbox}
    since = evidence.ours.read_at - timedelta(seconds=evidence.ours.events_kept_s)
    for event in order.events:
        if event.sequence in kept:
            continue
        if event.recorded_at > since or any(sequence < event.sequence for sequence in kept):
            detail = (
                f"event {event.sequence} ({event.type}), written at {event.recorded_at:%F %T %Z}, "
                "is not in the outbox"
            )
            yield Problem(order.id, detail, order.id)


def _has_happened(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    happened = {event.sequence for event in order.events}
    for row in order.outbox:
        if row.sequence not in happened:
            detail = f"the outbox has an event {row.sequence}, and its history does not"
            yield Problem(order.id, detail, order.id)


def _is_stamped(order: OurOrder, evidence: Evidence) -> Iterator[Problem]:
    positions = [row.position for row in order.outbox if row.position is not None]
    stamped = [row.position is not None for row in order.outbox]
    if positions != sorted(positions) or stamped != sorted(stamped, reverse=True):
        yield Problem(order.id, f"its events have the positions {positions}", order.id)
    patience = max(evidence.settle, TAKEN_OVER_WITHIN)
    for row in order.outbox:
        if row.position is None and evidence.ours.read_at - row.created_at > patience:
            detail = f"event {row.sequence} waits for a relay since {row.created_at:%F %T %Z}"
            yield Problem(order.id, detail, order.id)


def _holds_together(relay: OurRelay, _: Evidence) -> Iterator[Problem]:
    for cursor in relay.cursors:
        if cursor.position > relay.newest:
            detail = (
                f"its cursor of partition {cursor.partition} is at {cursor.position}, "
                f"and the newest event at {relay.newest}"
            )
            yield Problem(cursor.sink, detail)
    for order_id, sequence in relay.strays:
        yield Problem(order_id, f"the outbox has its event {sequence}, and nobody has the order")


INVARIANTS: Final[tuple[Invariant[OurOrder] | Invariant[OurRelay], ...]] = (
    Invariant(
        "events.kept",
        "whatever happened is in the outbox, until it was kept there for long enough",
        lambda evidence: evidence.ours.orders,
        _has_told,
    ),
    Invariant(
        "events.true",
        "the outbox tells of nothing that is not in history",
        lambda evidence: evidence.ours.orders,
        _has_happened,
    ),
    Invariant(
        "events.stamped",
        "events get their positions soon, and each order's in their order",
        lambda evidence: evidence.ours.orders,
        _is_stamped,
    ),
    Invariant(
        "relay.cursors",
        "no sink is further than the newest event, and no event is of an unknown order",
        lambda evidence: evidence.ours.relay,
        _holds_together,
    ),
)
