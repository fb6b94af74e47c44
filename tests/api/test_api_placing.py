"""Orders are accepted whole, answered when they are decided, and stand without Temporal."""

from __future__ import annotations

import asyncio
import time

import httpx

from adapters.postgres.orders import find_unstarted, read_launch
from ordersaga.history import Happening
from ordersaga.order import MERCHANT, SANDBOX
from tests.api.calls import (
    CONFIRMED,
    Database,
    Json,
    brl,
    fresh,
    happens,
    order_body,
    place,
    placed,
)
from tests.api.running import RunningApi


async def test_an_order_stands_while_temporal_is_away(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    response = await place(shop, prefer="wait=1")

    assert response.status_code == 201
    order = response.json()
    assert (order["status"], order["payment_status"]) == ("pending", "unpaid")
    assert order["waiting_for"] == "participants"
    assert order["allowed"] == ["hold", "cancel"]
    assert response.headers["location"] == f"/v1/orders/{order['id']}"
    async with api.pool.acquire() as connection:
        assert order["id"] in await find_unstarted(connection, older_than_s=0, limit=1000)
    outbox = "select sequence from outbox where order_id = $1"
    assert await database.fetchval(outbox, order["id"]) == 1


async def test_an_order_shows_what_it_was_placed_with(shop: httpx.AsyncClient) -> None:
    response = await place(
        shop,
        customer={"id": "c-9", "name": "Ana", "phone": "+55 81"},
        lines=[
            {"sku": "tea", "quantity": 2, "unit_price": brl(1500), "tax": brl(10)},
            {"sku": "tea", "quantity": 1, "unit_price": brl(0)},
        ],
        shipping={"carrier": "sandbox", "service": "ship_ok"},
        shipping_fee=brl(90),
        payments=[
            {"method": "balance", "amount": brl(100)},
            {"method": "voucher", "token": "GIFT"},
        ],
        metadata={"reference": "r-1", "gift": True, "row": 7},
    )

    order = response.json()
    assert order["total"] == brl(3100)
    assert order["customer"] == {
        **{"id": "c-9", "name": "Ana", "email": None, "phone": "+55 81"},
        **{"locale": "en", "notify": "all"},
    }
    assert [line["quantity"] for line in order["lines"]] == [2, 1]
    assert order["lines"][0]["tax"] == brl(10)
    assert order["shipping_address"]["city"] == "Recife"
    assert [p["amount"] for p in order["payments"]] == [brl(100), brl(3000)]
    assert order["shipments"][0]["carrier"] == SANDBOX
    assert order["shipments"][0]["tracking_status"] == "unknown"
    assert order["metadata"] == {"reference": "r-1", "gift": True, "row": 7}
    assert order["links"]["workflow"].endswith(f"/namespaces/default/workflows/order:{order['id']}")
    assert order["created_at"].endswith("Z")


async def test_shipping_is_the_merchants_unless_said_otherwise(shop: httpx.AsyncClient) -> None:
    shipment = (await place(shop)).json()["shipments"][0]

    assert (shipment["carrier"], shipment["service"]) == (MERCHANT, "standard")


async def test_tokens_are_in_no_answer_and_no_history(shop: httpx.AsyncClient) -> None:
    response = await place(shop, payments=[{"method": "card", "token": "tok_canary"}])
    events = await shop.get(f"/v1/orders/{response.json()['id']}/events")

    assert "tok_canary" not in response.text + events.text


async def test_the_answer_comes_when_the_order_is_decided(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    began_s = time.monotonic()
    waiting = asyncio.create_task(place(shop, prefer="wait=20"))
    order_id = await _only_order(database, tenant)
    await happens(api.pool, order_id, CONFIRMED)

    order = (await waiting).json()
    assert (order["status"], order["waiting_for"]) == ("confirmed", "merchant")
    assert order["deadline"] is None
    assert time.monotonic() - began_s < 10


async def test_the_answer_comes_when_only_the_payer_can_go_on(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    waiting = asyncio.create_task(place(shop, prefer="wait=20"))
    order_id = await _only_order(database, tenant)
    payment_id = await database.fetchval("select id from payments where order_id = $1", order_id)
    asked = Happening.of("payment.requires_action", payment_id=payment_id)
    await happens(api.pool, order_id, asked)

    order = (await waiting).json()
    assert (order["payment_status"], order["waiting_for"]) == ("requires_action", "payer")
    assert order["deadline"] is not None


async def test_an_order_without_payments_is_answered_when_its_goods_are_held(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    began_s = time.monotonic()
    waiting = asyncio.create_task(place(shop, prefer="wait=20", payments=[]))
    order_id = await _only_order(database, tenant)
    await happens(api.pool, order_id, Happening.of("stock.reserved", lines=[]))

    response = await waiting
    assert response.status_code == 201
    assert response.json()["waiting_for"] == "buyer"
    assert response.json()["allowed"] == ["pay", "hold", "cancel"]
    assert time.monotonic() - began_s < 10


async def test_an_order_of_nothing_to_pay_needs_no_payment(shop: httpx.AsyncClient) -> None:
    lines = [{"sku": "sample", "quantity": 1, "unit_price": brl(0)}]
    order = (await place(shop, lines=lines, payments=[])).json()

    assert order["total"] == brl(0)
    assert order["waiting_for"] == "participants"


async def test_respond_async_is_answered_202_at_once(shop: httpx.AsyncClient) -> None:
    response = await place(shop, prefer="respond-async")

    assert response.status_code == 202
    assert response.headers["preference-applied"] == "respond-async"


async def test_a_preference_nobody_understands_is_ignored(shop: httpx.AsyncClient) -> None:
    response = await place(shop, prefer="wait=soon, wait=0, handling=lenient", payments=[])

    assert response.status_code == 201
    assert response.headers["preference-applied"] == "wait=0"


async def test_an_unstarted_order_is_launched_from_the_tables(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    order_id = await placed(shop, shipping_fee=brl(5))

    async with api.pool.acquire() as connection:
        launch = await read_launch(connection, order_id, api.services.settings)
    ticket = launch.ticket
    assert (launch.tenant, launch.customer_id, launch.units) == (tenant, "c-1", 2)
    assert (ticket.total, ticket.currency, launch.country) == (15005, "BRL", "BR")
    assert [p.method for p in ticket.payments] == ["card"]


async def test_an_order_only_canceled_so_far_is_still_unstarted(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id, driven = await placed(shop), await placed(shop)
    await happens(api.pool, order_id, Happening.of("cancel.requested", reason="", by="key"))
    await happens(api.pool, driven, Happening.of("stock.reserved", lines=[]))

    async with api.pool.acquire() as connection:
        unstarted = await find_unstarted(connection, older_than_s=0, limit=1000)
    assert order_id in unstarted
    assert driven not in unstarted


async def test_history_begins_with_what_was_accepted(shop: httpx.AsyncClient) -> None:
    order = (await place(shop)).json()

    response = await shop.get(order["links"]["events"])
    (event,) = response.json()["events"]
    assert (event["sequence"], event["type"], event["machine"]) == (1, "order.accepted", "status")
    assert (event["from"], event["to"]) == (None, "pending")
    payment = order["payments"][0]
    assert event["data"] == {
        "total": 15000,
        "currency": "BRL",
        "payments": [{"id": payment["id"], "method": "card", "amount": 15000}],
    }


async def test_two_hundred_lines_are_kept_in_their_order(shop: httpx.AsyncClient) -> None:
    lines: list[Json] = [
        {"sku": f"sku-{i}", "quantity": 1, "unit_price": brl(1)} for i in range(200)
    ]
    body = order_body(lines=lines)
    response = await shop.post(
        "/v1/orders", json=body, headers={"Idempotency-Key": fresh("key"), "Prefer": "wait=0"}
    )

    assert [line["sku"] for line in response.json()["lines"]] == [line["sku"] for line in lines]


async def _only_order(database: Database, tenant: str) -> str:
    """The tenant's one order, once it is there."""
    while True:
        order_id = await database.fetchval("select id from orders where tenant = $1", tenant)
        if order_id is not None:
            return str(order_id)
        await asyncio.sleep(0.01)
