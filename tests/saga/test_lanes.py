"""How others are asked, within the workflow's own task first or by the task queue alone: what an order
comes to is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final, get_args

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from ordersaga.order import RemoteLane
from tests.conftest import own_stack
from tests.saga.shop import Books, Shop, card, payment, until_true
from tests.saga.test_crashes import doomed_worker

pytestmark = pytest.mark.long

TASKS: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
QUEUED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


@pytest.fixture(scope="module", params=get_args(RemoteLane))
async def lane_stack(request: pytest.FixtureRequest) -> AsyncIterator[LocalStack]:
    async with own_stack(remote_lane=request.param) as running:
        yield running


@pytest.fixture
async def shop(lane_stack: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(lane_stack) as shop:
        yield shop


@pytest.fixture
def lane(request: pytest.FixtureRequest) -> RemoteLane:
    """Of the stack of this test."""
    found: RemoteLane = request.node.callspec.params["lane_stack"]
    return found


async def _events(shop: Shop, order_id: str) -> list[int]:
    """So far, of its history."""
    client = await Client.connect(shop.stack.ready.temporal)
    history = await client.get_workflow_handle(workflow_id(order_id)).fetch_history()
    return [event.event_type for event in history.events]


async def test_an_order_by_card_and_carrier_needs_the_task_queue_or_not(
    shop: Shop, lane: RemoteLane
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    await shop.assert_all_of_it(order)
    events = await _events(shop, order["id"])
    before_the_decision = 0 if lane == "local_first" else 3  # hold and booking, then the capture
    assert events.count(QUEUED) == before_the_decision + 1, "the carrier is told to come"


async def test_what_our_own_site_refuses_asks_and_undoes_nothing_elsewhere(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox", quantity=shop.on_hand + 1)
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "out_of_stock")
    assert QUEUED not in await _events(shop, order["id"])
    await shop.assert_clean_slate(order)


@pytest.mark.parametrize("token", ["tok_flaky_3", "tok_lost_reply", "tok_slow_4000"])
async def test_what_fails_or_takes_long_goes_over_to_the_task_queue_and_happens_once(
    shop: Shop, token: str
) -> None:
    order = await shop.order(card(token))
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    assert QUEUED in await _events(shop, order["id"])
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize("service", ["ship_flaky_3", "ship_lost_reply"])
async def test_so_does_a_parcel_that_is_not_booked_at_once(shop: Shop, service: str) -> None:
    order = await shop.order(card(), carrier="sandbox", service=service)
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    await shop.until_released(order["id"])
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize(
    ("token", "service"),
    [
        ("tok_declined", "standard"),
        ("tok_capture_declined", "standard"),
        ("tok_ok", "ship_refused"),
        ("tok_slow_4000", "ship_refused"),
    ],
)
async def test_a_no_undoes_all_of_it(shop: Shop, token: str, service: str) -> None:
    order = await shop.order(card(token), carrier="sandbox", service=service)
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    await shop.assert_clean_slate(order)


async def test_a_provider_that_is_away_ends_the_order_when_its_patience_ends(shop: Shop) -> None:
    order = await shop.order(card("tok_unavailable"), prefer="respond-async")
    order = await shop.until_final(order["id"], within_s=60)
    assert (order["status"], order["failure"]["code"]) == ("canceled", "provider_unavailable")
    await shop.assert_clean_slate(order)


async def test_a_cancel_reaches_an_order_whose_provider_is_away(shop: Shop) -> None:
    order = await shop.order(card("tok_unavailable"), prefer="respond-async")
    await shop.cancel(order["id"])
    order = await shop.until_final(order["id"])
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)


async def test_a_worker_killed_while_it_asks_leaves_one_effect(shop: Shop) -> None:
    order = await shop.order(card("tok_slow_1500"), prefer="respond-async")

    async def is_asked() -> bool:
        return bool((await shop.books(order["id"])).intents)

    await until_true(is_asked)
    await shop.stack.kill("worker")
    await shop.stack.start("worker")
    order = await shop.until_final(order["id"], within_s=60)
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize(
    ("dies_after", "is_asked"),
    [
        ("authorize_payment", lambda books: books.held),
        ("book_parcel", lambda books: books.live_parcels),
        ("charge_payment", lambda books: books.kept),
        ("capture_payment", lambda books: books.kept and not books.held),
    ],
)
async def test_killed_after_it_asked_then_canceled_all_of_it_is_taken_back(
    shop: Shop, dies_after: str, is_asked: Callable[[Books], object]
) -> None:
    """Local first, what was asked within a task that never ended is in no history; the next one hears
    the cancel first."""
    async with doomed_worker(shop.stack, "after", dies_after):
        order = await shop.order(
            card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
        )

        async def is_begun() -> bool:
            return bool(is_asked(await shop.books(order["id"])))

        await until_true(is_begun)
        answer = await shop.cancel(order["id"], prefer="wait=0")
        assert answer.status_code == 202, "stored, and nobody there to answer it yet"
    order = await shop.until_final(order["id"], within_s=60)
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)
