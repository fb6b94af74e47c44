"""Many listeners on one API process: each hears each event once, from one read."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from adapters.postgres.pool import Pool
from ordersaga.config import Settings
from tests.live.conftest import api_here, api_process, key_of
from tests.live.listening import EVENTS, Stream, stream, until
from tests.postgres.merchant import Merchant, card
from tests.relay.conftest import happen

pytestmark = pytest.mark.long

OF_ALL = 10  # orders
EACH = 10  # events of an order, after its first
AT_ONCE = 50  # connections that are made side by side


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_every_listener_of_a_crowd_hears_everything_once(
    settings: Settings, pool: Pool, merchant: Merchant, relay: None, count: int
) -> None:
    """Half of them follow one order, half all of them, with the keys that so many need."""
    orders = [(await merchant.remote_order(card(1000))).id for _ in range(OF_ALL)]
    needed = -(-count // settings.streams_per_key)
    keys = [await key_of(pool, merchant.tenant) for _ in range(needed)]
    paths = [EVENTS, f"/v1/orders/{orders[0]}/stream"]
    async with api_process(settings) as api, AsyncExitStack() as open_ones:
        turns = asyncio.Semaphore(AT_ONCE)

        async def connect(n: int) -> Stream:
            async with turns:
                listener = await open_ones.enter_async_context(
                    stream(api.url, paths[n % 2], keys[n % len(keys)])
                )
            assert listener.status == 200
            async with asyncio.timeout(30):  # the first block: he is there
                async for _ in listener.blocks():
                    break
            return listener

        crowd = await asyncio.gather(*map(connect, range(count)))
        of_all, of_one = crowd[0::2], crowd[1::2]
        listening = [asyncio.create_task(one.listen()) for one in crowd]
        began_s = time.monotonic()
        await asyncio.gather(*(happen(pool, order, EACH) for order in orders))
        await until(
            lambda: (
                all(len(one.heard) >= OF_ALL * EACH for one in of_all)
                and all(len(one.heard) > EACH for one in of_one)
            ),
            within_s=60,
        )
        print(f"{count} listeners heard all after {time.monotonic() - began_s:.1f} s")
        for task in listening:
            task.cancel()

    wanted = {order: list(range(2, EACH + 2)) for order in orders}
    for one in of_all:
        told: dict[str, list[int]] = {}
        for event in one.heard:
            told.setdefault(event.data["subject"], []).append(event.data["data"]["sequence"])
        assert told == wanted
    for one in of_one:
        assert [event.id for event in one.heard] == list(range(1, EACH + 2))


async def test_one_read_serves_all_listeners(
    settings: Settings, pool: Pool, merchant: Merchant, relay: None
) -> None:
    order_id = (await merchant.remote_order(card(1000))).id
    key = await key_of(pool, merchant.tenant)
    async with (
        api_here(settings.model_copy(update={"database_pool_size": 1})) as api,
        AsyncExitStack() as open_ones,
    ):
        crowd = [
            await open_ones.enter_async_context(stream(api.url, path, key))
            for path in [EVENTS, f"/v1/orders/{order_id}/stream"]
            for _ in range(20)
        ]
        for one in crowd[20:]:
            assert (await one.next()).id == 1
        await until(lambda: api.hub.followers_of(merchant.tenant) == 20)
        await asyncio.sleep(0.5)  # each has caught up
        said: list[str] = []
        async with api.pool.acquire() as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
        await happen(pool, order_id)
        told = await asyncio.gather(*(one.next() for one in crowd))
    assert {one.data["sequence"] for one in told} == {"000000002"}
    reads = [query for query in said if "order_events" in query]
    assert len(reads) == 2, "one by position, one by sequence"
