"""What chaos draws: the same for the same seed, and enough of everything."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from cli.chaos.faults import CHAOS_FAULTS
from cli.chaos.lives import STORIES, TOLD_TWICE, Life
from cli.chaos.schedule import (
    AWAY_S,
    BROKER,
    CONSUMER,
    ORDERS_PER_KILL,
    PARTS,
    PAUSE_S,
    draw_schedule,
)
from cli.chaos.visits import FAULT_EVERY, LIVES, SENT_TWICE, Manner, Visit, Visits

MANY = 2000


def manners(visits: list[Visit]) -> list[Manner]:
    """How each request is sent."""
    canceling = [visit.canceling for visit in visits if visit.cancels_after_s is not None]
    living = [visit.living for visit in visits if visit.life is not None]
    return [visit.ordering for visit in visits] + canceling + living


def test_the_same_seed_draws_the_same_kills_and_visits_and_another_draws_others() -> None:
    assert draw_schedule(seed=4, orders=500) == draw_schedule(seed=4, orders=500)
    assert draw_schedule(seed=4, orders=500) != draw_schedule(seed=5, orders=500)
    assert list(Visits(4, 60, 30.0)) == list(Visits(4, 60, 30.0))
    assert list(Visits(4, 60, 30.0)) != list(Visits(5, 60, 30.0))


@pytest.mark.parametrize("orders", [1, 40, 500, 5000])
def test_every_part_is_killed_as_often_as_the_others(orders: int) -> None:
    schedule = draw_schedule(seed=1, orders=orders)
    kills = Counter(strike.part for strike in schedule.strikes)
    assert set(kills) == set(PARTS)
    assert max(kills.values()) - min(kills.values()) <= 1
    assert kills.total() == max(len(PARTS), orders // ORDERS_PER_KILL)


def test_where_there_is_no_broker_all_other_kills_are_the_same() -> None:
    whole = draw_schedule(seed=2, orders=500)
    rest = whole.without({BROKER, CONSUMER})
    assert rest.ends_at_s == whole.ends_at_s
    assert rest.strikes == tuple(s for s in whole.strikes if s.part not in {BROKER, CONSUMER})
    assert {strike.part for strike in rest.strikes} == set(PARTS) - {BROKER, CONSUMER}


def test_kills_come_all_along_and_the_last_one_ends_the_trade() -> None:
    schedule = draw_schedule(seed=7, orders=MANY)
    times = [0.0, *(strike.at_s for strike in schedule.strikes)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(PAUSE_S[0] <= pause <= PAUSE_S[1] for pause in pauses)
    assert all(AWAY_S[0] <= strike.away_s <= AWAY_S[1] for strike in schedule.strikes)
    assert schedule.ends_at_s == times[-1]


def test_orders_come_one_by_one_over_the_whole_time() -> None:
    visits = list(Visits(2, MANY, 100.0))
    times = [visit.at_s for visit in visits]
    assert times == sorted(times)
    assert 0 <= times[0] < 1
    assert 99 < times[-1] <= 100


def test_a_fifth_of_the_requests_is_sent_twice_half_of_them_at_once() -> None:
    how = Counter(manner.twice for manner in manners(list(Visits(3, MANY, 100.0))))
    assert (how["together"] + how["again"]) / how.total() == pytest.approx(SENT_TWICE, abs=0.03)
    assert how["together"] / (how["together"] + how["again"]) == pytest.approx(0.5, abs=0.1)


def test_every_second_order_meets_a_fault_and_every_fault_is_met() -> None:
    met = Counter(order.story.fault for order in Visits(3, MANY, 100.0).orders)
    assert met[""] == MANY // FAULT_EVERY
    assert set(met) == {"", *(fault.name for fault in CHAOS_FAULTS)}


def test_some_payers_never_come_some_come_late_and_some_buyers_cancel() -> None:
    visits = list(Visits(3, MANY, 100.0))
    acts = [visit.pays_after_s for visit in visits]
    assert 0.1 < acts.count(None) / MANY < 0.2
    assert 0.15 < sum(after_s is not None and 5 < after_s < 13 for after_s in acts) / MANY < 0.25
    too_late = [visit for visit in visits if visit.pays_too_late]
    assert 0.15 < len(too_late) / MANY < 0.25
    assert {visit.order.story.payer for visit in too_late} == {"pays"}
    cancels = sum(v.cancels_after_s is not None for v in visits if not v.order.story.fault)
    assert 0.1 < cancels / (MANY / FAULT_EVERY) < 0.2


def lives_of(visits: Visits) -> list[Life]:
    return [visit.life for visit in visits if visit.life is not None]


def test_what_is_canceled_has_no_life_and_most_of_the_others_have_one() -> None:
    visits = list(Visits(3, MANY, 100.0))
    kept = [visit for visit in visits if visit.cancels_after_s is None]
    assert all(visit.life is None for visit in visits if visit.cancels_after_s is not None)
    assert sum(visit.life is not None for visit in kept) / len(kept) == pytest.approx(
        LIVES, abs=0.05
    )


def test_every_story_of_a_parcel_is_told_some_of_it_late_and_some_of_it_twice() -> None:
    lives = lives_of(Visits(3, MANY, 100.0))
    assert {life.story for life in lives} == set(STORIES)
    for life in lives:
        told = {telling.status for telling in life.tellings}
        assert told == set(STORIES[life.story].seen)
        assert all(telling.told_after_s >= telling.seen_after_s for telling in life.tellings)
    told_in_turn = [
        [telling.seen_after_s for telling in life.tellings]
        == sorted(telling.seen_after_s for telling in life.tellings)
        for life in lives
    ]
    assert 0.1 < told_in_turn.count(False) / len(lives) < 0.6
    tellings = [telling for life in lives for telling in life.tellings]
    twice = sum(telling.twice for telling in tellings) / len(tellings)
    assert twice == pytest.approx(TOLD_TWICE, abs=0.03)


def test_goods_are_sent_back_whole_and_in_part_and_some_returns_are_declined() -> None:
    lives = lives_of(Visits(3, MANY, 100.0))
    assert Counter(life.sends_back for life in lives).keys() == {"", "a unit", "all"}
    assert {life.is_declined for life in lives} == {True, False}
    assert {life.is_refunded for life in lives} == {True, False}


def test_a_carrier_that_refuses_to_come_sees_nothing() -> None:
    refused = [
        visit for visit in Visits(3, MANY, 100.0) if visit.order.story.fault == "release is refused"
    ]
    assert refused
    assert all(visit.life is None for visit in refused)
