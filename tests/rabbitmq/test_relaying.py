"""From history to whoever listens at RabbitMQ: exactly what happened, whatever breaks between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.postgres.pool import Pool
from adapters.rabbitmq import RabbitPublisher
from cli.chaos.broker import find_broker
from cli.stack.stack import LocalStack
from ordersaga.errors import Unacceptable, Unavailable
from tests.postgres.merchant import Merchant, card
from tests.rabbitmq.broker import Broker, Line
from tests.rabbitmq.conftest import (
    Receiver,
    event,
    history_of,
    is_known,
    publishing,
    receiving,
)
from tests.relay.conftest import WITHIN_S, happen, relaying, until
from worker.relay import lane, relay

ORDERS, EVENTS = 12, 20


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(lane, "LONGEST_PAUSE_S", 0.5)
    monkeypatch.setattr(relay, "LOOK_EVERY_S", 0.2)


async def _orders(merchant: Merchant) -> list[str]:
    return [(await merchant.remote_order(card(1000))).id for _ in range(ORDERS)]


async def _all_is_heard(pool: Pool, receiver: Receiver, orders: list[str]) -> None:
    expected = await history_of(pool, orders)
    assert sum(map(len, expected.values())) == ORDERS * (EVENTS + 1)
    await until(lambda: {order: receiver.told[order] for order in orders} == expected)


async def test_who_listens_ends_with_what_history_holds(
    stack: LocalStack, pool: Pool, merchant: Merchant, amqp_url: str, exchange: str
) -> None:
    async with (
        receiving(amqp_url, exchange) as receiver,
        publishing(amqp_url, exchange) as sink,
        relaying(stack, pool, sink),
    ):
        await is_known(pool, exchange)
        orders = await _orders(merchant)
        await asyncio.gather(*(happen(pool, order, EVENTS) for order in orders))
        await _all_is_heard(pool, receiver, orders)
    mine = [m for m in receiver.messages if (m.message_id or "").partition(":")[0] in orders]
    assert len(mine) == ORDERS * (EVENTS + 1), "each once, where nothing goes wrong"


async def test_lost_confirms_and_cut_lines_lose_nothing(
    stack: LocalStack, pool: Pool, merchant: Merchant, amqp_url: str, exchange: str
) -> None:
    async with (
        receiving(amqp_url, exchange) as receiver,
        Line(amqp_url) as line,
        publishing(line.url, exchange) as sink,
        relaying(stack, pool, sink),
    ):
        await is_known(pool, exchange)
        orders = await _orders(merchant)
        work = [asyncio.create_task(happen(pool, order, EVENTS)) for order in orders]
        for _ in range(4):
            await asyncio.sleep(0.15)
            line.is_mute = True  # what is told now arrives, and nobody is sure of it
            await asyncio.sleep(0.1)
            line.cut()
        await asyncio.gather(*work)
        await _all_is_heard(pool, receiver, orders)
    assert len(receiver.messages) > ORDERS * (EVENTS + 1), "some came again"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("end", [Broker.stop, Broker.kill], ids=["stopped", "killed"])
async def test_a_broker_that_is_stopped_and_started_loses_nothing(
    stack: LocalStack,
    pool: Pool,
    merchant: Merchant,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Broker], Awaitable[None]],
) -> None:
    if find_broker() is None:
        pytest.skip("no RabbitMQ is installed that could be stopped and started")
    monkeypatch.setattr("tests.relay.conftest.WITHIN_S", 3 * WITHIN_S)
    name = f"ordersaga.test.{tmp_path.name}"
    async with (
        Broker(tmp_path) as broker,
        receiving(broker.url, name) as receiver,
        publishing(broker.url, name) as sink,
        relaying(stack, pool, sink),
    ):
        await is_known(pool, name)
        orders = await _orders(merchant)
        work = [asyncio.create_task(happen(pool, order, EVENTS)) for order in orders]
        await until(lambda: len(receiver.messages) > 20)
        await end(broker)
        await asyncio.gather(*work)
        heard = len(receiver.messages)
        await asyncio.sleep(1)
        assert len(receiver.messages) == heard, "it is away"
        await broker.start()
        await _all_is_heard(pool, receiver, orders)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_broker_with_a_lower_limit_stops_no_other_event(tmp_path: Path) -> None:
    if find_broker() is None:
        pytest.skip("no RabbitMQ is installed that could be set up otherwise")
    large = event(2, data={"detail": "x" * 5000})
    async with Broker(tmp_path, config="max_message_size = 2000\n") as broker:
        sink = RabbitPublisher(broker.url)
        await sink.publish(event(1))
        with pytest.raises(Unavailable, match="larger than configured max size"):
            await sink.publish(large)
        with pytest.raises(Unacceptable, match="the broker takes 2000"):
            await sink.publish(large)
        await sink.publish(event(3))
        await sink.aclose()
