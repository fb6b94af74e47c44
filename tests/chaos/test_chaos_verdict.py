"""The verdict on what callers were told: each kind of lie is found, and the truth passes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.postgres.unrest import Ending
from cli.chaos.courier import Request
from cli.chaos.faults import CHAOS_FAULTS
from cli.chaos.lives import Life, draw_life
from cli.chaos.quiet import recovery_s
from cli.chaos.verdict import (
    ANSWERED,
    AS_DRAWN,
    CANCEL,
    HEARD,
    ORDER,
    SINGLE,
    TRUE,
    judge_endings,
    judge_requests,
)
from cli.chaos.visits import Visit, Visits
from ordersaga.audit import Violation
from ordersaga.client import ApiClient, ApiProblem, Order

LAST_KILL = datetime(2026, 1, 1, tzinfo=UTC)


async def never_asked(_: ApiClient) -> Order:
    raise AssertionError("a verdict asks nobody")


def request(*orders: str, kind: str = ORDER, refused: str = "") -> Request:
    asked = Request("run-1", kind, never_asked, orders=set(orders))
    if refused:
        asked.refusal = ApiProblem(status=422, code=refused, detail="")
    return asked


def ending(
    order_id: str = "ord_1",
    *,
    reference: str = "run-1",
    status: str = "confirmed",
    reason: str | None = None,
    created_s: float = -1.0,
    ended_s: float = 1.0,
) -> Ending:
    return Ending(
        id=order_id,
        reference=reference,
        status=status,
        payment_status="captured",
        reason=reason,
        created_at=LAST_KILL + timedelta(seconds=created_s),
        updated_at=LAST_KILL + timedelta(seconds=ended_s),
    )


def names(violations: Iterable[Violation]) -> list[str]:
    return [violation.invariant for violation in violations]


def drawn(fault: str, life: Life | None = None) -> dict[str, Visit]:
    """An order that was drawn with this fault."""
    some = Visits(1, 4 * len(CHAOS_FAULTS), 1.0)
    visit = next(visit for visit in some if visit.order.story.fault == fault)
    return {"run-1": replace(visit, life=life)}


def life(story: str, sends_back: str = "") -> Life:
    dice = random.Random("any")
    return replace(draw_life(dice), story=story, sends_back=sends_back)  # type: ignore[arg-type]


def test_one_order_that_all_answers_name_is_right() -> None:
    asked = [request("ord_1"), request("ord_1", kind=CANCEL)]
    assert names(judge_requests(asked, [ending()])) == []


def test_a_refused_order_that_is_not_there_is_right() -> None:
    assert names(judge_requests([request(refused="invalid_request")], [])) == []


def test_a_doubled_order_is_found() -> None:
    twins = [ending("ord_1"), ending("ord_2")]
    assert SINGLE in names(judge_requests([request("ord_1")], twins))


def test_an_accepted_order_that_is_not_there_is_found() -> None:
    assert names(judge_requests([request("ord_1")], [])) == [SINGLE]


def test_a_refused_order_that_is_there_is_found() -> None:
    asked = [request(refused="internal_error")]
    assert names(judge_requests(asked, [ending()])) == [SINGLE]


def test_an_order_that_nobody_placed_is_found() -> None:
    stranger = ending("ord_2", reference="run-2")
    assert names(judge_requests([request("ord_1")], [ending(), stranger])) == [SINGLE]


def test_two_answers_to_one_key_that_name_two_orders_are_found() -> None:
    assert names(judge_requests([request("ord_1", "ord_2")], [ending()])) == [TRUE]


def test_a_cancel_answered_with_another_order_is_found() -> None:
    asked = [request("ord_1"), request("ord_9", kind=CANCEL)]
    assert names(judge_requests(asked, [ending()])) == [TRUE]


def test_a_request_without_an_answer_is_found() -> None:
    assert ANSWERED in names(judge_requests([request()], []))


def test_an_accepted_cancel_of_an_order_that_stays_confirmed_is_found() -> None:
    asked = [request("ord_1"), request("ord_1", kind=CANCEL)]
    assert names(judge_endings(drawn(""), asked, [ending()])) == [HEARD]


@pytest.mark.parametrize(
    ("fault", "status", "reason", "right"),
    [
        ("", "confirmed", None, True),
        ("", "rejected", "card_declined", False),
        ("", "canceled", "provider_unavailable", True),
        ("", "canceled", "canceled", False),  # and nobody asked for it
        ("declined", "rejected", "card_declined", True),
        ("declined", "canceled", "provider_unavailable", True),
        ("declined", "confirmed", None, False),
        ("capture declined", "rejected", "card_declined", False),
        ("buyer changes mind", "confirmed", None, True),  # who never learned the order's id
        ("unknown SKU", "confirmed", None, False),
    ],
)
def test_an_order_ends_as_drawn_or_was_given_up_for_a_reason_of_chaos(
    fault: str, status: str, reason: str | None, right: bool
) -> None:
    ended = ending(status=status, reason=reason)
    found = names(judge_endings(drawn(fault), [request("ord_1")], [ended]))
    assert found == ([] if right else [AS_DRAWN])


@pytest.mark.parametrize(
    ("lived", "status", "reason", "right"),
    [
        (life("is lost"), "returned", "parcel_lost", True),
        (life("is lost"), "returned", "returned_to_sender", False),
        (life("is lost"), "shipped", None, True),  # cut short: the audit knows what was told
        (life("is not brought"), "canceled", "carrier_canceled", True),
        (life("arrives"), "completed", None, True),
        (life("arrives"), "returned", None, False),  # and nothing was sent back
        (life("arrives", "all"), "returned", None, True),
        (life("arrives", "all"), "canceled", None, False),
        (None, "returned", "parcel_lost", False),
    ],
)
def test_an_order_that_was_confirmed_ends_as_its_parcel_and_its_buyer_make_it(
    lived: Life | None, status: str, reason: str | None, right: bool
) -> None:
    ended = ending(status=status, reason=reason)
    found = names(judge_endings(drawn("", lived), [request("ord_1")], [ended]))
    assert found == ([] if right else [AS_DRAWN])


def test_recovery_is_of_orders_under_way_at_the_last_kill_that_need_nobody() -> None:
    endings = [
        ending("ord_1", reference="a", ended_s=3.0),
        ending("ord_2", reference="b", ended_s=2.0),
        ending("ord_3", reference="c", ended_s=9.0),  # waits for its payer
        ending("ord_4", reference="a", ended_s=-0.5),  # at rest before
        ending("ord_5", reference="a", created_s=0.5, ended_s=8.0),  # came after
    ]
    assert recovery_s(endings, since=LAST_KILL, only={"a", "b"}) == (2.0, 3.0)
