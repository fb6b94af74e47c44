"""API and worker in one process, as `ordersaga serve` and `ordersaga up` run them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from adapters.temporal import CROWD
from cli import together
from cli.stack.errors import PartEnded
from cli.stack.stack import ALL_IN_ONE, LocalStack
from ordersaga.config import Settings
from ordersaga.keys import workflow_id
from tests.conftest import own_stack
from tests.saga.shop import Shop, card, until_true

pytestmark = pytest.mark.long

STOPS_WITHIN_S = 14  # requests have 5 s to end, what the worker has under way 10 s


@pytest.fixture(scope="module")
async def one() -> AsyncIterator[LocalStack]:
    async with own_stack(parts=ALL_IN_ONE) as running:
        yield running


@pytest.fixture
async def shop(one: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(one) as shop:
        yield shop


async def _began_at_once(shop: Shop, order_id: str) -> bool:
    """Whether its first task came with the answer to its start."""
    client = await Client.connect(shop.stack.ready.temporal)
    events = client.get_workflow_handle(workflow_id(order_id)).fetch_history_events(page_size=1)
    begun = (await anext(events)).workflow_execution_started_event_attributes
    return begun.eager_execution_accepted


async def _serves(stack: LocalStack) -> bool:
    async with httpx.AsyncClient() as http:
        try:
            return (await http.get(f"{stack.ready.api}/healthz")).is_success
        except httpx.TransportError:
            return False


async def test_there_is_one_process_for_both(one: LocalStack) -> None:
    assert {"api", "worker"}.isdisjoint(one.ready.pids)
    said = (one.logs / "server.log").read_text()
    assert "worker ready" in said


async def test_an_order_begins_where_it_was_accepted_without_a_queue(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    assert order["status"] == "confirmed"
    assert await _began_at_once(shop, order["id"])
    await shop.until_released(order["id"])
    await shop.assert_all_of_it(order)


async def test_a_crowd_goes_through_the_queue_so_that_nobody_is_passed(
    one: LocalStack, shop: Shop
) -> None:
    """There are slots for more than these: it is not for want of one."""
    async with Shop(
        one
    ) as next_door:  # a client of ours has no more connections than a crowd has people
        buying = [s.order(card()) for s in (shop, next_door) for _ in range(CROWD * 7 // 10)]
        orders = await asyncio.gather(*buying)
    ended = [await shop.until_final(order["id"], within_s=60) for order in orders]
    assert {order["status"] for order in ended} == {"confirmed"}
    at_once = [await _began_at_once(shop, order["id"]) for order in orders]
    assert 0 < at_once.count(False) < CROWD, "those that came when so many waited, and no others"
    assert await _began_at_once(shop, (await shop.order(card()))["id"])


async def test_killed_with_orders_under_way_it_goes_on_where_it_was(shop: Shop) -> None:
    orders = [await shop.order(card("tok_slow_1500"), prefer="respond-async") for _ in range(3)]
    await shop.stack.kill("server")
    await shop.stack.start("server")
    for order in orders:
        ended = await shop.until_final(order["id"], within_s=60)
        assert ended["status"] == "confirmed"


async def test_told_to_stop_it_answers_who_waits_and_ends_what_is_under_way(shop: Shop) -> None:
    waiting = asyncio.create_task(shop.order(card("tok_slow_1500")))
    await asyncio.sleep(0.5)
    began_s = time.monotonic()
    await shop.stack.stop("server")
    assert time.monotonic() - began_s < STOPS_WITHIN_S
    order = await waiting
    await shop.stack.start("server")
    assert order["status"] == "confirmed", "it was decided before the process ended"


async def test_while_temporal_is_away_orders_are_taken_and_begin_when_it_comes(shop: Shop) -> None:
    stack = shop.stack
    await stack.stop("server")
    await stack.stop("temporal")
    starting = asyncio.create_task(stack.start("server"))  # ready when its worker is
    await until_true(lambda: _serves(stack))
    order = await shop.order(card(), prefer="respond-async")
    assert order["status"] == "pending"
    await stack.start("temporal")
    await starting
    order = await shop.until_final(order["id"], within_s=60)
    assert order["status"] == "confirmed"
    later = await shop.order(card())
    assert await _began_at_once(shop, later["id"])


async def test_told_to_stop_while_it_waits_for_temporal_it_ends(one: LocalStack) -> None:
    await one.stop("server")
    await one.stop("temporal")
    starting = asyncio.create_task(one.start("server"))
    await until_true(lambda: _serves(one))
    pid = one.pid("server")
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    with pytest.raises(PartEnded, match="ended with code 0"):
        await starting
    await one.start("temporal")
    await one.start("server")


async def test_where_its_worker_fails_the_process_ends_and_says_so(
    one: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would take orders and look well, and bring none of them anywhere."""

    async def has_a_bug(*_: Any, **__: Any) -> None:
        await asyncio.sleep(0.2)
        raise RuntimeError("the relay ended by itself")

    monkeypatch.setattr(together, "work", has_a_bug)
    monkeypatch.setenv("ORDERSAGA_API_PORT", "0")
    monkeypatch.setenv("TEMPORAL_ADDRESS", one.ready.temporal)
    with pytest.raises(RuntimeError, match="the relay ended by itself"):
        async with asyncio.timeout(STOPS_WITHIN_S):
            await together.run_together(Settings(database_url=one.ready.database))
