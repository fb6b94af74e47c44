"""The verdict on what was heard: what is missing, made up or out of order is found, and the truth passes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from adapters.postgres.told import ToldMail
from cli.chaos.hearing import Heard, Told, read_events, read_mail_ids
from cli.chaos.report import hearings
from cli.chaos.verdict import EXTRA, MISSING, OUT_OF_ORDER, judge_heard
from ordersaga.events import OrderEvent
from sandbox.listeners.diary import Diary, NotAnEventError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORY = ("order.accepted", "stock.reserved", "order.confirmed", "order.shipped")


def event(sequence: int, type_: str, order: str = "ord_1", **data: JsonValue) -> OrderEvent:
    return OrderEvent(
        position=sequence,
        tenant="demo",
        order_id=order,
        sequence=sequence,
        type=type_,
        machine=None,
        from_state=None,
        to_state=None,
        data=data,
        occurred_at=NOW,
        recorded_at=NOW,
    )


def history(order: str = "ord_1") -> tuple[OrderEvent, ...]:
    return tuple(event(number, type_, order) for number, type_ in enumerate(STORY, 1))


def mail(notice: str, audience: str = "buyer", sequence: int = 3, status: str = "sent") -> ToldMail:
    return ToldMail(
        order_id="ord_1",
        notice=notice,
        audience=audience,
        about="",
        sequence=sequence,
        status=status,
    )


MAILS = (mail("confirmed"), mail("new_order", "seller"), mail("shipped", sequence=4))


def heard(
    *numbers: int,
    more: Sequence[Told] = (),
    mails: Sequence[str] | None = None,
    notices: Sequence[ToldMail] = MAILS,
    known: Sequence[OrderEvent] = (),
) -> Heard:
    """One order of a run, and these of its events as they came to one listener."""
    told = {each.sequence: Told.of(each) for each in history()}
    return Heard(
        orders=frozenset(["ord_1"]),
        events={"receiver": [*(told[number] for number in numbers), *more]},
        mails=[each.message_id for each in notices] if mails is None else mails,
        history=(*history(), *known),
        notices=notices,
        untold={},
        waited_s=0.0,
    )


def found(of: Heard) -> list[tuple[str, str]]:
    return [(violation.invariant, violation.subject) for violation in judge_heard(of)]


@pytest.mark.parametrize("came", [(1, 2, 3, 4), (1, 1, 2, 3, 4, 4), (1, 2, 3, 2, 3, 4, 1)])
def test_all_events_in_their_order_are_right_however_often_they_come(came: tuple[int, ...]) -> None:
    assert found(heard(*came)) == []
    assert heard(*came).is_all


@pytest.mark.parametrize("came", [(), (1, 2, 3), (2, 3, 4), (1, 2, 4)])
def test_an_event_that_a_listener_never_heard_of_is_found(came: tuple[int, ...]) -> None:
    assert found(heard(*came)) == [(MISSING, "receiver")]
    assert not heard(*came).is_all


@pytest.mark.parametrize("came", [(1, 3, 2, 4), (2, 1, 3, 4), (1, 2, 4, 3, 4)])
def test_events_that_first_came_out_of_order_are_found(came: tuple[int, ...]) -> None:
    assert found(heard(*came)) == [(OUT_OF_ORDER, "receiver")]


def test_an_event_that_never_happened_is_found() -> None:
    made_up = Told("ord_1", 5, "order.delivered")
    assert found(heard(1, 2, 3, 4, more=[made_up])) == [(EXTRA, "receiver")]


def test_an_event_of_an_order_that_is_not_there_is_found() -> None:
    made_up = Told("ord_9", 1, "order.accepted")
    assert found(heard(1, 2, 3, 4, more=[made_up])) == [(EXTRA, "receiver")]


def test_an_event_that_says_something_else_than_history_is_found() -> None:
    other = Told("ord_1", 4, "order.canceled")
    assert found(heard(1, 2, 3, more=[other])) == [(MISSING, "receiver"), (EXTRA, "receiver")]


def test_an_earlier_runs_order_may_be_heard_of_in_part() -> None:
    came = [Told("ord_0", 3, "order.confirmed")]
    assert found(heard(1, 2, 3, 4, more=came, known=history("ord_0"))) == []


@pytest.mark.parametrize("came", [[each.message_id for each in MAILS], None])
def test_each_mail_that_the_table_names_may_come_again(came: list[str] | None) -> None:
    again = [*came, *came] if came else None
    assert found(heard(1, 2, 3, 4, mails=again)) == []


def test_a_mail_that_is_written_down_as_sent_and_never_came_is_found() -> None:
    came = [each.message_id for each in MAILS[1:]]
    assert found(heard(1, 2, 3, 4, mails=came)) == [(MISSING, "mailbox")]
    assert not heard(1, 2, 3, 4, mails=came).is_all


@pytest.mark.parametrize("status", ["due", "failed"])
def test_a_mail_that_was_given_up_or_still_waits_is_found(status: str) -> None:
    notices = [*MAILS[:2], mail("shipped", sequence=4, status=status)]
    came = [each.message_id for each in MAILS[:2]]
    assert found(heard(1, 2, 3, 4, mails=came, notices=notices)) == [(MISSING, "mailbox")]


def test_a_mail_that_was_skipped_for_a_reason_need_not_come() -> None:
    notices = [*MAILS[:2], mail("shipped", sequence=4, status="skipped")]
    came = [each.message_id for each in MAILS[:2]]
    assert found(heard(1, 2, 3, 4, mails=came, notices=notices)) == []


def test_a_mail_that_history_calls_for_and_nobody_wrote_down_is_found() -> None:
    assert found(heard(1, 2, 3, 4, notices=MAILS[:2])) == [(MISSING, "mailbox")]


def test_a_mail_without_a_cause_is_found() -> None:
    came = [*(each.message_id for each in MAILS), "ord_1.delivered.buyer"]
    assert found(heard(1, 2, 3, 4, mails=came)) == [(EXTRA, "mailbox")]


def test_mails_to_one_reader_that_first_came_out_of_order_are_found() -> None:
    came = [each.message_id for each in reversed(MAILS)]
    assert found(heard(1, 2, 3, 4, mails=came)) == [(OUT_OF_ORDER, "mailbox")]


def test_the_report_says_how_much_came_and_how_much_of_it_again() -> None:
    told = {each.listener: (each.due, each.came, each.again) for each in hearings(heard(1, 2, 2))}
    assert told == {"receiver": (4, 2, 1), "mailbox": (3, 3, 0)}


def test_a_listeners_books_hold_what_came_as_it_came_and_outlive_it(tmp_path: Path) -> None:
    books = tmp_path / "books.db"
    cloud_events = [sent(each) for each in history()[:2]]
    diary = Diary(books)
    assert diary.mark is None
    diary.keep_event(cloud_events[1], mark="17")
    diary.keep_event(cloud_events[0])
    diary.keep_event(cloud_events[0])
    diary.keep_mail(message_id="ord_1.confirmed.buyer@shop.example", recipient="ana@example.org")
    assert Diary(books).mark == "17", "on disk, also without a clean end"
    assert [each.sequence for each in read_events(books)] == [2, 1, 1]
    assert read_mail_ids(books) == ("ord_1.confirmed.buyer",)


def test_a_listener_keeps_nothing_that_is_no_event_of_an_order(tmp_path: Path) -> None:
    books = tmp_path / "books.db"
    diary = Diary(books)
    whole = sent(history()[0])
    for raw in ("", "{}", whole[:-1], whole.replace('"sequence": 1,', '"sequence": 2,')):
        with pytest.raises(NotAnEventError):
            diary.keep_event(raw)
    assert read_events(books) == ()
    with sqlite3.connect(books) as rows:
        assert rows.execute("select count(*) from place").fetchone() == (0,)


def sent(one: OrderEvent) -> str:
    return json.dumps(one.to_cloudevent())
