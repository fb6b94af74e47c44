"""What each order's people do: drawn by a seed, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from cli.chaos.faults import CHAOS_FAULTS
from cli.chaos.lives import Life, draw_life
from cli.traffic.draw import DrawnOrders
from cli.traffic.orders import PlayedOrder
from ordersaga.methods import METHODS

WITH_CARRIER: Final = 0.6  # of orders without a fault: their parcels move
FAULT_EVERY: Final = 2  # every second order meets one, besides what the kills do to it

SENT_TWICE: Final = 0.2  # of all requests
TOGETHER: Final = 0.5  # of those: both at once; the others one after the other
WALKS_AWAY: Final = 0.5  # of those whose answer was lost: asks again only when all is over
REPEATS_AFTER_S: Final = (0.2, 2.0)  # the others: ask again

CANCELS: Final = 0.15  # of orders that meet no fault
CANCELS_AFTER_S: Final = (0.0, 4.0)  # while it is held, taken, decided, released or long confirmed

WAITS_S: Final = (0, 5, 20)  # for the decision: the longer, the more answers a dying API loses

# Slips and 3-D Secure pages. A payer has PAYER_PATIENCE_S.
PAYER_PATIENCE_S: Final = 10  # seconds: the deadline of an order, so that a run sees many pass
PAYS_AFTER_S: Final = (0.0, 3.0)
PAYS_LATE: Final = 0.2
LATE_AFTER_S: Final = (8.0, 12.0)  # around the deadline: before, after, and at once with it
NEVER_PAYS: Final = 0.15
TOO_LATE: Final = 0.2  # takes the slip to a bank when the order is over
TOO_LATE_AFTER_S: Final = (14.0, 18.0)

LIVES: Final = (
    0.7  # of orders that nobody cancels: something happens to them once they are confirmed
)

WAITS_FOR_PAYER: Final = "tok_requires_action"
RELEASE_REFUSED: Final = "ship_release_refused"

Twice = Literal["no", "together", "again"]


@dataclass(frozen=True)
class Manner:
    """How a request is sent. `walks_away`: a lost answer is not asked for until all is over."""

    twice: Twice
    walks_away: bool
    repeats_after_s: float


@dataclass(frozen=True)
class Visit:
    """One order: when it comes, how it is sent, and what its people do then.

    `pays_after_s`, `cancels_after_s`: from its answer on; None: never. `life`: once it is confirmed.
    """

    number: int
    order: PlayedOrder
    at_s: float
    wait_s: int
    ordering: Manner
    pays_after_s: float | None
    cancels_after_s: float | None
    canceling: Manner
    life: Life | None
    living: Manner  # how what is asked in its life is sent

    @property
    def pays_too_late(self) -> bool:
        """Whatever became of the order by then."""
        after_s = self.pays_after_s
        pays = self.order.story.payer == "pays"
        return pays and after_s is not None and after_s >= TOO_LATE_AFTER_S[0]

    @property
    def needs_nobody(self) -> bool:
        """Whether it comes to rest without a person: no payer, no cancel, nobody who mends things."""
        body = self.order.body
        tokens = [payment.token or "" for payment in body.payments]
        service = body.shipping.service if body.shipping else ""
        return (
            self.cancels_after_s is None
            and self.life is None
            and not (
                any(METHODS[payment.method].slow for payment in body.payments)
                or WAITS_FOR_PAYER in tokens
                or any("unavailable" in name for name in (*tokens, service))
            )
        )


@dataclass(frozen=True)
class Visits:
    """The visits of a seed, spread evenly over `length_s`."""

    seed: int
    count: int
    length_s: float

    @property
    def orders(self) -> DrawnOrders:
        """What they order."""
        return DrawnOrders(self.seed, self.count, CHAOS_FAULTS, FAULT_EVERY, WITH_CARRIER)

    def __iter__(self) -> Iterator[Visit]:
        """By the time they come."""
        for number, order in enumerate(self.orders):
            dice = random.Random(f"visit:{self.seed}:{number}")  # noqa: S311  not secret
            yield self._draw(dice, number, order)

    def _draw(self, dice: random.Random, number: int, order: PlayedOrder) -> Visit:
        cancels = order.story.changes_mind or order.story.payer == "leaves"
        if not order.story.fault:
            cancels = dice.random() < CANCELS
        return Visit(
            number=number,
            order=order,
            at_s=self.length_s * (number + dice.random()) / self.count,
            wait_s=0 if cancels and dice.random() < 0.5 else dice.choice(WAITS_S),
            ordering=_manner(dice),
            pays_after_s=_payer_acts_after_s(dice),
            cancels_after_s=dice.uniform(*CANCELS_AFTER_S) if cancels else None,
            canceling=_manner(dice),
            life=draw_life(dice) if _may_live(order, cancels) and dice.random() < LIVES else None,
            living=_manner(dice),
        )


def _may_live(order: PlayedOrder, cancels: bool) -> bool:
    """A carrier that refuses to come sees nothing of the parcel."""
    shipping = order.body.shipping
    return not cancels and (shipping is None or shipping.service != RELEASE_REFUSED)


def _manner(dice: random.Random) -> Manner:
    twice: Twice = "no"
    if dice.random() < SENT_TWICE:
        twice = "together" if dice.random() < TOGETHER else "again"
    return Manner(twice, dice.random() < WALKS_AWAY, dice.uniform(*REPEATS_AFTER_S))


def _payer_acts_after_s(dice: random.Random) -> float | None:
    fate = dice.random()
    if fate < NEVER_PAYS:
        return None
    if fate > 1 - TOO_LATE:
        return dice.uniform(*TOO_LATE_AFTER_S)
    return dice.uniform(*(LATE_AFTER_S if fate < NEVER_PAYS + PAYS_LATE else PAYS_AFTER_S))
