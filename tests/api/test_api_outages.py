"""PostgreSQL away: 503, and well again by itself when it is back."""

from __future__ import annotations

import asyncio

import httpx

from ordersaga.config import Settings
from tests.api.calls import CONFIRMED, fresh, happens, place, placed
from tests.api.running import make_key, postgres_alone, running_api


async def test_without_postgresql_every_answer_is_503_until_it_is_back(temporal_away: None) -> None:
    async with (
        postgres_alone() as postgres,
        running_api(Settings(database_url=postgres.ready.database)) as api,
    ):
        key = await make_key(api, tenant=fresh("t"), scopes=["orders:read", "orders:write", "ops"])
        async with api.client(key) as shop:
            order_id = await placed(shop)
            await postgres.stop("postgres")
            for _ in range(3):
                response = await place(shop)
                assert (response.status_code, response.json()["code"]) == (503, "unavailable")
                assert int(response.headers["retry-after"]) > 0
            assert (await shop.get("/readyz")).json()["postgres"] is False
            assert (await shop.get("/healthz")).status_code == 200

            await postgres.start("postgres")
            await _until_served(shop, order_id)
            waiting = asyncio.create_task(place(shop, prefer="wait=20"))
            newest = await _newest_but(shop, order_id)
            await happens(api.pool, newest, CONFIRMED)
            assert (await waiting).json()["status"] == "confirmed", "it listens again"


async def _until_served(shop: httpx.AsyncClient, order_id: str) -> None:
    while True:
        if (await shop.get(f"/v1/orders/{order_id}")).status_code == 200:
            return
        await asyncio.sleep(0.05)


async def _newest_but(shop: httpx.AsyncClient, order_id: str) -> str:
    while True:
        newest: str = (await shop.get("/v1/orders?limit=1")).json()["orders"][0]["id"]
        if newest != order_id:
            return newest
        await asyncio.sleep(0.05)
