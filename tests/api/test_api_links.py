"""Who gets the link of an order's page: it cancels, so whoever may only read has none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.calls import fresh, place
from tests.api.running import RunningApi, make_key, running_api


@pytest.fixture(scope="module")
async def linking(postgres: LocalStack, temporal_away: None) -> AsyncIterator[RunningApi]:
    """An API that has pages for buyers."""
    settings = Settings(
        database_url=postgres.ready.database, link_secrets=["signs the links of this test only"]
    )
    async with running_api(settings) as running:
        yield running


async def _shown(client: httpx.AsyncClient, order_id: str) -> list[object]:
    """The link, wherever an order is read."""
    one = (await client.get(f"/v1/orders/{order_id}")).json()
    (listed,) = (await client.get("/v1/orders")).json()["orders"]
    exported = orjson.loads((await client.get("/v1/orders/export")).content)
    return [order["links"]["track"] for order in (one, listed, exported)]


@pytest.mark.parametrize(
    ("scopes", "is_shown"),
    [
        (["orders:read"], False),
        (["orders:read", "orders:write"], True),
        (["orders:read", "ops"], True),
    ],
)
async def test_the_link_of_a_page_that_cancels_is_for_keys_that_may_change_orders(
    linking: RunningApi, tenant: str, scopes: list[str], is_shown: bool
) -> None:
    writer = await make_key(linking, tenant=tenant, scopes=["orders:write"])
    async with linking.client(writer) as storefront:
        placed = (await place(storefront)).json()
    link = linking.services.track_links.url(placed["id"])
    assert link is not None
    assert placed["links"]["track"] == link
    async with linking.client(await make_key(linking, tenant=tenant, scopes=scopes)) as caller:
        assert await _shown(caller, placed["id"]) == [link if is_shown else None] * 3


async def test_a_move_and_what_is_sent_again_have_the_link_and_an_etag_of_their_own(
    linking: RunningApi, tenant: str
) -> None:
    writer = await make_key(linking, tenant=tenant, scopes=["orders:write"])
    reader = await make_key(linking, tenant=tenant, scopes=["orders:read"])
    seller = await make_key(linking, tenant=tenant, scopes=["orders:read", "ops"])
    key = fresh("key")
    async with linking.client(writer) as storefront:
        first, again = [await place(storefront, key=key) for _ in range(2)]
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json()["links"]["track"] == first.json()["links"]["track"] is not None
        path = f"/v1/orders/{first.json()['id']}"
        headers = {"Idempotency-Key": fresh("key"), "Prefer": "wait=0"}
        moved = await storefront.post(f"{path}/cancel", headers=headers)
        assert moved.json()["links"]["track"] == first.json()["links"]["track"]
    async with linking.client(reader) as one, linking.client(seller) as other:
        without, having = await one.get(path), await other.get(path)
        assert without.headers["etag"] != having.headers["etag"]
        etag = {"If-None-Match": without.headers["etag"]}
        assert (await other.get(path, headers=etag)).status_code == 200
        assert (await one.get(path, headers=etag)).status_code == 304
