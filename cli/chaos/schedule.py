"""Which part is killed when, and for how long: drawn by a seed, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

# Those who hear of orders: an endpoint for webhooks, a mail server, RabbitMQ with somebody's queue, a
# follower of the live stream.
RECEIVER: Final = "receiver"
MAILBOX: Final = "mailbox"
BROKER: Final = "broker"
CONSUMER: Final = "consumer"
FOLLOWER: Final = "follower"
LISTENERS: Final = (RECEIVER, MAILBOX, BROKER, CONSUMER, FOLLOWER)

# Each as often as the others. All that an order needs and all that hear of it; no part's death may cost
# anybody anything. The relay lives in the worker, and dies with it.
PARTS: Final = ("worker", "temporal", "postgres", "api", "provider", "carrier", *LISTENERS)
IN_ONE: Final = {"worker": "server", "api": "server"}  # where both are one process

ORDERS_PER_KILL: Final = 12  # so that each kill finds some on their way, at five orders a second
PAUSE_S: Final = (1.0, 3.5)  # between two kills: shorter than most parts take to be of use again
AWAY_S: Final = (0.1, 2.0)  # how long a part is left dead; starting it takes another second


@dataclass(frozen=True)
class Strike:
    """SIGKILL for `part`, `at_s` after the first order; it is started again `away_s` later."""

    at_s: float
    part: str
    away_s: float


@dataclass(frozen=True)
class Schedule:
    """Orders come until `ends_at_s`, when the last strike falls."""

    strikes: tuple[Strike, ...]
    ends_at_s: float

    def without(self, parts: Collection[str]) -> Schedule:
        """The same for all parts but these, which are not there."""
        kept = tuple(strike for strike in self.strikes if strike.part not in parts)
        return Schedule(kept, self.ends_at_s)

    def in_one(self) -> Schedule:
        """The same where API and worker are one process, which dies as often as both."""
        struck = (replace(each, part=IN_ONE.get(each.part, each.part)) for each in self.strikes)
        return Schedule(tuple(struck), self.ends_at_s)


def draw_schedule(*, seed: int, orders: int) -> Schedule:
    """Every part is killed once at least."""
    dice = random.Random(f"strikes:{seed}")  # noqa: S311  the same each time is the point
    parts = _parts(dice)
    at_s = 0.0
    strikes = []
    for _ in range(max(len(PARTS), orders // ORDERS_PER_KILL)):
        at_s += dice.uniform(*PAUSE_S)
        strikes.append(Strike(at_s, next(parts), dice.uniform(*AWAY_S)))
    return Schedule(tuple(strikes), at_s)


def _parts(dice: random.Random) -> Iterator[str]:
    """Dealt like cards: any order, and the same part twice in a row now and then."""
    while True:
        yield from dice.sample(PARTS, len(PARTS))
