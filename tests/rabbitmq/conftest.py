"""RabbitMQ as it is: the one of this machine, with an exchange and queues of each test's own."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import JsonValue

from adapters.postgres import outbox
from adapters.postgres.pool import Pool, reading
from adapters.rabbitmq import RabbitPublisher
from cli.chaos.broker import find_broker
from ordersaga.events import OrderEvent
from tests.rabbitmq.broker import Broker, answers
from tests.relay.conftest import merchant, pool, stack, until

__all__ = ["merchant", "pool", "stack"]

PORT: Final = 5672
NEEDED: Final = (
    "ORDERSAGA_TESTS_NEED_RABBITMQ"  # set where skipping these tests would hide something
)


@pytest.fixture(scope="session")
async def amqp_url() -> AsyncIterator[str]:
    """The broker of this machine; else one of our own; else these tests are skipped."""
    if await answers(PORT):
        yield f"amqp://127.0.0.1:{PORT}/"
        return
    if find_broker() is None:
        assert not os.environ.get(NEEDED), f"{NEEDED}: nothing answers on port {PORT}"
        pytest.skip(f"no RabbitMQ answers on port {PORT}, and none is installed")
    with tempfile.TemporaryDirectory(prefix="ordersaga-rabbitmq-") as home:
        async with Broker(Path(home)) as broker:
            yield broker.url


@pytest.fixture
async def exchange(amqp_url: str) -> AsyncIterator[str]:
    """A name that nobody else has; what has it is gone at the end."""
    name = f"ordersaga.test.{uuid.uuid4().hex[:12]}"
    yield name
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.exchange_delete(name)


@asynccontextmanager
async def publishing(url: str, exchange: str) -> AsyncIterator[RabbitPublisher]:
    """A sink of its own name, so that its cursors are nobody else's."""
    publisher = RabbitPublisher(url, name=exchange, exchange=exchange)
    try:
        yield publisher
    finally:
        await publisher.aclose()


@dataclass
class Receiver:
    """Somebody who listens, as the docs say: acknowledges by hand, and skips what he has heard before."""

    messages: list[AbstractIncomingMessage] = field(default_factory=list)
    told: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    async def hear(self, message: AbstractIncomingMessage) -> None:
        self.messages.append(message)
        event = body_of(message)["data"]
        heard = self.told[event["order_id"]]
        if not heard or event["sequence"] > heard[-1]:
            heard.append(event["sequence"])
        await message.ack()


def body_of(message: AbstractIncomingMessage) -> Any:
    return orjson.loads(message.body)


@asynccontextmanager
async def receiving(url: str, exchange: str, *bindings: str) -> AsyncIterator[Receiver]:
    """Bound to these (all) of the exchange's events; comes back by itself after an outage."""
    receiver = Receiver()
    async with await aio_pika.connect_robust(url, reconnect_interval=0.2) as connection:
        channel = await connection.channel()
        told = await channel.declare_exchange(exchange, "topic", durable=True)
        queue = await channel.declare_queue(f"{exchange}.{uuid.uuid4().hex[:6]}", durable=True)
        for binding in bindings or ("order.#",):
            await queue.bind(told, binding)
        await queue.consume(receiver.hear)
        try:
            yield receiver
        finally:
            await channel.queue_delete(queue.name)


async def is_known(pool: Pool, sink: str) -> None:
    """From now on it is told of everything."""

    async def has_cursors() -> bool:
        async with reading(pool) as connection:
            return sink in [each.sink for each in await outbox.read_backlog(connection)]

    await until(has_cursors)


async def history_of(pool: Pool, orders: list[str]) -> dict[str, list[int]]:
    """What the tables hold: who listens has to end with exactly this."""
    async with reading(pool) as connection:
        rows = await connection.fetch(
            "select order_id, array_agg(sequence order by sequence) from order_events"
            " where order_id = any($1) group by order_id",
            orders,
        )
    return {row[0]: row[1] for row in rows}


def event(
    sequence: int = 1, order: str = "ord_1", data: dict[str, JsonValue] | None = None
) -> OrderEvent:
    now = datetime.now(UTC)
    return OrderEvent(
        position=sequence,
        tenant="demo",
        order_id=order,
        sequence=sequence,
        type="order.confirmed",
        machine="status",
        from_state="pending",
        to_state="confirmed",
        data=data or {},
        occurred_at=now,
        recorded_at=now,
    )
