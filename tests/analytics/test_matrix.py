"""The transition matrix, the endings and the funnel: against a direct count, and by their laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import mean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersaga.analytics.absorption import absorb, endings_after
from ordersaga.analytics.courses import Course, make_course
from ordersaga.analytics.fit import STATES, Fit, fit
from ordersaga.analytics.funnel import fit_funnel
from ordersaga.analytics.matrix import Matrix, fit_matrix
from ordersaga.analytics.past_orders import PastOrder, RecordedStatus, course_of
from ordersaga.lifecycle import FINAL, MACHINES, STATUS
from tests.analytics.timelines import COUNT, invented_past, needs_timelines, real_past

R = RecordedStatus
LETTERS = "abcdef"

# --- Against a direct count ------------------------------------------------------------------------


def counted(past: Sequence[PastOrder]) -> dict[tuple[str, str], int]:
    """Each move of the records, counted one kind after the other: nothing of the product is asked."""

    def how_many(*words: str, approved: bool | None = None, handed: bool | None = None) -> int:
        return sum(
            one.status.value in words
            and (approved is None or (one.approved_at is not None) == approved)
            and (handed is None or (one.handed_to_carrier_at is not None) == handed)
            for one in past
        )

    waiting = ("created", "approved", "invoiced", "processing", "unavailable")
    sent = how_many("shipped", "delivered")
    canceled_later = how_many("canceled", approved=True)
    moves = {
        ("pending", "confirmed"): sent + how_many(*waiting, approved=True) + canceled_later,
        ("pending", "canceled"): how_many("canceled", approved=False),
        ("confirmed", "shipped"): how_many("shipped")
        + how_many("delivered", handed=True)
        + how_many("canceled", handed=True),
        ("confirmed", "delivered"): how_many("delivered", handed=False),
        ("confirmed", "compensating"): how_many("canceled", approved=True, handed=False),
        ("shipped", "delivered"): how_many("delivered", handed=True),
        ("shipped", "compensating"): how_many("canceled", handed=True),
        ("compensating", "canceled"): canceled_later,
    }
    return {move: count for move, count in moves.items() if count}


def moves_of(matrix: Matrix) -> dict[tuple[str, str], int]:
    return {
        (state, after): count
        for state, row in matrix.counts.items()
        for after, count in row.items()
    }


def fitted(past: Sequence[PastOrder]) -> Fit:
    return fit(STATUS, own=[], imported=[course_of(one) for one in past])


@needs_timelines
def test_the_matrix_of_5_000_real_orders_equals_a_direct_count() -> None:
    found = fitted(real_past())

    assert found.sample.orders == found.matrix.orders == COUNT
    assert moves_of(found.matrix) == counted(real_past())
    print("\n", moves_of(found.matrix))


@needs_timelines
def test_the_dwells_of_5_000_real_orders_equal_a_direct_count() -> None:
    stays = [
        max(0.0, (one.handed_to_carrier_at - one.approved_at).total_seconds())
        for one in real_past()
        if one.status in (R.SHIPPED, R.DELIVERED, R.CANCELED)
        and one.handed_to_carrier_at
        and one.approved_at
    ]
    dwell = fitted(real_past()).matrix.rows["confirmed"].dwell
    assert dwell is not None
    hundredths = quantiles(stays, n=100, method="inclusive")

    assert dwell.count == len(stays)
    assert dwell.mean_s == pytest.approx(mean(stays))
    assert (dwell.p50_s, dwell.p90_s, dwell.p99_s) == pytest.approx(
        (hundredths[49], hundredths[89], hundredths[98])
    )


def test_the_matrix_of_an_invented_shop_equals_a_direct_count() -> None:
    past = invented_past(2_000, seed=1)
    found = fitted(past)

    assert moves_of(found.matrix) == counted(past)
    assert found.matrix.rows["shipped"].still == sum(one.status == R.SHIPPED for one in past)


@pytest.mark.parametrize("past", [pytest.param("real", marks=needs_timelines), "invented"])
def test_imported_orders_make_no_move_that_ours_cannot_make(past: str) -> None:
    found = fitted(real_past() if past == "real" else invented_past(500, seed=2))
    allowed = {(source, m.target) for m in MACHINES[STATUS] for source in m.sources}

    assert set(moves_of(found.matrix)) <= allowed


# --- Laws ------------------------------------------------------------------------------------------


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Any walk at all, also in rings, with times that go back and forth."""
    states = draw(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=8))
    at_s = st.one_of(st.none(), st.floats(0, 1e9))
    times = draw(st.lists(at_s, min_size=len(states), max_size=len(states)))
    return make_course(states, times, is_over=draw(st.booleans()))


many_courses = st.lists(courses(), min_size=1, max_size=30)


@given(many_courses)
def test_every_row_and_every_absorption_sums_to_one(walked: list[Course]) -> None:
    matrix = fit_matrix(walked, LETTERS)
    absorption = absorb(matrix)

    for row in matrix.probabilities.values():
        assert sum(row.values()) == pytest.approx(1)
    for state, endings in absorption.items():
        assert sum(endings.values()) == pytest.approx(1), state
        assert all(0 <= share <= 1 + 1e-9 for share in endings.values())


