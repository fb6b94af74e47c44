"""What a replay says of itself: one last line, one exit code, each mismatch by its name."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.endings import FAILED, UNDECIDED
from cli.replay.drive import reachable
from cli.replay.run import ReplayRun
from cli.replay.screen import ReplayScreen
from cli.replay.source import RecordedLives
from cli.replay.timeline import RecordedStatus
from cli.replay.verdict import Mismatch, Placed
from ordersaga.client import Failure, Links, Order
from ordersaga.lifecycle import Status
from tests.demo.test_demo_file import OLIST


def placed(number: int) -> Placed:
    delivered = frozenset({Status.DELIVERED, Status.COMPLETED})
    return Placed(f"ord_{number}", f"line {number}", "r-1", RecordedStatus.DELIVERED, delivered)


def order(status: str, *, failure: Failure | None = None) -> Order:
    return Order(
        id="ord_1",
        status=status,
        payment_status="captured",
        fulfillment_status="booked",
        payments=(),
        failure=failure,
        attention=None,
        deadline=None,
        version=5,
        allowed=(),
        links=Links(events="/", tracking="/", track=None, workflow=None),
    )


def run(*wrong: str) -> ReplayRun:
    """Of three orders; some ended in these statuses, the others as recorded."""
    screen = ReplayScreen(Console(file=io.StringIO(), width=200))
    screen.placed_orders = [placed(number) for number in range(3)]
    screen.verdict.mismatches = [Mismatch(placed(1), order(status)) for status in wrong]
    return ReplayRun(RecordedLives(OLIST, seed=1), concurrency=1, speed=86400, screen=screen)


def test_the_last_line_has_its_one_form() -> None:
    assert run("confirmed").last_line(violations=4) == "replay: 3 orders, 2 match, 4 violations"


@pytest.mark.parametrize(
    ("wrong", "exit_code"),
    [
        ((), 0),
        (("confirmed",), FAILED),
        (("pending",), UNDECIDED),
        (("compensating", "rejected"), UNDECIDED),
    ],
)
def test_the_exit_code_says_what_became_of_the_orders(
    wrong: tuple[str, ...], exit_code: int
) -> None:
    assert run(*wrong).exit_code == exit_code


def test_a_mismatch_names_the_record_and_where_our_order_is() -> None:
    failure = Failure(participant="payment", code="card_declined")
    assert str(Mismatch(placed(7), order("rejected", failure=failure))) == (
        "line 7 (r-1) recorded delivered, ord_1 is rejected, captured, booked: card_declined"
    )


@pytest.mark.parametrize(("speed", "window_s"), [(86400, 7), (3600, 168), (1e9, 1)])
def test_delivered_orders_are_completed_after_a_recorded_week(speed: float, window_s: int) -> None:
    settings = ReplayRun(RecordedLives(OLIST, seed=1), concurrency=1, speed=speed).settings
    assert settings["completion_window_s"] == window_s


def test_who_cannot_get_there_any_more_is_not_waited_for() -> None:
    assert Status.PENDING not in reachable(Status.CONFIRMED)
    assert reachable(Status.SHIPPED) >= {Status.DELIVERED, Status.COMPLETED, Status.RETURNED}
    assert reachable(Status.REJECTED) == reachable(Status.CANCELED) == frozenset()
    assert Status.DELIVERED in reachable(Status.PENDING)
