"""What an audit finds, and what an invariant is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ordersaga.audit.evidence import Evidence

T = TypeVar("T")


@dataclass(frozen=True)
class Violation:
    """Something that must never be. `detail` is a sentence that says both sides."""

    invariant: str
    subject: str  # the order, payment, parcel, SKU or account it is about
    detail: str
    order_id: str | None = None
    steps: tuple[str, ...] = ()  # a step whose skipping by an operator would explain it


@dataclass(frozen=True)
class Explanation:
    """An order that is not as it should end, and why that is right for now."""

    order_id: str
    reason: str


@dataclass(frozen=True)
class Problem:
    """A violation, before its invariant's name is put to it."""

    subject: str
    detail: str
    order_id: str | None = None
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invariant(Generic[T]):
    """`says` holds for each of `of`; `problems` tells where it does not."""

    name: str
    says: str
    of: Callable[[Evidence], Iterable[T]]
    problems: Callable[[T, Evidence], Iterator[Problem]]

    def ask(self, evidence: Evidence) -> tuple[int, list[Violation]]:
        """How many were looked at, and what was found."""
        checked = 0
        found: list[Violation] = []
        for each in self.of(evidence):
            checked += 1
            found += [
                Violation(self.name, p.subject, p.detail, p.order_id, p.steps)
                for p in self.problems(each, evidence)
            ]
        return checked, found
