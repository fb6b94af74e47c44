"""The script of one life: as recorded where something is recorded, and drawn by the seed elsewhere."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo.file import BrokenLine
from cli.replay.life import (
    LATE,
    NOISE,
    TWICE,
    Act,
    Cancels,
    Life,
    Pays,
    Seen,
    SeenAgain,
    draw_acts,
    draw_life,
)
from cli.replay.source import RecordedLives
from cli.replay.timeline import RecordedStatus, Timeline
from cli.traffic.orders import PlayedOrder
from ordersaga.client import Address, Customer, Money, NewOrder, OrderLine, Payment
from ordersaga.lifecycle import Status
from ordersaga.tracking import HANDED_OVER, RANKS, TrackingStatus
from tests.demo.test_demo_file import OLIST

BOUGHT = datetime(2018, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MANY = 2000


def timeline(
    status: str,
    *,
    approved: timedelta | None = timedelta(0),
    handed: timedelta | None = None,
    delivered: timedelta | None = None,
    promised: timedelta | None = None,
) -> Timeline:
    def at(after: timedelta | None) -> datetime | None:
        return None if after is None else BOUGHT + after

    return Timeline(
        status=RecordedStatus(status),
        purchased_at=BOUGHT,
        approved_at=at(approved),
        handed_to_carrier_at=at(handed),
        delivered_at=at(delivered),
        promised_by=at(promised),
    )


def order(*methods: str) -> PlayedOrder:
    price = Money(amount=500, currency="BRL")
    body = NewOrder(
        customer=Customer(id="c-1"),
        currency="BRL",
        lines=(OrderLine(sku="mug", quantity=len(methods), unit_price=price),),
        shipping_address=Address(country="BR"),
        payments=tuple(
            Payment(method=m, amount=price, token=None if m == "voucher" else "tok_ok")
            for m in methods
        ),
    )
    return PlayedOrder("line 1", body)


def life(recorded: Timeline, *methods: str, seed: int = 1) -> Life:
    return draw_life(order(*methods), reference="r-1", timeline=recorded, seed=seed)


def acts(recorded: Timeline, *, waits: bool = False, seed: int = 1) -> tuple[Act, ...]:
    return draw_acts(recorded, waits_for_payer=waits, dice=random.Random(seed))


def tokens(lived: Life) -> list[str | None]:
    return [payment.token for payment in lived.order.body.payments]


moments = st.none() | st.integers(-3 * 24, 90 * 24).map(lambda hours: timedelta(hours=hours))
timelines = st.builds(
    timeline,
    st.sampled_from(RecordedStatus),
    approved=moments,
    handed=moments,
    delivered=moments,
    promised=moments,
)


# --- Any record --------------------------------------------------------------------------------------


@given(recorded=timelines, seed=st.integers())
def test_the_same_seed_draws_the_same_life(recorded: Timeline, seed: int) -> None:
    assert life(recorded, "boleto", seed=seed) == life(recorded, "boleto", seed=seed)


@given(recorded=timelines, waits=st.booleans(), seed=st.integers())
def test_acts_come_one_after_another_and_none_before_the_purchase(
    recorded: Timeline, waits: bool, seed: int
) -> None:
    times = [act.after for act in acts(recorded, waits=waits, seed=seed)]
    assert times == sorted(times)
    assert all(time >= timedelta(0) for time in times)


@given(recorded=timelines, seed=st.integers())
def test_a_message_is_told_when_it_has_happened_and_comes_again_only_after_that(
    recorded: Timeline, seed: int
) -> None:
    told: set[int] = set()
    for act in acts(recorded, seed=seed):
        if isinstance(act, Seen):
            assert act.after >= act.occurred_after
            assert act.number not in told
            told.add(act.number)
        elif isinstance(act, SeenAgain):
            assert act.number in told


@given(recorded=timelines, seed=st.integers())
def test_no_parcel_is_seen_before_its_order_is_paid(recorded: Timeline, seed: int) -> None:
    drawn = acts(recorded, waits=True, seed=seed)
    paid = [number for number, act in enumerate(drawn) if isinstance(act, Pays)]
    seen = [number for number, act in enumerate(drawn) if isinstance(act, Seen | SeenAgain)]
    assert len(paid) <= 1
    assert not seen or (paid and paid[0] < seen[0])


@given(recorded=timelines, seed=st.integers())
def test_what_the_carrier_says_in_all_brings_the_parcel_where_its_record_ends(
    recorded: Timeline, seed: int
) -> None:
    seen = [act for act in acts(recorded, seed=seed) if isinstance(act, Seen)]
    said = {act.status for act in seen}
    match recorded.status:
        case RecordedStatus.DELIVERED:
            assert TrackingStatus.DELIVERED in said
        case RecordedStatus.SHIPPED:
            assert said & HANDED_OVER
            assert TrackingStatus.DELIVERED not in said
        case RecordedStatus.CANCELED:
            assert not said or max(seen, key=_happened).status == TrackingStatus.CANCELED
        case _:
            assert not said


def _happened(seen: Seen) -> tuple[timedelta, int]:
    return seen.occurred_after, RANKS[seen.status]


# --- Its record --------------------------------------------------------------------------------------


def test_handing_over_and_delivery_happen_when_they_are_recorded() -> None:
    recorded = timeline("delivered", handed=2 * DAY, delivered=9 * DAY, promised=12 * DAY)
    seen = {a.status: a for a in acts(recorded) if isinstance(a, Seen) and a.status not in NOISE}
    assert set(seen) == {TrackingStatus.PICKED_UP, TrackingStatus.DELIVERED}
    assert seen[TrackingStatus.PICKED_UP].occurred_after == 2 * DAY
    assert seen[TrackingStatus.DELIVERED].occurred_after == 9 * DAY
    assert seen[TrackingStatus.DELIVERED].estimated_after == 12 * DAY


def test_a_parcel_handed_over_before_its_order_was_approved_is_told_of_afterwards() -> None:
    recorded = timeline("delivered", approved=5 * DAY, handed=2 * DAY, delivered=9 * DAY)
    picked_up = next(a for a in acts(recorded) if isinstance(a, Seen))
    assert picked_up.occurred_after == 2 * DAY
    assert picked_up.after >= 5 * DAY
    assert picked_up.is_late


@pytest.mark.parametrize("status", ["created", "approved", "invoiced", "processing", "unavailable"])
def test_a_record_that_ends_early_has_no_parcel_though_it_may_have_its_times(status: str) -> None:
    assert acts(timeline(status, handed=DAY, delivered=2 * DAY)) == ()


def test_a_recorded_cancel_is_the_buyers_after_the_last_that_is_known() -> None:
    (canceled,) = acts(timeline("canceled", approved=3 * DAY))
    assert isinstance(canceled, Cancels)
    assert 3 * DAY <= canceled.after <= 5 * DAY


def test_what_was_canceled_on_its_way_is_canceled_by_the_carrier() -> None:
    drawn = acts(timeline("canceled", handed=2 * DAY))
    assert [a.status for a in drawn if isinstance(a, Seen)] == ["picked_up", "canceled"]
    assert not any(isinstance(a, Cancels) for a in drawn)


@pytest.mark.parametrize(
    ("status", "approved", "ends_as"),
    [
        ("created", None, {Status.PENDING}),
        ("unavailable", None, {Status.PENDING}),
        ("approved", DAY, {Status.CONFIRMED}),
        ("invoiced", DAY, {Status.CONFIRMED}),
        ("processing", DAY, {Status.CONFIRMED}),
        ("unavailable", DAY, {Status.CONFIRMED}),
        ("shipped", DAY, {Status.SHIPPED}),
        ("delivered", DAY, {Status.DELIVERED, Status.COMPLETED}),
        ("delivered", None, {Status.DELIVERED, Status.COMPLETED}),
        ("canceled", DAY, {Status.CANCELED}),
        ("canceled", None, {Status.CANCELED}),
    ],
)
def test_recorded_words_map_to_ours(
    status: str, approved: timedelta | None, ends_as: set[Status]
) -> None:
    assert timeline(status, approved=approved).ends_as == ends_as


# --- Its money ---------------------------------------------------------------------------------------


def test_a_slip_is_paid_when_it_was_and_needs_no_special_token() -> None:
    lived = life(timeline("approved", approved=3 * DAY), "boleto")
    assert tokens(lived) == ["tok_ok"]
    assert lived.acts == (Pays(3 * DAY),)


def test_a_card_that_was_approved_within_the_hour_asks_nobody() -> None:
    lived = life(timeline("approved", approved=timedelta(minutes=20)), "card")
    assert (tokens(lived), lived.acts) == (["tok_ok"], ())


def test_a_card_that_was_approved_later_waits_for_its_payer() -> None:
    lived = life(timeline("approved", approved=DAY), "card", "voucher")
    assert tokens(lived) == ["tok_requires_action", None]
    assert lived.acts == (Pays(DAY),)


def test_who_never_paid_leaves_his_slip_or_was_going_to_pay_later() -> None:
    never = timeline("created", approved=None)
    assert (tokens(life(never, "boleto")), life(never, "boleto").acts) == (["tok_ok"], ())
    assert tokens(life(never, "card")) == ["tok_requires_action"]
    assert tokens(life(never, "voucher")) == []


def test_what_was_delivered_was_paid_though_its_record_does_not_say_when() -> None:
    recorded = timeline("delivered", approved=None, handed=DAY, delivered=2 * DAY)
    assert life(recorded, "boleto").acts[0] == Pays(timedelta(0))


def test_parcels_go_with_the_sandbox_carrier() -> None:
    shipping = life(timeline("created"), "card").order.body.shipping
    assert shipping is not None
    assert shipping.carrier == "sandbox"


@pytest.mark.skipif(not OLIST.exists(), reason="the real orders are not beside the repository")
def test_every_real_order_has_a_life() -> None:
    told: list[BrokenLine] = []
    lives = list(RecordedLives(OLIST, seed=1, tell=told.append))
    assert (len(lives), told) == (500, [])
    slips = [one for one in lives if any(p.method == "boleto" for p in one.order.body.payments)]
    assert all(isinstance(one.acts[0], Pays) for one in slips)
    assert sum(isinstance(act, Cancels) for one in lives for act in one.acts) == 1


# --- What is mixed in --------------------------------------------------------------------------------


def test_a_fair_share_of_messages_comes_late_and_twice_and_out_of_order() -> None:
    recorded = timeline("delivered", handed=DAY, delivered=8 * DAY)
    lives = [acts(recorded, seed=seed) for seed in range(MANY)]
    seen = [[act for act in drawn if isinstance(act, Seen)] for drawn in lives]
    messages = sum(map(len, seen))
    again = sum(isinstance(act, SeenAgain) for drawn in lives for act in drawn)
    assert sum(act.is_late for told in seen for act in told) / messages == pytest.approx(
        LATE, abs=0.03
    )
    assert again / messages == pytest.approx(TWICE, abs=0.03)
    overtaken = [told for told in seen if told != sorted(told, key=lambda a: a.occurred_after)]
    assert len(overtaken) / MANY > 0.1
    assert {act.status for told in seen for act in told} >= set(NOISE)
