"""What became of the orders of a run, counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ordersaga.audit.ours import SETTLED, UNDONE
from ordersaga.client import ApiProblem, Order
from ordersaga.lifecycle import Status

# refused: the API did not take it. undecided: it had no end when patience did.
Outcome = Literal["confirmed", "rejected", "canceled", "refused", "undecided"]
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "confirmed",
    "rejected",
    "canceled",
    "refused",
    "undecided",
)


@dataclass(frozen=True)
class Result:
    """What became of one order. `took_s`: from request to decision, as the caller saw it."""

    name: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    took_s: float = 0.0
    waited_for_payer: bool = False

    @classmethod
    def of_order(cls, name: str, order: Order, *, took_s: float, waited_for_payer: bool) -> Result:
        reason = order.failure.code if order.failure else ""
        detail = order.failure.detail if order.failure else ""
        outcome = outcome_of(order.status)
        if outcome == "undecided":
            reason = (
                "in attention" if order.attention else f"{order.status}, {order.payment_status}"
            )
        return cls(name, outcome, reason, detail, took_s, waited_for_payer)

    @classmethod
    def of_refusal(cls, name: str, problem: ApiProblem) -> Result:
        return cls(name, "refused", problem.code, problem.detail)


def outcome_of(status: str) -> Outcome:
    """How an order of this status counts."""
    if status in SETTLED:
        return "confirmed"
    if status == Status.REJECTED:
        return "rejected"
    return "canceled" if status in UNDONE else "undecided"


@dataclass
class Tally:
    """Counts as results come. Times are kept per order, 8 bytes each."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    at_once_s: list[float] = field(default_factory=list)
    paid_later_s: list[float] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.outcomes[result.outcome] += 1
        self.reasons[result.outcome, result.reason] += 1
        if result.outcome not in ("refused", "undecided"):
            times = self.paid_later_s if result.waited_for_payer else self.at_once_s
            times.append(result.took_s)

    @property
    def orders(self) -> int:
        return self.outcomes.total()

    def last_line(self, *, violations: int) -> str:
        """For people and scripts: its form never changes."""
        count = self.outcomes
        return (
            f"demo: {self.orders} orders, {count['confirmed']} confirmed, "
            f"{count['rejected']} rejected, {count['canceled']} canceled, "
            f"{count['refused']} refused, {violations} violations"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed (nearest rank); nan of none."""
    if not values:
        return math.nan
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]
