"""Orders of every kind, played on all that `ordersaga up` starts, as somebody at RabbitMQ hears them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aio_pika
import httpx
import jsonschema
import pytest

from adapters.postgres.pool import connect_pool, reading
from adapters.rabbitmq import EXCHANGE
from cli.audit import Sources, run_audit
from cli.stack.stack import LocalStack
from ordersaga.event_schemas import DATA, bundle
from tests.conftest import SHORT_PATIENCE
from tests.histories.driving import Path as OrderPath
from tests.histories.paths import SIDE_BY_SIDE
from tests.histories.paths_outside import OUTSIDE
from tests.rabbitmq.broker import free_port
from tests.rabbitmq.conftest import body_of, history_of, is_known, receiving
from tests.relay.conftest import until
from tests.saga.shop import Shop

AT_ONCE: Final = 6  # paths
NOT_PLAYED: Final = {"review.given"}  # tests/api plays it
CHECK: Final = jsonschema.Draft202012Validator(
    bundle(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
async def telling_stack(amqp_url: str, metrics_port: int) -> AsyncIterator[LocalStack]:
    """One whose worker tells RabbitMQ."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data",
        port=0,
        keep_data=False,
        settings={
            **SHORT_PATIENCE,
            "amqp_url": amqp_url,
            "metrics_address": f"127.0.0.1:{metrics_port}",
        },
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)
    async with await aio_pika.connect(amqp_url) as connection:
        await (await connection.channel()).exchange_delete(EXCHANGE, if_unused=True)


async def _play(stack: LocalStack, gate: asyncio.Semaphore, path: OrderPath) -> None:
    async with gate, Shop(stack) as shop:
        await path(shop)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_whatever_happens_is_heard_as_it_was_published(
    telling_stack: LocalStack, amqp_url: str, metrics_port: int
) -> None:
    pool = await connect_pool(telling_stack.ready.database, size=2, application_name="tests")
    gate = asyncio.Semaphore(AT_ONCE)
    async with receiving(amqp_url, EXCHANGE) as receiver:
        await is_known(pool, "rabbitmq")
        await asyncio.gather(
            *(_play(telling_stack, gate, path) for path in {**SIDE_BY_SIDE, **OUTSIDE}.values())
        )

        async def all_is_heard() -> bool:
            async with reading(pool) as connection:
                orders = [row["id"] for row in await connection.fetch("select id from orders")]
            expected = await history_of(pool, orders)
            return {order: receiver.told[order] for order in orders} == expected

        await until(all_is_heard)
    await pool.close()
    events = [body_of(message) for message in receiver.messages]
    for event in events:
        CHECK.validate(event)
        assert set(event["data"]["data"]) <= set(DATA[event["data"]["type"]]), event
    heard = {event["data"]["type"] for event in events}
    assert set(DATA) - heard == NOT_PLAYED
    async with httpx.AsyncClient(trust_env=False) as client:
        metrics = (await client.get(f"http://127.0.0.1:{metrics_port}/metrics")).text
    assert "ordersaga_events_unheard_total" in metrics
    report = await run_audit(Sources.of_stack(telling_stack.ready))
    assert [v for v in report.violations if v.invariant.startswith(("events.", "relay."))] == []
