"""What chaos draws: the same for the same seed, and enough of everything."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from cli.chaos.faults import CHAOS_FAULTS
from cli.chaos.schedule import AWAY_S, ORDERS_PER_KILL, PARTS, PAUSE_S, draw_schedule
from cli.chaos.visits import FAULT_EVERY, SENT_TWICE, Manner, Visit, Visits

MANY = 2000


def manners(visits: list[Visit]) -> list[Manner]:
    """How each request is sent."""
    canceling = [visit.canceling for visit in visits if visit.cancels_after_s is not None]
    return [visit.ordering for visit in visits] + canceling


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
    assert 0.15 < sum(after_s is not None and after_s > 5 for after_s in acts) / MANY < 0.25
    cancels = sum(v.cancels_after_s is not None for v in visits if not v.order.story.fault)
    assert 0.1 < cancels / (MANY / FAULT_EVERY) < 0.2
