"""Stock is set by its owner, never below what is reserved."""

from __future__ import annotations

import asyncio
import random

import httpx
import pytest

from api.models import MAX_STOCK_ITEMS
from ordersaga.money import MAX_AMOUNT
from tests.api.calls import Database, Json, fresh, pointers


async def set_many(
    client: httpx.AsyncClient, on_hand: dict[str, int], *, key: str | None = None
) -> httpx.Response:
    items = [{"sku": sku, "on_hand": units} for sku, units in on_hand.items()]
    headers = {"Idempotency-Key": key or fresh("key")}
    return await client.post("/v1/stock", json={"items": items}, headers=headers)


async def reserve(database: Database, tenant: str, sku: str, units: int) -> None:
    await database.execute(
        "update stock set available = available - $3, reserved = reserved + $3 "
        "where tenant = $1 and sku = $2",
        tenant,
        sku,
        units,
    )


async def test_stock_is_what_was_set(shop: httpx.AsyncClient) -> None:
    set_to = await shop.put("/v1/stock/tea", json={"on_hand": 5})
    await shop.put("/v1/stock/tea", json={"on_hand": 7})
    read = await shop.get("/v1/stock/tea")

    assert set_to.json() == {"sku": "tea", "on_hand": 5, "available": 5, "reserved": 0}
    assert read.json() == {"sku": "tea", "on_hand": 7, "available": 7, "reserved": 0}


@pytest.mark.parametrize("sku", ["a/b", "a b", "茶", "a%b", ".."])
async def test_skus_are_their_owners_words(shop: httpx.AsyncClient, sku: str) -> None:
    quoted = "".join(f"%{byte:02x}" for byte in sku.encode())
    await shop.put(f"/v1/stock/{quoted}", json={"on_hand": 1})

    assert (await shop.get(f"/v1/stock/{quoted}")).json()["sku"] == sku


async def test_reserved_units_stay_on_hand(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    await shop.put("/v1/stock/tea", json={"on_hand": 5})
    await reserve(database, tenant, "tea", 3)
    raised = await shop.put("/v1/stock/tea", json={"on_hand": 9})
    refused = await shop.put("/v1/stock/tea", json={"on_hand": 2})

    assert raised.json() == {"sku": "tea", "on_hand": 9, "available": 6, "reserved": 3}
    assert (refused.status_code, refused.json()["code"]) == (409, "stock_reserved")
    assert (await shop.get("/v1/stock/tea")).json() == raised.json()


async def test_many_are_set_at_once_or_none(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    await set_many(shop, {"a": 5, "b": 5})
    await reserve(database, tenant, "b", 5)
    refused = await set_many(shop, {"a": 1, "b": 1, "c": 1})

    assert (refused.status_code, refused.json()["code"]) == (409, "stock_reserved")
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/items/1/on_hand"]
    assert (await shop.get("/v1/stock/a")).json()["on_hand"] == 5
    assert (await shop.get("/v1/stock/c")).status_code == 404


async def test_the_same_request_again_shows_the_stock_as_it_is_now(
    shop: httpx.AsyncClient,
) -> None:
    await set_many(shop, {"b": 5, "a": 1}, key="k")
    await shop.put("/v1/stock/b", json={"on_hand": 6})
    again = await set_many(shop, {"b": 5, "a": 1}, key="k")

    assert again.headers["idempotency-replayed"] == "true"
    assert [(i["sku"], i["on_hand"]) for i in again.json()["items"]] == [("a", 1), ("b", 6)]


async def test_ten_thousand_of_the_longest_skus_fit_into_one_call(shop: httpx.AsyncClient) -> None:
    skus = [f"{i:064}" for i in range(MAX_STOCK_ITEMS)]
    response = await set_many(shop, dict.fromkeys(skus, MAX_AMOUNT))

    assert response.status_code == 200, response.text[:300]
    assert [item["sku"] for item in response.json()["items"]] == skus


async def test_setting_the_same_skus_at_once_never_deadlocks(shop: httpx.AsyncClient) -> None:
    skus = [f"sku-{i}" for i in range(50)]

    async def set_shuffled(units: int) -> int:
        order = random.sample(skus, len(skus))
        return (await set_many(shop, dict.fromkeys(order, units))).status_code

    assert set(await asyncio.gather(*map(set_shuffled, range(40)))) == {200}


async def test_stock_of_another_tenant_is_not_there(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await shop.put("/v1/stock/tea", json={"on_hand": 5})

    assert (await stranger.get("/v1/stock/tea")).status_code == 404


WRONG_ITEMS: list[tuple[Json, str]] = [
    ({}, "/items"),
    ({"items": []}, "/items"),
    ({"items": [{"sku": "a", "on_hand": -1}]}, "/items/0/on_hand"),
    ({"items": [{"sku": "a", "on_hand": 2**63}]}, "/items/0/on_hand"),
    ({"items": [{"sku": "a", "on_hand": True}]}, "/items/0/on_hand"),
    ({"items": [{"sku": "", "on_hand": 1}]}, "/items/0/sku"),
    ({"items": [{"sku": "a", "on_hand": 1}, {"sku": "a", "on_hand": 2}]}, "/items/1/sku"),
    ({"items": [{"sku": "a", "on_hand": 1}] * (MAX_STOCK_ITEMS + 1)}, "/items"),
]


@pytest.mark.parametrize(("body", "where"), WRONG_ITEMS, ids=lambda v: str(v)[:50])
async def test_wrong_items_are_named(shop: httpx.AsyncClient, body: Json, where: str) -> None:
    response = await shop.post("/v1/stock", json=body, headers={"Idempotency-Key": fresh("key")})

    assert pointers(response) == [where]


@pytest.mark.parametrize("path", ["/v1/stock/%00", "/v1/stock/" + "s" * 65])
async def test_a_sku_that_cannot_be_is_refused(shop: httpx.AsyncClient, path: str) -> None:
    assert pointers(await shop.put(path, json={"on_hand": 1})) == ["/path/sku"]