@given(many_courses)
def test_every_step_of_every_order_is_counted_once(walked: list[Course]) -> None:
    matrix = fit_matrix(walked, LETTERS)
    seen = Counter(
        (a.state, b.state) for c in walked for a, b in zip(c.visits, c.visits[1:], strict=False)
    )

    assert Counter(moves_of(matrix)) == seen
    assert sum(row.ended + row.still for row in matrix.rows.values()) == len(walked)


@given(many_courses)
def test_no_stay_is_shorter_than_nothing_whatever_the_clocks_said(walked: list[Course]) -> None:
    for row in fit_matrix(walked, LETTERS).rows.values():
        for leavers in row.to.values():
            assert all(stay >= 0 for stay in leavers.stays_s)
        if row.dwell is not None:
            assert 0 <= row.dwell.p50_s <= row.dwell.p90_s <= row.dwell.p99_s


def test_who_went_into_a_ring_says_nothing_of_how_orders_end() -> None:
    ended = make_course(["c", "b"], [None, None], is_over=True)
    in_a_ring = make_course(["b", "a", "d", "a"], [None] * 4, is_over=False)
    assert absorb(fit_matrix([ended, in_a_ring], LETTERS)) == {"b": {"b": 1.0}, "c": {"b": 1.0}}


@given(many_courses, st.floats(0, 1e9))
def test_whatever_an_order_has_waited_its_endings_sum_to_one(
    walked: list[Course], spent_s: float
) -> None:
    matrix = fit_matrix(walked, LETTERS)
    absorption = absorb(matrix)
    for state, row in matrix.rows.items():
        endings = endings_after(row, state, spent_s, absorption, fewest=1)
        if state in absorption:
            assert sum(endings.values()) == pytest.approx(1)


@given(many_courses)
def test_a_funnel_never_widens(walked: list[Course]) -> None:
    steps = fit_funnel(walked, LETTERS[:4])
    reached = [step.reached for step in steps]

    assert reached == sorted(reached, reverse=True)


def test_absorption_is_what_the_fundamental_matrix_says() -> None:
    """A gambler with two coins who plays for four: he goes home with all of it every second time, with three
    coins three times of four."""
    tosses = {"21": False, "23": False, "10": True, "12": False, "32": False, "34": True}
    fair = [make_course(way, [None, None], is_over=is_over) for way, is_over in tosses.items()]
    absorption = absorb(fit_matrix(fair, "01234"))

    assert absorption["2"] == pytest.approx({"0": 0.5, "4": 0.5})
    assert absorption["3"] == pytest.approx({"0": 0.25, "4": 0.75})
    assert absorption["0"] == {"0": 1.0}


def test_most_completed_orders_stay_so_and_some_are_sent_back() -> None:
    stays = make_course(["delivered", "completed"], [0.0, 10.0], is_over=True)
    goes_back = make_course(["delivered", "completed", "returned"], [0.0, 10.0, 20.0], is_over=True)
    matrix = fit_matrix([stays] * 3 + [goes_back], STATES[STATUS])

    assert matrix.probabilities["completed"] == {"returned": 0.25, "completed": 0.75}
    assert absorb(matrix)["delivered"] == pytest.approx({"completed": 0.75, "returned": 0.25})


def test_an_order_that_waits_long_ends_as_those_did_that_waited_as_long() -> None:
    """Who confirms does so within an hour; who is canceled has waited for a day."""
    confirms = make_course(["pending", "confirmed"], [0.0, 3_600.0], is_over=True)
    gives_up = make_course(["pending", "canceled"], [0.0, 86_400.0], is_over=True)
    found = fit(STATUS, own=[confirms] * 60 + [gives_up] * 40)
    row = found.matrix.rows["pending"]

    early = endings_after(row, "pending", 60.0, found.absorption, fewest=20)
    late = endings_after(row, "pending", 7_200.0, found.absorption, fewest=20)
    assert early == pytest.approx({"confirmed": 0.6, "canceled": 0.4})
    assert late == {"canceled": 1.0}


def test_orders_under_way_say_nothing_of_how_they_end() -> None:
    over = make_course(["pending", "rejected"], [0.0, 1.0], is_over=True)
    waiting = make_course(["pending"], [0.0], is_over=False)

    assert fit_matrix([over, *[waiting] * 99], STATES[STATUS]).probabilities["pending"] == {
        "rejected": 1.0
    }


def test_no_past_at_all_is_no_error() -> None:
    found = fit(STATUS, own=[])

    assert found.sample.orders == 0
    assert found.sample.oldest_at_s is None
    for nothing in (found.matrix.rows, found.absorption, found.funnel, found.p99s_s):
        assert not nothing


def test_no_ending_is_ever_too_long() -> None:
    sent_back = make_course(["completed", "returned"], [0.0, 5.0], is_over=True)

    assert not FINAL & set(fit(STATUS, own=[sent_back] * 200).p99s_s)
