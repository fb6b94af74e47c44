"""The order protocol's state: what the world, the database, the engine and the worker know.

One order of several remote payments, one unit of stock, one parcel at a carrier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, TypeVar

Op = tuple[str, int]  # (verb, payment's number; PARCEL for the parcel's)
PARCEL: Final = -1

# Provider: new · wait (a slip, issued and unpaid) · held · taken · declined · canceled
#           void (a slip that was canceled, and that a bank may take all the same)
# Carrier: none · booked · released · locked (its no to a cancel is final) · picked · canceled · dead
# The fence of a remote step: - · held · undoing (both rows are there) · undone
#                             canceling (undoing, and the slip is canceled, which is not written down yet)
# A refund's row: - · open · sent (its provider has it, our tables do not know) · done
# An activity's answer: - (never asked) · waiting (for a payer) · running · y · n · w (still waits)
#                       ? (given up without an answer)
WHOLE: Final = 2  # what each payment is worth, in units
PART: Final = 1  # what an operator may give back of it


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
    back: tuple[int, ...]  # how much of each payment went back: to its payer, or as store credit
    part: tuple[str, ...]  # the row of an operator's refund
    rest: tuple[str, ...]  # the row of the reversal …
    left: tuple[int, ...]  # … and what was left when it was opened
    too_late: tuple[str, ...]  # the row of money that came when its order was over
    cancel: bool  # stored, and not answered
    early: bool  # stored before the decision
    promised: bool  # a cancel was answered with yes
    # the engine and its worker
    answers: tuple[str, ...]
    saved: Point
    at: Point
    late: tuple[tuple[str, Op], ...]
    zombies: tuple[str, ...]
    # messages
    mail: tuple[str, ...]  # about each payment, on its way: - · in time · late
    told: tuple[bool, ...]  # heard by the workflow, and not looked at yet
    in_time: tuple[bool, ...]  # paid before its deadline, or without one
    is_last_look: bool  # the payers' deadline has passed
    expired: bool  # undone because of that
    # what may yet go wrong
    crashes: int
    delays: int
    cancels: int
    letters: int  # messages that are lost, come twice, or say what is not so
    refunds: int  # that an operator asks for
    stocked: int  # units at the beginning


@dataclass(frozen=True)
class Budget:
    """How often each kind of trouble may come."""

    crashes: int
    delays: int
    cancels: int
    letters: int = 0
    refunds: int = 0


@dataclass(frozen=True)
class Scenario:
    """Payments by kind: `card` is held then captured, `wallet` charged, `slip` paid days later.

    `is_local_first`: others are asked within the workflow's task, which forgets it when its worker dies.
    """

    payments: tuple[str, ...]
    is_local_first: bool = False

    def __str__(self) -> str:
        return "+".join(self.payments) + (", local first" if self.is_local_first else "")

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
                back=(0,) * count,
                part=("-",) * count,
                rest=("-",) * count,
                left=(0,) * count,
                too_late=("-",) * count,
                cancel=False,
                early=False,
                promised=False,
                answers=("-",) * len(self.ops),
                saved=Point("hold"),
                at=Point("hold"),
                late=(),
                zombies=(),
                mail=("-",) * count,
                told=(False,) * count,
                in_time=tuple(kind != "slip" for kind in self.payments),
                is_last_look=False,
                expired=False,
                crashes=budget.crashes,
                delays=budget.delays,
                cancels=budget.cancels,
                letters=budget.letters,
                refunds=budget.refunds,
                stocked=units,
            )
            for units in (1, 0)
        ]


T = TypeVar("T")


def put(values: tuple[T, ...], place: int, value: T) -> tuple[T, ...]:
    """The same with one of them changed; -1 is the last."""
    place %= len(values)
    return (*values[:place], value, *values[place + 1 :])


def add(values: tuple[int, ...], place: int, units: int = 1, *, most: int) -> tuple[int, ...]:
    """More in that place; more than `most` is as bad as that."""
    return put(values, place, min(most, values[place] + units))


def send_back(s: State, i: int, units: int) -> State:
    """To its payer, or as store credit. More than came is as bad as twice that."""
    return s._replace(back=add(s.back, i, units, most=WHOLE + 1))
