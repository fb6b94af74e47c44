"""Asks every invariant of the evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ordersaga.audit import (
    decisions,
    endings,
    history,
    ledger,
    money,
    outbox,
    parcels,
    refunds,
    returns,
    sightings,
    stock,
)
from ordersaga.audit.books import Books
from ordersaga.audit.evidence import DEFAULT_SETTLE_S, Evidence
from ordersaga.audit.findings import Explanation, Invariant, Violation
from ordersaga.audit.ours import Ours

# Any: each invariant is of its own kind of thing, which only itself looks at.
INVARIANTS: Final[tuple[Invariant[Any], ...]] = (
    *money.INVARIANTS,
    *refunds.INVARIANTS,
    *ledger.INVARIANTS,
    *stock.INVARIANTS,
    *returns.INVARIANTS,
    *parcels.INVARIANTS,
    *sightings.INVARIANTS,
    *history.INVARIANTS,
    *decisions.INVARIANTS,
    *endings.INVARIANTS,
    *outbox.INVARIANTS,
)


@dataclass(frozen=True)
class Judgement:
    """`orders`: how many there were. `checked`: by invariant, how many it was asked of."""

    orders: int
    checked: Mapping[str, int]
    violations: tuple[Violation, ...]
    explained: tuple[Explanation, ...]
    in_flight: tuple[str, ...]  # ids of orders on their way

    @property
    def suspects(self) -> frozenset[str]:
        """The orders that something is wrong with."""
        return frozenset(v.order_id for v in self.violations if v.order_id is not None)

    def without(self, orders: Collection[str]) -> Judgement:
        """The same, but silent about these orders."""
        return replace(
            self,
            violations=tuple(v for v in self.violations if v.order_id not in orders),
            explained=tuple(e for e in self.explained if e.order_id not in orders),
            in_flight=tuple(order_id for order_id in self.in_flight if order_id not in orders),
        )

    def revised(self, orders: Collection[str], by: Judgement) -> Judgement:
        """The same, but about these orders what a later judgement of them says."""
        kept = self.without(orders)
        return replace(
            kept,
            violations=kept.violations + by.violations,
            explained=kept.explained + by.explained,
            in_flight=kept.in_flight + by.in_flight,
        )


def judge(ours: Ours, books: Books, *, settle_s: float | None = None) -> Judgement:
    """What is wrong, what is explained, what is on its way.

    `settle_s`: an undecided order that moved within this time (None: 150 s) is on its way.
    A violation that an operator's skipped step explains is told as that.
    """
    settle_s = DEFAULT_SETTLE_S if settle_s is None else settle_s
    evidence = Evidence(ours, books, settle_s=settle_s)
    checked: dict[str, int] = {}
    violations: list[Violation] = []
    explained = [
        explanation
        for order in ours.orders
        for family in (endings, outbox)
        for explanation in family.explanations(order, evidence)
    ]
    for invariant in INVARIANTS:
        count, found = invariant.ask(evidence)
        checked[invariant.name] = count
        for violation in found:
            excuse = _excuse(violation, evidence)
            if excuse is None:
                violations.append(violation)
            else:
                explained.append(excuse)
    in_flight = tuple(
        o.id
        for o in ours.orders
        if o.attention is None and evidence.is_in_flight(o) and evidence.waits_for(o) is None
    )
    return Judgement(len(ours.orders), checked, tuple(violations), tuple(explained), in_flight)


def _excuse(violation: Violation, evidence: Evidence) -> Explanation | None:
    order = evidence.orders.get(violation.order_id or "")
    if order is None:
        return None
    skipped = [step for step in violation.steps if step in order.skipped]
    if not skipped:
        return None
    reason = f"{violation.detail}: step {skipped[0]} was given up by {order.skipped[skipped[0]]}"
    return Explanation(order.id, reason)
