"""Live streams, over a real socket: each event once and in order, whoever is cut, slow, or a stranger."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from adapters.postgres.api_keys import list_api_keys, revoke_api_key
from adapters.postgres.pool import Pool
from api import live
from api.app import APPLICATION_NAME
from api.routes import streams
from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.live.conftest import ApiHere, api_here, api_process, key_of
from tests.live.listening import EVENTS, Heard, stream, until
from tests.postgres.merchant import Merchant, card
from tests.relay.conftest import happen

BEAT_S = 0.3


@pytest.fixture(scope="module", autouse=True)
def quick_heart() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "HEARTBEAT_S", BEAT_S)
        yield


@pytest.fixture(scope="module")
async def api(settings: Settings, relay: None, quick_heart: None) -> AsyncIterator[ApiHere]:
    async with api_here(settings) as running:
        yield running


@pytest.fixture
async def key(pool: Pool, merchant: Merchant) -> str:
    return await key_of(pool, merchant.tenant)


@pytest.fixture
async def order_id(merchant: Merchant) -> str:
    return (await merchant.remote_order(card(1000))).id


def of(order_id: str) -> str:
    return f"/v1/orders/{order_id}/stream"


def sequences(heard: list[Heard]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in heard:
        found.setdefault(one.data["subject"], []).append(one.data["data"]["sequence"])
    return found


# --- One order ----------------------------------------------------------------------------------


async def test_an_order_is_told_from_its_beginning_and_then_live(
    api: ApiHere, pool: Pool, key: str, order_id: str
) -> None:
    await happen(pool, order_id, 2)
    async with stream(api.url, of(order_id), key) as listener:
        assert listener.status == 200
        assert listener.headers["content-type"].startswith("text/event-stream")
        assert listener.headers["cache-control"] == "no-store"
        assert listener.headers["x-accel-buffering"] == "no"
        assert [(await listener.next()).id for _ in range(3)] == [1, 2, 3]
        await happen(pool, order_id)
        told = await listener.next()
    assert (told.id, told.type) == (4, "cancel.requested")
    assert told.data["type"] == "ordersaga.cancel.requested"
    assert (told.data["id"], told.data["specversion"]) == (f"{order_id}:4", "1.0")


@pytest.mark.parametrize("is_query", [True, False])
async def test_an_order_is_resumed_after_the_last_event(
    api: ApiHere, pool: Pool, key: str, order_id: str, *, is_query: bool
) -> None:
    await happen(pool, order_id, 3)
    path, after = (of(order_id) + "?last_event_id=2", None) if is_query else (of(order_id), 2)
    async with stream(api.url, path, key, after=after) as listener:
        assert [(await listener.next()).id for _ in range(2)] == [3, 4]


async def test_what_an_order_never_had_cannot_be_resumed_from(
    api: ApiHere, key: str, order_id: str
) -> None:
    async with stream(api.url, of(order_id), key, after=2) as refused:
        problem = json.loads(await refused.read())
    assert (refused.status, problem["code"]) == (410, "events_gone")


@pytest.mark.parametrize("wrong", ["-1", "x", str(2**63)])
async def test_a_position_is_a_number(api: ApiHere, key: str, order_id: str, wrong: str) -> None:
    for path in (of(order_id), EVENTS):
        async with stream(api.url, f"{path}?last_event_id={wrong}", key) as refused:
            problem = json.loads(await refused.read())
        assert refused.status == 422
        assert problem["errors"][0]["pointer"] == "/query/last_event_id"


async def test_a_stream_of_an_order_that_is_idle_ends(
    api: ApiHere, key: str, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "IDLE_S", 2 * BEAT_S)
    async with stream(api.url, of(order_id), key) as listener:
        await asyncio.wait_for(listener.listen(), 10)
    assert listener.is_whole
    assert [one.id for one in listener.heard] == [1]
    assert listener.beats


# --- All orders ---------------------------------------------------------------------------------


async def test_all_orders_are_told_from_now_on_and_nothing_to_another_tenant(
    api: ApiHere, pool: Pool, key: str, order_id: str, merchant: Merchant
) -> None:
    await _are_stamped(pool)
    stranger = Merchant(pool)
    async with (
        stream(api.url, EVENTS, key) as listener,
        stream(api.url, EVENTS, await key_of(pool, stranger.tenant)) as other,
    ):
        others = asyncio.create_task(other.listen())
        another = await merchant.remote_order(card(1000))
        await happen(pool, order_id)
        told = [await listener.next(), await listener.next()]
        theirs = await stranger.remote_order(card(1000))
        await until(lambda: bool(other.heard))
        others.cancel()
    assert sequences(told) == {another.id: [1], order_id: [2]}
    assert sequences(other.heard) == {theirs.id: [1]}


async def test_events_are_resumed_without_gap_or_repeat_however_often_the_line_is_cut(
    api: ApiHere, pool: Pool, key: str, merchant: Merchant
) -> None:
    await _are_stamped(pool)
    rng = random.Random(7)
    orders = [(await merchant.remote_order(card(1000))).id for _ in range(5)]
    heard: list[Heard] = []
    wanted = 5 * 41
    cuts = 0

    async def listen() -> None:
        nonlocal cuts
        after: int | None = 0
        async with asyncio.timeout(60):
            while len(heard) < wanted:
                async with stream(api.url, EVENTS, key, after=after) as listener:
                    assert listener.status == 200
                    stops_after = rng.randint(0, 12)
                    async for block in listener.blocks():
                        heard.extend([block] if block.data else [])
                        if len(heard) == wanted or stops_after == 0:
                            break
                        stops_after -= 1
                    after = listener.last_id
                cuts += 1

    # All of other tests' events are kept, and none of this tenant's is among them.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        for order in orders:
            tasks.create_task(happen(pool, order, 40))
    assert cuts > 10
    assert sequences(heard) == {order: list(range(1, 42)) for order in orders}
    positions = [one.id for one in heard]
    assert positions == sorted(set(map(int, map(str, positions))))


async def test_a_heartbeat_moves_on_who_hears_nothing_of_his_own(
    api: ApiHere, pool: Pool, key: str
) -> None:
    async with stream(api.url, EVENTS, key) as listener:
        listening = asyncio.create_task(listener.listen())
        await until(lambda: listener.last_id is not None)
        began = listener.last_id
        await Merchant(pool).remote_order(card(1000))
        await until(lambda: listener.last_id != began)
        listening.cancel()
    assert began is not None
    assert listener.last_id is not None
    assert listener.last_id > began
    assert not listener.heard


async def test_what_is_not_kept_any_more_cannot_be_resumed_from(
    settings: Settings, pool: Pool, key: str, merchant: Merchant, api: ApiHere
) -> None:
    async with stream(api.url, EVENTS, key) as listener:
        await merchant.remote_order(card(1000))
        old = (await listener.next()).id
        for _ in range(2):
            await merchant.remote_order(card(1000))
            newest = (await listener.next()).id
    assert old is not None
    async with api_here(settings.model_copy(update={"events_kept_s": 1})) as forgetful:
        async with stream(forgetful.url, EVENTS, key, after=old) as refused:
            problem = json.loads(await refused.read())
        assert (refused.status, problem["code"]) == (410, "events_gone")
        async with stream(forgetful.url, EVENTS, key, after=newest) as resumed:
            assert resumed.status == 200, "nothing came after it"
    async with stream(api.url, EVENTS, key, after=2**62) as refused:
        assert refused.status == 410, "of another database"


# --- Who is cut off -----------------------------------------------------------------------------


async def test_who_does_not_read_is_cut_off_and_the_others_are_not(
    api: ApiHere, pool: Pool, key: str, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_TIMEOUT_S", 0.5)
    monkeypatch.setattr(live, "MOST_WAITING", 50)
    orders = [(await merchant.remote_order(card(1000))).id for _ in range(4)]
    await _are_stamped(pool)
    async with (
        stream(api.url, EVENTS, key) as good,
        stream(api.url, EVENTS, key, buffer=1024) as slow,  # nobody reads it
    ):
        listening = asyncio.create_task(good.listen())
        await until(lambda: _is_open(api, merchant, 2))
        async with asyncio.timeout(60):
            while _is_open(api, merchant, 2):  # until all buffers on the way are full
                await asyncio.gather(*(happen(pool, order, 10) for order in orders))
        sent = await _count(pool, merchant) - len(orders)
        await until(lambda: len(good.heard) == sent)
        listening.cancel()
        assert slow.status == 200
    told = sequences(good.heard)
    assert all(told[order] == list(range(2, len(told[order]) + 2)) for order in orders)


async def test_a_key_that_is_revoked_hears_nothing_after_the_next_heartbeat(
    api: ApiHere, pool: Pool, key: str, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.KEY_MEMORY_S", 0.0)
    kept = await key_of(pool, merchant.tenant)
    async with stream(api.url, EVENTS, key) as listener, stream(api.url, EVENTS, kept) as other:
        others = asyncio.create_task(other.listen())
        async with pool.acquire() as connection:
            mine = min(
                await list_api_keys(connection, tenant=merchant.tenant), key=lambda k: k.created_at
            )
            assert await revoke_api_key(connection, mine.id)
        await asyncio.wait_for(listener.listen(), 20)
        assert listener.is_whole
        assert not others.done()
        others.cancel()


async def test_a_key_and_a_process_have_only_so_many_streams(
    settings: Settings, pool: Pool, key: str, order_id: str, merchant: Merchant
) -> None:
    caps = {"streams_per_key": 2, "streams_per_process": 3}
    another = await key_of(pool, merchant.tenant)
    async with api_here(settings.model_copy(update=caps)) as api:
        async with stream(api.url, of(order_id), key), stream(api.url, EVENTS, key):
            async with stream(api.url, EVENTS, key) as third:
                problem = json.loads(await third.read())
                assert (third.status, problem["code"]) == (429, "too_many_streams")
            async with stream(api.url, EVENTS, another) as last:
                assert last.status == 200
                async with stream(api.url, EVENTS, another) as beyond:
                    problem = json.loads(await beyond.read())
                    assert (beyond.status, problem["code"]) == (503, "streams_full")
                    assert int(beyond.headers["retry-after"]) > 0
        await until(lambda: not api.hub.open_streams)
        async with stream(api.url, EVENTS, key) as again:
            assert again.status == 200


# --- Outages ------------------------------------------------------------------------------------


async def test_what_happens_while_the_line_to_postgresql_is_cut_is_told_when_it_is_back(
    api: ApiHere, live_stack: LocalStack, pool: Pool, key: str, order_id: str
) -> None:
    await _are_stamped(pool)
    async with (
        stream(api.url, EVENTS, key) as all_of_them,
        stream(api.url, of(order_id), key) as one,
    ):
        listening = [asyncio.create_task(each.listen()) for each in (all_of_them, one)]
        await until(lambda: len(one.heard) == 1)
        async with _cut_off(live_stack, pool):
            await happen(pool, order_id, 5)
            await _are_stamped(pool)
            assert (len(one.heard), len(all_of_them.heard)) == (1, 0)
        await until(lambda: (len(one.heard), len(all_of_them.heard)) == (6, 5))
        await happen(pool, order_id)
        await until(lambda: (len(one.heard), len(all_of_them.heard)) == (7, 6))
        for task in listening:
            task.cancel()
    assert sequences(one.heard) == {order_id: list(range(1, 8))}
    assert sequences(all_of_them.heard) == {order_id: list(range(2, 8))}


@pytest.mark.long
async def test_a_process_that_is_told_to_stop_ends_its_streams_at_once(
    settings: Settings, pool: Pool, key: str, order_id: str
) -> None:
    async with (
        api_process(settings) as api,
        stream(api.url, EVENTS, key) as all_of_them,
        stream(api.url, of(order_id), key) as one,
    ):
        assert (await one.next()).id == 1
        began_s = time.monotonic()
        await api.stop()
        took_s = time.monotonic() - began_s
        await asyncio.gather(all_of_them.listen(), one.listen())
    assert all_of_them.is_whole
    assert one.is_whole
    assert took_s < 3.0, "requests that wait are given 5 s"


async def _are_stamped(pool: Pool) -> None:
    async with asyncio.timeout(30):
        while True:
            if not await pool.fetchval("select count(*) from outbox where position is null"):
                return
            await asyncio.sleep(0.02)


async def _count(pool: Pool, merchant: Merchant) -> int:
    count: int = await pool.fetchval(
        "select count(*) from order_events e join orders o on o.id = e.order_id where o.tenant = $1",
        merchant.tenant,
    )
    return count


@asynccontextmanager
async def _cut_off(stack: LocalStack, pool: Pool) -> AsyncIterator[None]:
    """The API from PostgreSQL. Who else is connected stays so."""
    owner = await asyncpg.connect(stack.ready.database_owner)
    database = await owner.fetchval("select quote_ident(current_database())")
    try:
        await owner.execute(f"alter database {database} connection limit 0")
        cut = await pool.fetch(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1",
            APPLICATION_NAME,
        )
        assert cut
        yield
    finally:
        await owner.execute(f"alter database {database} connection limit -1")
        await owner.close()


def _is_open(api: ApiHere, merchant: Merchant, count: int) -> bool:
    return api.hub.followers_of(merchant.tenant) == count
