"""Cancel and pay: stored first, delivered when it can be, answered by the saga."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters.postgres.requests import find_undelivered
from ordersaga.history import Happening
from tests.api.calls import CONFIRMED, Database, Json, brl, fresh, happens, place, placed, pointers
from tests.api.running import RunningApi

CARD: Json = {"method": "card", "token": "tok_ok"}


async def ask(
    client: httpx.AsyncClient,
    order_id: str,
    verb: str,
    body: Json | None = None,
    *,
    key: str | None = None,
    prefer: str = "wait=0",
) -> httpx.Response:
    return await client.post(
        f"/v1/orders/{order_id}/{verb}",
        json={} if body is None else body,
        headers={"Idempotency-Key": key or fresh("key"), "Prefer": prefer},
    )


async def answer(database: Database, order_id: str, word: str) -> None:
    """What the own-site transactions write of a request."""
    await database.execute(
        "update order_requests set answer = $2, answered_at = now() where order_id = $1",
        order_id,
        word,
    )


async def test_a_cancel_is_stored_before_anybody_hears_of_it(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    response = await ask(shop, order_id, "cancel", {"reason": "too late"})

    assert response.status_code == 202
    assert response.json()["version"] == 2
    events = (await shop.get(f"/v1/orders/{order_id}/events")).json()["events"]
    assert events[1]["type"] == "cancel.requested"
    assert "too late" not in str(events), "a customer's own words can be erased, history cannot"
    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    (request,) = [u.request for u in found if u.order_id == order_id]
    assert request.kind == "cancel"
    assert request.id.startswith("req_")


async def test_a_cancel_needs_no_body(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    headers = {"Idempotency-Key": fresh("key"), "Prefer": "respond-async"}

    assert (await shop.post(f"/v1/orders/{order_id}/cancel", headers=headers)).status_code == 202


async def test_a_cancel_carried_out_while_waiting_is_answered_200(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop)
    waiting = asyncio.create_task(ask(shop, order_id, "cancel", prefer="wait=20"))
    await _until_asked(database, order_id)
    await answer(database, order_id, "accepted")
    await happens(api.pool, order_id, Happening.of("order.canceled"))

    response = await waiting
    assert (response.status_code, response.json()["status"]) == (200, "canceled")
    assert response.json()["allowed"] == []


async def test_a_cancel_refused_by_the_carrier_is_answered_409(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop)
    await happens(api.pool, order_id, CONFIRMED)
    waiting = asyncio.create_task(ask(shop, order_id, "cancel", key="k", prefer="wait=20"))
    await _until_asked(database, order_id)
    await answer(database, order_id, "refused")
    await happens(api.pool, order_id, Happening.of("cancel.refused", code="c", detail="d"))

    response = await waiting
    assert (response.status_code, response.json()["code"]) == (409, "cancel_refused")
    again = await ask(shop, order_id, "cancel", key="k")
    assert (again.status_code, again.json()) == (409, response.json())


async def test_a_cancel_while_the_order_is_still_being_undone_is_answered_202(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop)
    await ask(shop, order_id, "cancel", key="k")
    await answer(database, order_id, "accepted")
    await happens(api.pool, order_id, Happening.of("order.compensating"))

    again = await ask(shop, order_id, "cancel", key="k")
    assert (again.status_code, again.json()["status"]) == (202, "compensating")
    assert again.headers["idempotency-replayed"] == "true"


async def test_an_order_that_is_over_takes_no_cancel(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    await happens(api.pool, order_id, Happening.of("order.rejected"))
    response = await ask(shop, order_id, "cancel")

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert response.json()["allowed"] == []
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["version"] == 2


async def test_an_order_placed_without_payments_is_paid_later(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop, payments=[])
    payments = [{"method": "voucher", "token": "GIFT", "amount": brl(1000)}, CARD]
    response = await ask(shop, order_id, "pay", {"payments": payments})

    assert response.status_code == 202
    order = response.json()
    assert [p["amount"]["amount"] for p in order["payments"]] == [1000, 14000]
    assert (order["waiting_for"], order["allowed"]) == ("participants", ["hold", "cancel"])
    assert "GIFT" not in response.text
    tokens = "select array_agg(token order by position) from payments where order_id = $1"
    assert await database.fetchval(tokens, order_id) == ["GIFT", "tok_ok"]
    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    (request,) = [u.request for u in found if u.order_id == order_id]
    assert [p.id for p in request.payments] == [p["id"] for p in order["payments"]]


async def test_a_payment_while_waiting_is_answered_when_the_order_is_decided(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop, payments=[])
    body: Json = {"payments": [CARD]}
    waiting = asyncio.create_task(ask(shop, order_id, "pay", body, key="k", prefer="wait=20"))
    await _until_asked(database, order_id)
    await happens(api.pool, order_id, CONFIRMED)

    response = await waiting
    assert (response.status_code, response.json()["status"]) == (200, "confirmed")
    again = await ask(shop, order_id, "pay", body, key="k")
    assert (again.status_code, again.json()) == (200, response.json())


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "/payments"),
        ({"payments": []}, "/payments"),
        ({"payments": [{**CARD, "amount": brl(1)}]}, "/payments"),
        ({"payments": [{"method": "card"}]}, "/payments/0/token"),
        (
            {"payments": [{**CARD, "amount": {"amount": 15000, "currency": "USD"}}]},
            "/payments/0/amount/currency",
        ),
    ],
)
async def test_payments_are_checked_against_the_order(
    shop: httpx.AsyncClient, body: Json, where: str
) -> None:
    order_id = await placed(shop, payments=[])

    assert pointers(await ask(shop, order_id, "pay", body)) == [where]
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["allowed"] == ["pay", "hold", "cancel"]


async def test_an_order_with_payments_takes_no_others(shop: httpx.AsyncClient) -> None:
    response = await ask(shop, await placed(shop), "pay", {"payments": [CARD]})

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert response.json()["allowed"] == ["hold", "cancel"]


async def test_one_of_two_payments_at_once_is_taken(
    shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop, payments=[])
    body: Json = {"payments": [CARD]}
    answers = await asyncio.gather(*(ask(shop, order_id, "pay", body) for _ in range(5)))

    assert sorted(a.status_code for a in answers) == [202, 409, 409, 409, 409]
    count = "select count(*) from payments where order_id = $1"
    assert await database.fetchval(count, order_id) == 1


@pytest.mark.parametrize("verb", ["cancel", "pay"])
async def test_another_tenants_order_takes_no_request(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient, verb: str
) -> None:
    order = (await place(shop, payments=[])).json()
    body: Json = {"payments": [CARD]} if verb == "pay" else {}
    response = await ask(stranger, order["id"], verb, body)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert (await shop.get(f"/v1/orders/{order['id']}")).json() == order


async def _until_asked(database: Database, order_id: str) -> None:
    count = "select count(*) from order_requests where order_id = $1"
    while True:
        if await database.fetchval(count, order_id):
            return
        await asyncio.sleep(0.01)
