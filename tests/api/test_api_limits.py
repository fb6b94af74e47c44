"""Limits: requests a second of a key and of its tenant, over all API processes; refusals of an address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from adapters.postgres.api_keys import create_api_key
from api.limits import BURST_S, SETTLE_EVERY_S
from cli.stack import LocalStack
from cli.stack.programs import settings_for
from ordersaga.config import Settings
from tests.api.calls import Database, fresh, place, placed
from tests.api.conftest import ALL_SCOPES
from tests.api.running import LIMITLESS, RunningApi, make_key, running_api

SLOW = 1  # requests a second: what comes in while a test runs does not matter
BURST = int(SLOW * BURST_S)


@asynccontextmanager
async def limited(
    postgres: LocalStack, processes: int = 1, **limits: int
) -> AsyncIterator[list[RunningApi]]:
    """So many APIs that share nothing but the database; without limits but these."""
    settings = Settings.model_validate(
        {"database_url": postgres.ready.database, **LIMITLESS, **limits}
    )
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running_api(settings, is_limited=True))
            for _ in range(processes)
        ]


async def statuses(client: httpx.AsyncClient, count: int) -> list[int]:
    return [(await client.get("/v1/orders")).status_code for _ in range(count)]


@pytest.mark.usefixtures("temporal_away")
class TestRequestsASecond:
    async def test_a_key_may_ask_for_its_burst_at_once_and_then_has_to_wait(
        self, postgres: LocalStack
    ) -> None:
        async with limited(postgres, requests_per_s_per_key=SLOW) as (api,):
            key = await make_key(api, tenant=fresh("t"), scopes=ALL_SCOPES)
            async with api.client(key) as shop:
                assert await statuses(shop, BURST) == [200] * BURST
                refused = await shop.get("/v1/orders")
                assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
                wait_s = int(refused.headers["retry-after"])
                assert 1 <= wait_s <= 1 / SLOW + 1

                await asyncio.sleep(wait_s)
                assert await statuses(shop, 1) == [200]

    async def test_all_processes_together_keep_it(self, postgres: LocalStack) -> None:
        async with limited(postgres, 2, requests_per_s_per_key=SLOW) as apis:
            key = await make_key(apis[0], tenant=fresh("t"), scopes=ALL_SCOPES)
            async with apis[0].client(key) as here, apis[1].client(key) as there:
                assert await statuses(here, BURST) == [200] * BURST
                assert await statuses(there, 1) == [200], "it has not heard of that"
                await asyncio.sleep(2 * SETTLE_EVERY_S)
                assert await statuses(there, 1) == [429]
                assert await statuses(here, 1) == [429]

    async def test_processes_go_over_it_by_one_burst_each_at_most(
        self, postgres: LocalStack
    ) -> None:
        per_s, processes = 20, 3
        async with limited(postgres, processes, requests_per_s_per_key=per_s) as apis:
            key = await make_key(apis[0], tenant=fresh("t"), scopes=ALL_SCOPES)
            began_s = time.monotonic()

            async def hammer(api: RunningApi) -> list[int]:
                said: list[int] = []
                async with api.client(key) as shop:
                    while time.monotonic() < began_s + 4:
                        said += await statuses(shop, 1)
                return said

            said = await asyncio.gather(*(hammer(api) for api in apis))
            done = sum(one.count(200) for one in said)
            took_s = time.monotonic() - began_s

        burst = per_s * (BURST_S + SETTLE_EVERY_S)
        assert done <= per_s * took_s + processes * burst
        assert done >= per_s * took_s, "and what is allowed is given"

    async def test_a_tenants_keys_share_its_limit(self, postgres: LocalStack) -> None:
        async with limited(postgres, requests_per_s_per_tenant=SLOW) as (api,):
            tenant = fresh("t")
            clients = [
                api.client(await make_key(api, tenant=whose, scopes=ALL_SCOPES))
                for whose in (tenant, tenant, fresh("t"))
            ]
            one, other, stranger = clients
            assert await statuses(one, BURST) == [200] * BURST
            assert await statuses(other, 1) == [429]
            assert await statuses(stranger, 1) == [200]
            for client in clients:
                await client.aclose()

    @pytest.mark.parametrize(("own", "last"), [(0, 200), (SLOW, 429), (None, 429), (1000, 200)])
    async def test_a_key_has_a_limit_of_its_own_where_it_was_given_one(
        self, postgres: LocalStack, database: Database, own: int | None, last: int
    ) -> None:
        key = await create_api_key(
            database, tenant=fresh("t"), scopes=["orders:read"], requests_per_s=own
        )
        async with (
            limited(postgres, requests_per_s_per_key=SLOW) as (api,),
            api.client(key) as shop,
        ):
            assert (await statuses(shop, BURST + 1))[-1] == last

    async def test_what_is_refused_costs_nothing_and_is_not_stored(
        self, postgres: LocalStack
    ) -> None:
        async with limited(postgres, requests_per_s_per_key=SLOW) as (api,):
            key = await make_key(api, tenant=fresh("t"), scopes=ALL_SCOPES)
            async with api.client(key) as shop:
                await statuses(shop, BURST)
                answers = [await place(shop, key="k") for _ in range(10)]
                assert {answer.status_code for answer in answers} == {429}
                await asyncio.sleep(int(answers[-1].headers["retry-after"]))
                placed_now = await place(shop, key="k")
                assert placed_now.status_code == 201
                assert "idempotency-replayed" not in placed_now.headers

    async def test_health_is_not_limited(self, postgres: LocalStack) -> None:
        limits = {"requests_per_s_per_key": SLOW, "refused_keys_per_min": 1}
        async with limited(postgres, **limits) as (api,), api.client() as nobody:
            answers = [await nobody.get("/healthz") for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}

    async def test_no_request_goes_to_postgresql_for_it(self, postgres: LocalStack) -> None:
        limits = {"requests_per_s_per_key": 1000, "requests_per_s_per_tenant": 1000}
        async with limited(postgres, database_pool_size=1, **limits) as (api,):
            key = await make_key(api, tenant=fresh("t"), scopes=ALL_SCOPES)
            async with api.client(key) as shop:
                order_id = await placed(shop)
                # From here on asyncpg knows the types of arrays.
                await asyncio.sleep(2 * SETTLE_EVERY_S)
                said: list[str] = []
                async with api.pool.acquire() as connection:
                    connection.add_query_logger(lambda record: said.append(record.query))
                began_s = time.monotonic()
                for _ in range(200):
                    await shop.get(f"/v1/orders/{order_id}")
                rounds = (time.monotonic() - began_s) / SETTLE_EVERY_S

        settled = [query for query in said if "request_tokens" in query]
        looked = [query for query in said if "from orders o" in query]
        assert len(looked) == 200
        assert len(settled) <= rounds + 1, "for key and tenant together"
        others = [q for q in said if q not in settled + looked and "advisory_unlock" not in q]
        assert others == []


@pytest.mark.usefixtures("temporal_away")
class TestRefusedKeys:
    async def test_an_address_with_many_refusals_is_slowed_and_a_valid_key_is_not(
        self, postgres: LocalStack
    ) -> None:
        async with limited(postgres, refused_keys_per_min=3) as (api,):
            key = await make_key(api, tenant=fresh("t"), scopes=ALL_SCOPES)
            async with api.client() as nobody, api.client("osk_" + "A" * 43) as guesser:
                assert await statuses(nobody, 2) == [401, 401]
                assert await statuses(guesser, 2) == [401, 429]
                refused = await nobody.get("/v1/orders")
                assert refused.json()["code"] == "rate_limited"
                assert 1 <= int(refused.headers["retry-after"]) <= 60 / 3
            async with api.client(key) as shop:
                assert await statuses(shop, 1) == [200], "from the same address"

            elsewhere = httpx.ASGITransport(api.app, client=("192.0.2.7", 1))
            async with httpx.AsyncClient(transport=elsewhere, base_url="http://api") as other:
                assert await statuses(other, 1) == [401]


def test_the_local_stack_has_no_limits_unless_somebody_sets_some() -> None:
    ours = {"database_url": "postgresql://nowhere"}
    free = settings_for({}, ours)
    assert {free.requests_per_s_per_key, free.requests_per_s_per_tenant} == {0}
    assert {free.open_orders_per_key, free.open_orders_per_tenant} == {0}
    assert settings_for({"ORDERSAGA_OPEN_ORDERS_PER_KEY": "7"}, ours).open_orders_per_key == 7
