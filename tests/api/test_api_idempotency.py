"""The same key and body happen once, however often and however much at once they come."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters.postgres import idempotency
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import transaction
from tests.api.calls import Database, brl, fresh, order_body, place, placed
from tests.api.running import RunningApi


async def test_the_same_request_again_is_the_same_order(shop: httpx.AsyncClient) -> None:
    first = await place(shop, key="k")
    again = await place(shop, key="k")

    assert again.json() == first.json()
    assert again.status_code == first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


async def test_another_body_under_the_same_key_is_refused(shop: httpx.AsyncClient) -> None:
    await place(shop, key="k")
    other = await place(shop, key="k", metadata={"other": True})

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_keys_of_one_tenant_are_nothing_to_another(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    mine, theirs = await place(shop, key="k"), await place(stranger, key="k")

    assert mine.json()["id"] != theirs.json()["id"]


async def test_one_key_on_two_orders_is_two_requests(shop: httpx.AsyncClient) -> None:
    for order_id in (await placed(shop), await placed(shop)):
        response = await shop.post(
            f"/v1/orders/{order_id}/cancel",
            json={"reason": "r"},
            headers={"Idempotency-Key": "k", "Prefer": "respond-async"},
        )
        assert response.status_code == 202
        assert "idempotency-replayed" not in response.headers


async def test_a_refused_request_does_not_use_its_key_up(shop: httpx.AsyncClient) -> None:
    refused = await place(shop, key="k", lines=[])
    accepted = await place(shop, key="k")

    assert (refused.status_code, accepted.status_code) == (422, 201)


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "café"])
async def test_a_key_that_cannot_be_used_is_said_to_be_so(
    shop: httpx.AsyncClient, key: str
) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    response = await shop.post("/v1/orders", json=order_body(), headers=headers)

    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/orders",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/cancel",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/pay",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/hold",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/release",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/accept",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/decline",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/ship",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/confirm-receipt",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/review",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/returns",
        "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1/refunds",
        "/v1/stock",
        "/v1/accounts/c-1/credits",
        "/v1/vouchers",
    ],
)
async def test_every_post_needs_a_key(shop: httpx.AsyncClient, path: str) -> None:
    response = await shop.post(path, json={})

    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_missing")


async def test_a_hundred_twins_at_once_make_one_order(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    answers = await asyncio.gather(*(place(shop, key="twin") for _ in range(100)))

    made = [answer for answer in answers if answer.status_code == 201]
    others = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.text for answer in made}) == 1
    assert all(a.json()["code"] == "request_in_flight" for a in others)
    assert sum("idempotency-replayed" not in answer.headers for answer in made) <= 1
    assert await database.fetchval("select count(*) from orders where tenant = $1", tenant) == 1


async def test_a_twin_that_is_not_done_yet_is_told_so(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    twin = Claim(
        tenant=tenant,
        route="POST /v1/vouchers",
        key="k",
        body_hash=hash_body(b""),
        resource="vch_1",
    )
    async with transaction(api.pool) as connection:
        assert await claim_key(connection, twin) is None
        response = await shop.post(
            "/v1/vouchers",
            json={"code": fresh("v"), "amount": brl(1)},
            headers={"Idempotency-Key": "k"},
        )

    assert (response.status_code, response.json()["code"]) == (409, "request_in_flight")
    assert int(response.headers["retry-after"]) > 0


async def test_keys_past_their_time_are_forgotten(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    await place(shop, key="k")
    count = "select count(*) from idempotency_keys where tenant = $1"
    async with transaction(api.pool) as connection:
        await idempotency.forget_old_keys(connection)
    assert await database.fetchval(count, tenant) == 1

    async with transaction(api.pool) as connection:
        await connection.execute(
            "insert into idempotency_keys (tenant, route, key, body_hash, resource, created_at) "
            "values ($1, 'r', 'old', '', '', now() - interval '3 days')",
            tenant,
        )
        assert await idempotency.forget_old_keys(connection) == 1
    assert await database.fetchval(count, tenant) == 1
