"""The order protocol's state: what the world, the database, the engine and the worker know.

One order of several remote payments, one unit of stock, one parcel at a carrier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

Op = tuple[str, int]  # (verb, payment's number; PARCEL for the parcel's)
PARCEL: Final = -1

# Provider: new · wait (a slip, issued and unpaid) · held · taken · declined · canceled · refunded
# Carrier: none · booked · released · locked (its no to a cancel is final) · picked · canceled · dead
# The fence of a remote step: - · held · undoing (both rows are there) · undone
# An activity's answer: - (never asked) · running · y · n · ? (given up without an answer)


class Point(NamedTuple):
    """Where the workflow is."""

    phase: str
    detail: str = ""
    stage: int = 0


class State(NamedTuple):
    """One moment. `saved` is what a crash falls back to; `late` and `zombies` arrive when they like."""

    money: tuple[str, ...]
    takes: tuple[int, ...]
    parcel: str
    # our own site
    decision: str
    stock: str  # the fence of its hold: - · yes · no · barred
    settled: bool  # reserved no more: sold or released
    restocked: bool
    on_hand: int
    available: int
    reserved: int
    fences: tuple[str, ...]  # of each payment, and the parcel last
    credit: tuple[int, ...]  # how often store credit was posted for a payment
    cancel: bool  # stored, and not answered
    early: bool  # stored before the decision
    promised: bool  # a cancel was answered with yes
    # the engine and its worker
    answers: tuple[str, ...]
    saved: Point
    at: Point
    late: tuple[tuple[str, Op], ...]
    zombies: tuple[str, ...]
    # what may yet go wrong
    crashes: int
    delays: int
    cancels: int
    stocked: int  # units at the beginning


@dataclass(frozen=True)
class Budget:
    """How often each kind of trouble may come."""

    crashes: int
    delays: int
    cancels: int


@dataclass(frozen=True)
class Scenario:
    """Payments by kind: `card` is held then captured, `wallet` charged, `slip` paid days later."""

    payments: tuple[str, ...]

    @cached_property
    def ops(self) -> tuple[Op, ...]:
        verbs = ("ask", "payer", "capture", "undo", "refund")
        paying = [(verb, i) for i in range(len(self.payments)) for verb in verbs]
        return (*paying, ("book", PARCEL), ("release", PARCEL), ("cancel", PARCEL))

    @cached_property
    def place(self) -> dict[Op, int]:
        return {op: place for place, op in enumerate(self.ops)}

    def of(self, *kinds: str) -> list[int]:
        return [i for i, kind in enumerate(self.payments) if kind in kinds]

    @cached_property
    def stages(self) -> tuple[tuple[Op, ...], ...]:
        """What is asked side by side, stage after stage, once our own site said yes."""
        slips = self.of("slip")
        book: tuple[Op, ...] = (("book", PARCEL),)
        holds: tuple[Op, ...] = tuple(("ask", i) for i in self.of("card"))
        stages = [holds if slips else holds + book]
        stages += [(("ask", i),) for i in self.of("wallet")]
        if slips:
            stages += [tuple(("ask", i) for i in slips), tuple(("payer", i) for i in slips), book]
        stages += [(("capture", i),) for i in self.of("card")]
        return tuple(stage for stage in stages if stage)

    def begin(self, budget: Budget) -> list[State]:
        """With goods on the shelf, and without."""
        count = len(self.payments)
        return [
            State(
                money=("new",) * count,
                takes=(0,) * count,
                parcel="none",
                decision="-",
                stock="-",
                settled=False,
                restocked=False,
                on_hand=units,
                available=units,
                reserved=0,
                fences=("-",) * (count + 1),
                credit=(0,) * count,
                cancel=False,
                early=False,
                promised=False,
                answers=("-",) * len(self.ops),
                saved=Point("hold"),
                at=Point("hold"),
                late=(),
                zombies=(),
                crashes=budget.crashes,
                delays=budget.delays,
                cancels=budget.cancels,
                stocked=units,
            )
            for units in (1, 0)
        ]


def put(values: tuple[str, ...], place: int, value: str) -> tuple[str, ...]:
    """The same with one of them changed; -1 is the last."""
    place %= len(values)
    return (*values[:place], value, *values[place + 1 :])


def count(values: tuple[int, ...], place: int, *, most: int = 2) -> tuple[int, ...]:
    """One more in that place; twice is as bad as more often."""
    return (*values[:place], min(most, values[place] + 1), *values[place + 1 :])
