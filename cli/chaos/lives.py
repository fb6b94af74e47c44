"""What happens to an order once it is confirmed: drawn by a seed, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ordersaga.tracking import (
    CARRIER_CANCELED,
    PARCEL_LOST,
    RETURNED_TO_SENDER,
    TrackingStatus,
)

T = TrackingStatus


@dataclass(frozen=True)
class Story:
    """What a carrier sees of a parcel, in this order. `share`: of all parcels. `ends`: the order for it."""

    share: int
    seen: tuple[TrackingStatus, ...]
    ends: str = ""


STORIES: Final[Mapping[str, Story]] = {
    "arrives": Story(
        6, (T.PRE_TRANSIT, T.PICKED_UP, T.IN_TRANSIT, T.OUT_FOR_DELIVERY, T.DELIVERED)
    ),
    "is on its way": Story(1, (T.PICKED_UP, T.DELAYED, T.IN_TRANSIT)),
    "is lost": Story(1, (T.PICKED_UP, T.EXCEPTION, T.LOST), PARCEL_LOST.code),
    "comes back": Story(
        1, (T.PICKED_UP, T.DELIVERY_ATTEMPTED, T.RETURN_TO_SENDER), RETURNED_TO_SENDER.code
    ),
    "is not brought": Story(1, (T.PRE_TRANSIT, T.CANCELED), CARRIER_CANCELED.code),
}

# All in seconds.
SEEN_APART_S: Final = (0.2, 1.2)
TOLD_LATE: Final = 0.25  # of what is seen: told when more was seen since
LATE_BY_S: Final = (0.5, 3.0)
TOLD_TWICE: Final = 0.2
SHIPS_AFTER_S: Final = (0.0, 3.0)  # the merchant his own parcels
RECEIVED: Final = 0.7  # of those: their buyers say that they have them
SENT_BACK: Final = 0.5  # of what has arrived
ALL_OF_IT: Final = 0.5  # of that: everything; else a unit
DECLINED: Final = 0.2  # of returns
REFUNDED: Final = 0.2  # of orders: an operator gives some back without a return
ACTS_AFTER_S: Final = (0.0, 2.0)  # each next thing that a person does
MOST_ACTS: Final = 6  # a refund; shipped, received; a return asked for, approved, received


@dataclass(frozen=True)
class Telling:
    """One thing that the carrier sees, and tells when it likes. Both since the order was confirmed."""

    status: TrackingStatus
    seen_after_s: float
    told_after_s: float
    twice: bool


@dataclass(frozen=True)
class Life:
    """`story`: of the parcel, where a carrier brings it; else its merchant ships it.

    `sends_back`: once it has arrived. `pauses_s`: before each thing that somebody does.
    """

    story: str
    tellings: tuple[Telling, ...]  # as they are told
    ships_after_s: float
    is_received: bool
    sends_back: Literal["", "a unit", "all"]
    is_declined: bool
    is_refunded: bool
    pauses_s: tuple[float, ...]

    @property
    def arrives(self) -> bool:
        """Where the carrier brings it."""
        return T.DELIVERED in STORIES[self.story].seen

    @property
    def ends(self) -> str:
        """Why the order is given back, by its parcel's story; nothing: it is not."""
        return STORIES[self.story].ends


def draw_life(dice: random.Random) -> Life:
    """The same for the same dice."""
    story = dice.choices(tuple(STORIES), [each.share for each in STORIES.values()])[0]
    sends_back: Literal["", "a unit", "all"] = ""
    if dice.random() < SENT_BACK:
        sends_back = "all" if dice.random() < ALL_OF_IT else "a unit"
    return Life(
        story=story,
        tellings=_tellings(dice, STORIES[story].seen),
        ships_after_s=dice.uniform(*SHIPS_AFTER_S),
        is_received=dice.random() < RECEIVED,
        sends_back=sends_back,
        is_declined=dice.random() < DECLINED,
        is_refunded=dice.random() < REFUNDED,
        pauses_s=tuple(dice.uniform(*ACTS_AFTER_S) for _ in range(MOST_ACTS)),
    )


def _tellings(dice: random.Random, seen: tuple[TrackingStatus, ...]) -> tuple[Telling, ...]:
    tellings, at_s = [], 0.0
    for status in seen:
        at_s += dice.uniform(*SEEN_APART_S)
        is_late = dice.random() < TOLD_LATE and status != T.CANCELED
        told_s = at_s + (dice.uniform(*LATE_BY_S) if is_late else 0.0)
        tellings.append(Telling(status, at_s, told_s, dice.random() < TOLD_TWICE))
    return tuple(sorted(tellings, key=lambda each: each.told_after_s))
