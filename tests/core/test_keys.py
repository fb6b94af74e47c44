"""Ids sort by the time they were made; a step's key is the same for every try of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ordersaga import keys
from ordersaga.keys import CROCKFORD, RANDOM_BITS, ULID_CHARS, Step, least_id, new_id

IN_OUR_TIME = st.datetimes(
    min_value=datetime(1970, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


def _number(id_: str) -> int:
    number = 0
    for digit in id_.partition("_")[2]:
        number = number * 32 + CROCKFORD.index(digit)
    return number


def _made_at_ms(id_: str) -> int:
    return _number(id_) >> RANDOM_BITS


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = []
    for _ in range(20):
        made.append(new_id("ord"))
        time.sleep(0.002)  # ids of one millisecond have no order among them
    assert made == sorted(made)


def test_an_id_is_a_prefix_and_a_ulid_of_now() -> None:
    before_ms = time.time_ns() // 1_000_000
    id_ = new_id("pay")
    after_ms = time.time_ns() // 1_000_000
    prefix, _, ulid = id_.partition("_")
    assert (prefix, len(ulid)) == ("pay", ULID_CHARS)
    assert set(ulid) <= set(CROCKFORD)
    assert before_ms <= _made_at_ms(id_) <= after_ms


def test_ids_made_at_once_differ() -> None:
    assert len({new_id("ord") for _ in range(20_000)}) == 20_000


@given(at=IN_OUR_TIME)
def test_the_least_id_of_a_moment_is_of_its_millisecond(at: datetime) -> None:
    number = _number(least_id("ord", at))
    assert number % 2**RANDOM_BITS == 0
    since_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    # One earlier only lets a list look at rows that it then leaves out; one later loses orders.
    assert since_ms - 1 <= number >> RANDOM_BITS <= since_ms


@given(moments=st.lists(IN_OUR_TIME, min_size=2, max_size=10))
def test_least_ids_sort_as_their_moments_do(moments: list[datetime]) -> None:
    moments.sort()
    ids = [least_id("ord", at) for at in moments]
    assert ids == sorted(ids)


def test_no_id_made_from_now_on_is_less_than_the_least_id_of_now() -> None:
    for _ in range(1000):
        assert least_id("ord", datetime.now(UTC)) <= new_id("ord")


def test_a_steps_key_is_its_order_name_and_generation_the_same_for_every_try() -> None:
    step = Step("ord_1", keys.payment_step("pay_1"))
    assert step.key == "ord_1:payment:pay_1:1" == Step("ord_1", "payment:pay_1").key
    assert Step("ord_1", step.name, generation=2).key == "ord_1:payment:pay_1:2"


def test_no_two_steps_of_an_order_share_a_name() -> None:
    names = [
        keys.STOCK,
        keys.RESTOCK,
        keys.payment_step("x_1"),
        keys.refund_step("x_1"),
        keys.parcel_step("x_1"),
        keys.release_step("x_1"),
    ]
    assert len(set(names)) == len(names)
