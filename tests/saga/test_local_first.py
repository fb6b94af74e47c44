"""Remote steps asked within the workflow's own task first: fewer tasks, and nothing else is different."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from tests.conftest import SHORT_PATIENCE
from tests.saga.shop import Books, Shop, card, payment, until_true
from tests.saga.test_crashes import doomed_worker

pytestmark = pytest.mark.long

TASKS: Final = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
QUEUED: Final = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


@pytest.fixture(scope="module")
async def quick_stack() -> AsyncIterator[LocalStack]:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data",
        port=0,
        keep_data=False,
        settings={**SHORT_PATIENCE, "remote_lane": "local_first"},
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture
async def quick(quick_stack: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(quick_stack) as shop:
        yield shop


async def _events(shop: Shop, order_id: str) -> list[int]:
    """So far, of its history."""
    client = await Client.connect(shop.stack.ready.temporal)
    history = await client.get_workflow_handle(workflow_id(order_id)).fetch_history()
    return [event.event_type for event in history.events]


async def test_an_order_by_card_and_carrier_is_decided_without_the_task_queue(quick: Shop) -> None:
    order = await quick.order(card(), carrier="sandbox")
    assert order["status"] == "confirmed"
    await quick.until_released(order["id"])
    await quick.assert_all_of_it(order)
    events = await _events(quick, order["id"])
    assert events.count(QUEUED) == 1, "the carrier is told to come, by the task queue"


@pytest.mark.parametrize("token", ["tok_flaky_3", "tok_lost_reply", "tok_slow_4000"])
async def test_what_fails_or_takes_long_goes_over_to_the_task_queue_and_happens_once(
    quick: Shop, token: str
) -> None:
    order = await quick.order(card(token))
    order = await quick.until_final(order["id"])
    assert order["status"] == "confirmed"
    assert QUEUED in await _events(quick, order["id"])
    await quick.assert_all_of_it(order)


@pytest.mark.parametrize("service", ["ship_flaky_3", "ship_lost_reply"])
async def test_so_does_a_parcel_that_is_not_booked_at_once(quick: Shop, service: str) -> None:
    order = await quick.order(card(), carrier="sandbox", service=service)
    order = await quick.until_final(order["id"])
    assert order["status"] == "confirmed"
    await quick.until_released(order["id"])
    await quick.assert_all_of_it(order)


@pytest.mark.parametrize(
    ("token", "service"),
    [
        ("tok_declined", "standard"),
        ("tok_capture_declined", "standard"),
        ("tok_ok", "ship_refused"),
        ("tok_slow_4000", "ship_refused"),
    ],
)
async def test_a_no_undoes_all_of_it(quick: Shop, token: str, service: str) -> None:
    order = await quick.order(card(token), carrier="sandbox", service=service)
    order = await quick.until_final(order["id"])
    assert order["status"] == "rejected"
    await quick.assert_clean_slate(order)


async def test_a_provider_that_is_away_ends_the_order_when_its_patience_ends(quick: Shop) -> None:
    order = await quick.order(card("tok_unavailable"), prefer="respond-async")
    order = await quick.until_final(order["id"], within_s=60)
    assert (order["status"], order["failure"]["code"]) == ("canceled", "provider_unavailable")
    await quick.assert_clean_slate(order)


async def test_a_cancel_reaches_an_order_whose_provider_is_away(quick: Shop) -> None:
    order = await quick.order(card("tok_unavailable"), prefer="respond-async")
    await quick.cancel(order["id"])
    order = await quick.until_final(order["id"])
    assert order["status"] == "canceled"
    await quick.assert_clean_slate(order)


async def test_a_worker_killed_while_it_asks_leaves_one_effect(quick: Shop) -> None:
    order = await quick.order(card("tok_slow_1500"), prefer="respond-async")

    async def is_asked() -> bool:
        return bool((await quick.books(order["id"])).intents)

    await until_true(is_asked)
    await quick.stack.kill("worker")
    await quick.stack.start("worker")
    order = await quick.until_final(order["id"], within_s=60)
    assert order["status"] == "confirmed"
    await quick.assert_all_of_it(order)


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
    quick: Shop, dies_after: str, is_asked: Callable[[Books], object]
) -> None:
    """What was asked within a task that never ended is in no history; the next one hears the cancel first."""
    async with doomed_worker(quick.stack, "after", dies_after):
        order = await quick.order(
            card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
        )

        async def is_begun() -> bool:
            return bool(is_asked(await quick.books(order["id"])))

        await until_true(is_begun)
        answer = await quick.cancel(order["id"], prefer="wait=0")
        assert answer.status_code == 202, "stored, and nobody there to answer it yet"
    order = await quick.until_final(order["id"], within_s=60)
    assert order["status"] == "canceled"
    await quick.assert_clean_slate(order)
