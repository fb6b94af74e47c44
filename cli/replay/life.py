"""What the people around a recorded order do again, and when: drawn by a seed, played by `drive`.

Payment, handing over and delivery are as recorded. Drawn is what no record has: what a carrier says
on the way, which of its messages come late or twice, when a buyer changed his mind. All times are
since the order's purchase, by the recorded clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cli.replay.timeline import RecordedStatus, Timeline
from cli.traffic.orders import PlayedOrder
from ordersaga.client import Payment, Shipping
from ordersaga.lifecycle import Status
from ordersaga.methods import METHODS, PROVIDER
from ordersaga.order import SANDBOX
from ordersaga.tracking import TrackingStatus

# A bank that approved within the hour answered while it was asked; later, somebody had to act.
AT_ONCE: Final = timedelta(hours=1)
WAITS_FOR_PAYER: Final = "tok_requires_action"  # of the sandbox provider

LATE: Final = 0.15  # of a carrier's messages: told when others have overtaken them
TWICE: Final = 0.15  # of them: the same signed message comes again
# Beyond the week after which an order is completed: some come to orders that are over.
LONGEST_DELAY: Final = timedelta(days=10)
MOST_NOISE: Final = 4  # sightings on the way that move nothing
NOISE: Final = (
    TrackingStatus.IN_TRANSIT,
    TrackingStatus.IN_TRANSIT,
    TrackingStatus.OUT_FOR_DELIVERY,
    TrackingStatus.DELIVERY_ATTEMPTED,
    TrackingStatus.DELAYED,
    TrackingStatus.EXCEPTION,
)
# Where no record says it: how long a parcel was on its way, how long a buyer thought about it.
LONGEST_WAY: Final = timedelta(days=10)
LONGEST_THOUGHT: Final = timedelta(days=2)

NOTHING: Final = timedelta(0)


@dataclass(frozen=True)
class Pays:
    """The payer pays."""

    after: timedelta


@dataclass(frozen=True)
class Cancels:
    """The buyer cancels."""

    after: timedelta


@dataclass(frozen=True)
class Seen:
    """The carrier tells of the parcel; it saw it at `occurred_after`, and may tell late.

    `number`: of this message within its life.
    """

    after: timedelta
    number: int
    status: TrackingStatus
    occurred_after: timedelta
    estimated_after: timedelta | None

    @property
    def is_late(self) -> bool:
        return self.after > self.occurred_after


@dataclass(frozen=True)
class SeenAgain:
    """Message `number` comes once more, the same in every byte that counts."""

    after: timedelta
    number: int


Act = Pays | Cancels | Seen | SeenAgain


@dataclass(frozen=True)
class Life:
    """An order, and all that happens to it from outside, in the order in which that happens."""

    order: PlayedOrder
    reference: str  # the record's own name for it
    recorded: RecordedStatus  # with which its record ends
    ends_as: frozenset[Status]
    acts: tuple[Act, ...]


def draw_life(order: PlayedOrder, *, reference: str, timeline: Timeline, seed: int) -> Life:
    """The same for the same seed, whatever other orders there are."""
    payments = _as_approved(order.body.payments, _paid_after(timeline))
    shipping = Shipping(carrier=SANDBOX)
    body = order.body.model_copy(update={"payments": payments, "shipping": shipping})
    acts = draw_acts(
        timeline,
        waits_for_payer=any(map(_waits, payments)),
        dice=random.Random(f"{seed}:{reference}"),  # noqa: S311  the same each time is the point
    )
    played = PlayedOrder(order.name, body, order.story)
    return Life(played, reference, timeline.status, timeline.ends_as, acts)


def draw_acts(timeline: Timeline, *, waits_for_payer: bool, dice: random.Random) -> tuple[Act, ...]:
    """In the order in which they happen."""
    paid_after = _paid_after(timeline)
    acts: list[Act] = []
    if waits_for_payer and paid_after is not None:
        acts.append(Pays(paid_after))
    sightings = tuple(_sightings(timeline, paid_after or NOTHING, dice))
    if timeline.status == RecordedStatus.CANCELED and not sightings:
        acts.append(Cancels((paid_after or NOTHING) + LONGEST_THOUGHT * dice.random()))
    acts += _told(timeline, sightings, no_sooner=paid_after or NOTHING, dice=dice)
    return tuple(sorted(acts, key=lambda act: act.after))


# --- Money ------------------------------------------------------------------------------------------


def _paid_after(timeline: Timeline) -> timedelta | None:
    """None: it never was."""
    if timeline.approved_at is None:
        return NOTHING if _was_sent(timeline) else None
    return max(NOTHING, timeline.approved_at - timeline.purchased_at)


def _was_sent(timeline: Timeline) -> bool:
    """So it was paid, whether its record says when or not."""
    if timeline.status == RecordedStatus.CANCELED:
        return timeline.handed_to_carrier_at is not None
    return timeline.status in (RecordedStatus.SHIPPED, RecordedStatus.DELIVERED)


def _as_approved(payments: Sequence[Payment], paid_after: timedelta | None) -> tuple[Payment, ...]:
    """Payments that ask their payer where their bank did not approve at once."""
    if paid_after is not None and paid_after <= AT_ONCE:
        return tuple(payments)
    asked = [_asking(p) if METHODS[p.method].site == PROVIDER else p for p in payments]
    if paid_after is None and not any(map(_waits, asked)):
        return ()  # our own money is there at once, so who never paid was going to pay later
    return tuple(asked)


def _asking(payment: Payment) -> Payment:
    if METHODS[payment.method].slow:  # a slip waits by itself
        return payment
    return payment.model_copy(update={"token": WAITS_FOR_PAYER})


def _waits(payment: Payment) -> bool:
    return METHODS[payment.method].slow or payment.token == WAITS_FOR_PAYER


# --- The parcel -------------------------------------------------------------------------------------

_Sighting = tuple[timedelta, TrackingStatus]


def _sightings(
    timeline: Timeline, paid_after: timedelta, dice: random.Random
) -> Iterator[_Sighting]:
    """When it was seen, and as what. A record that ends before has none."""
    left = timeline.after(timeline.handed_to_carrier_at)
    way = LONGEST_WAY * dice.random()
    match timeline.status:
        case RecordedStatus.DELIVERED:
            arrived = timeline.after(timeline.delivered_at)
            if arrived is None:
                arrived = (paid_after if left is None else left) + way
            if left is not None:
                yield left, TrackingStatus.PICKED_UP
                yield from _noise(left, arrived, dice)
            yield arrived, TrackingStatus.DELIVERED
        case RecordedStatus.SHIPPED:
            left = paid_after if left is None else left
            yield left, TrackingStatus.PICKED_UP
            yield from _noise(left, left + way, dice)
        case RecordedStatus.CANCELED if (
            left is not None
        ):  # too late for the buyer: the carrier gives up
            yield left, TrackingStatus.PICKED_UP
            yield max(left, paid_after) + way, TrackingStatus.CANCELED


def _noise(start: timedelta, end: timedelta, dice: random.Random) -> Iterator[_Sighting]:
    if start < end:
        for _ in range(dice.randint(0, MOST_NOISE)):
            yield start + (end - start) * dice.random(), dice.choice(NOISE)


def _told(
    timeline: Timeline, sightings: Sequence[_Sighting], *, no_sooner: timedelta, dice: random.Random
) -> Iterator[Seen | SeenAgain]:
    """The carrier's messages. It knows no parcel before its order is paid (`no_sooner`)."""
    may_be_late = (
        timeline.status != RecordedStatus.CANCELED
    )  # of a canceled parcel it tells no more
    for number, (occurred, status) in enumerate(sightings):
        after = max(occurred, no_sooner)
        if dice.random() < LATE and may_be_late:
            after += LONGEST_DELAY * dice.random()
        estimated = timeline.after(timeline.promised_by)
        yield Seen(after, number, status, occurred, estimated)
        if dice.random() < TWICE:
            yield SeenAgain(after + LONGEST_DELAY * dice.random(), number)
