"""Real lives against our state table: 5,000 recorded timelines, each of which has to be reachable."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from pydantic import JsonValue

from cli.replay.life import Act, Cancels, Pays, Seen, SeenAgain, draw_acts
from cli.replay.timeline import RecordedStatus, Timeline
from ordersaga.history import Happening, OrderState, advance
from ordersaga.lifecycle import FulfillmentStatus, Status
from ordersaga.tracking import CARRIER_CANCELED, Sighting, Tracking, TrackingStatus, fold

TIMELINES: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "olist-timelines.jsonl"
pytestmark = pytest.mark.skipif(
    not TIMELINES.exists(), reason="the real timelines are not beside the repository"
)

SEEDS: Final = (1, 2)
PAYMENT: Final = "pay_1"
AMOUNT: Final = 7500
COUNT: Final = 5000


@cache
def timelines() -> tuple[Timeline, ...]:
    lines = TIMELINES.read_text("utf-8").splitlines()
    return tuple(Timeline.model_validate_json(line) for line in lines)


class Walk:
    """An order that is moved by nothing but what happens to it; an illegal move raises."""

    def __init__(self, bought_at: datetime) -> None:
        self.state = OrderState()
        self.seen: dict[int, Sighting] = {}
        self._bought_at = bought_at
        payment: JsonValue = {"id": PAYMENT, "method": "boleto", "amount": AMOUNT}
        self._moves(timedelta(0), Happening.of("order.accepted", payments=[payment]))
        self._moves(timedelta(0), Happening.of("payment.requires_action", payment_id=PAYMENT))

    def goes_on_to(self, act: Act) -> None:
        match act:
            case Pays():
                captured = Happening.of("payment.captured", payment_id=PAYMENT, amount=AMOUNT)
                self._moves(act.after, captured, *_of("parcel.booked", "order.confirmed"))
            case Cancels():
                self._is_given_back(act.after, parcel_moves=("parcel.canceled",))
            case Seen():
                occurred_at = self._bought_at + act.occurred_after
                self.seen[act.number] = Sighting(str(act.number), act.status, occurred_at)
                self._follows(act.after)
            case SeenAgain():
                assert act.number in self.seen
                self._follows(act.after)

    @property
    def parcel(self) -> Tracking:
        return fold(self.seen.values())

    def _follows(self, after: timedelta) -> None:
        """As far as all that was said of its parcel leads."""
        parcel, delivered = self.parcel, Status.DELIVERED
        if parcel.is_handed_over and self.state.status == Status.CONFIRMED:
            self._moves(after, *_of("parcel.shipped", "order.shipped"))
        if parcel.is_delivered and self.state.status != delivered:
            self._moves(after, *_of("parcel.delivered", "order.delivered"))
        if parcel.reversal == CARRIER_CANCELED and self.state.status == Status.SHIPPED:
            self._is_given_back(after, parcel_moves=("parcel.returned",))

    def _is_given_back(self, after: timedelta, *, parcel_moves: tuple[str, ...]) -> None:
        if self.state.status == Status.PENDING:
            self._moves(after, *_of("order.compensating"))
            self._moves(after, Happening.of("payment.voided", payment_id=PAYMENT))
        else:
            self._moves(after, *_of(*parcel_moves, "order.reversing"))
            back = Happening.of("payment.refunded", payment_id=PAYMENT, amount=AMOUNT)
            self._moves(after, back)
        self._moves(after, *_of("order.canceled"))

    def _moves(self, after: timedelta, *happenings: Happening) -> None:
        for happening in happenings:
            self.state, _ = advance(self.state, happening, self._bought_at + after)


def _of(*types: str) -> list[Happening]:
    return [Happening.of(type_) for type_ in types]


def walked(timeline: Timeline, seed: int) -> Walk:
    walk = Walk(timeline.purchased_at)
    dice = random.Random(f"{seed}:{timeline.purchased_at}")
    for act in draw_acts(timeline, waits_for_payer=True, dice=dice):
        walk.goes_on_to(act)
    return walk


def test_there_are_5_000_of_them_and_every_word_but_one_is_in_use() -> None:
    found = Counter(timeline.status for timeline in timelines())
    assert found.total() == COUNT
    assert set(RecordedStatus) - set(found) == {RecordedStatus.APPROVED}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_recorded_status_is_reached_by_our_state_table(seed: int) -> None:
    elsewhere = [
        (timeline, walk.state.status)
        for timeline in timelines()
        if (walk := walked(timeline, seed)).state.status not in timeline.ends_as
    ]
    assert elsewhere == []


def test_the_parcel_is_where_its_order_is() -> None:
    expected = {
        Status.SHIPPED: FulfillmentStatus.SHIPPED,
        Status.DELIVERED: FulfillmentStatus.DELIVERED,
        Status.CONFIRMED: FulfillmentStatus.BOOKED,
        Status.PENDING: FulfillmentStatus.UNFULFILLED,
    }
    for timeline in timelines():
        state = walked(timeline, SEEDS[0]).state
        if state.status in expected:
            assert state.fulfillment_status == expected[Status(state.status)], timeline


def test_a_parcel_that_arrived_is_folded_as_delivered_but_where_clocks_disagree() -> None:
    """An hour that lies before the parcel was picked up is no reason not to believe that it arrived."""
    odd = 0
    for timeline in timelines():
        if timeline.status != RecordedStatus.DELIVERED or timeline.delivered_at is None:
            continue
        parcel = walked(timeline, SEEDS[0]).parcel
        assert parcel.is_delivered
        left = timeline.handed_to_carrier_at
        if left is not None and left > timeline.delivered_at:
            odd += 1
        else:
            assert parcel.status == TrackingStatus.DELIVERED
    assert 0 < odd < COUNT / 1000
