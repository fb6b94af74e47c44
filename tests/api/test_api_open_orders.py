"""The cap of open orders, of a key and of its tenant: exact, also for many at once over two processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.postgres.api_keys import create_api_key
from cli.stack import LocalStack
from ordersaga.history import Happening
from tests.api.calls import Database, fresh, happens, place, placed
from tests.api.conftest import ALL_SCOPES
from tests.api.running import RunningApi, make_key
from tests.api.test_api_limits import limited

CAP = 5
COUNT = "select count(*) from orders where tenant = $1"


@pytest.fixture(scope="module")
async def two(postgres: LocalStack, temporal_away: None) -> AsyncIterator[list[RunningApi]]:
    """Two processes that let a tenant have `CAP` orders open."""
    async with limited(postgres, 2, open_orders_per_tenant=CAP) as apis:
        yield apis


async def place_at_once(apis: list[RunningApi], keys: list[str], count: int) -> Counter[int]:
    """So many orders over all processes and keys in turn; how they were answered."""
    clients = [api.client(key) for api in apis for key in keys]
    answers = await asyncio.gather(*(place(clients[i % len(clients)]) for i in range(count)))
    for client in clients:
        await client.aclose()
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == "too_many_open_orders"
            assert int(answer.headers["retry-after"]) > 0
    return Counter(answer.status_code for answer in answers)


async def test_twenty_at_once_over_two_processes_make_as_many_as_the_cap(
    two: list[RunningApi], database: Database, tenant: str
) -> None:
    keys = [await make_key(two[0], tenant=tenant, scopes=ALL_SCOPES) for _ in range(2)]

    assert await place_at_once(two, keys, 20) == {201: CAP, 429: 20 - CAP}
    assert await database.fetchval(COUNT, tenant) == CAP


async def test_each_key_has_its_own_where_it_was_given_one(
    two: list[RunningApi], database: Database, tenant: str
) -> None:
    keys = [
        await create_api_key(database, tenant=tenant, scopes=ALL_SCOPES, open_orders=2)
        for _ in range(2)
    ]

    assert await place_at_once(two, keys[:1], 10) == {201: 2, 429: 8}
    assert await place_at_once(two, keys, 10) == {201: 2, 429: 8}, "the other key's"
    free = await create_api_key(database, tenant=tenant, scopes=ALL_SCOPES, open_orders=0)
    assert await place_at_once(two, [free], 10) == {201: 1, 429: 9}, "the tenant's cap holds"


async def test_another_tenants_orders_do_not_count(two: list[RunningApi], tenant: str) -> None:
    mine, theirs = [
        await make_key(two[0], tenant=whose, scopes=ALL_SCOPES) for whose in (tenant, fresh("t"))
    ]
    await place_at_once(two, [mine], CAP)

    assert await place_at_once(two, [theirs], CAP) == {201: CAP}


@pytest.fixture
async def full(two: list[RunningApi], tenant: str) -> AsyncIterator[httpx.AsyncClient]:
    """A shop that placed one order under the key `first`, and all others that it may."""
    key = await make_key(two[0], tenant=tenant, scopes=ALL_SCOPES)
    async with two[0].client(key) as shop:
        assert (await place(shop, key="first")).status_code == 201
        for _ in range(CAP - 1):
            await placed(shop)
        yield shop


async def test_a_replay_is_answered_however_many_are_open(full: httpx.AsyncClient) -> None:
    replay = await place(full, key="first")

    assert replay.status_code == 201
    assert replay.headers["idempotency-replayed"] == "true"


async def test_an_order_that_is_over_makes_room_and_a_refusal_was_not_stored(
    full: httpx.AsyncClient, two: list[RunningApi]
) -> None:
    assert (await place(full, key="k")).status_code == 429
    over = (await place(full, key="first")).json()["id"]
    await happens(two[0].pool, over, Happening.of("order.compensating"))
    assert (await place(full, key="k")).status_code == 429, "it is still being undone"
    await happens(two[0].pool, over, Happening.of("order.canceled"))

    accepted = await place(full, key="k")
    assert accepted.status_code == 201
    assert "idempotency-replayed" not in accepted.headers
    assert (await place(full, key="another")).status_code == 429


async def test_far_from_the_cap_nobody_counts(postgres: LocalStack, temporal_away: None) -> None:
    limits = {"open_orders_per_tenant": 100_000, "open_orders_per_key": 100_000}
    async with limited(postgres, database_pool_size=1, **limits) as (api,):
        key = await make_key(api, tenant=fresh("t"), scopes=ALL_SCOPES)
        async with api.client(key) as shop:
            said: list[str] = []
            async with api.pool.acquire() as connection:
                connection.add_query_logger(lambda record: said.append(record.query))
            for _ in range(3):
                await placed(shop)

    counted = [query for query in said if "limit" in query and "as of_key" in query]
    assert len(counted) == 1, "the first of them"


async def test_an_order_knows_the_key_that_placed_it(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    order_id = await placed(shop)
    assert await database.fetchval(
        "select k.tenant = $2 from orders o join api_keys k on k.id = o.key_id where o.id = $1",
        *(order_id, tenant),
    )
