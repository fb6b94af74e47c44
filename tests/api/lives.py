"""Orders brought to where a test begins: on real tables, by what the saga itself would call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import Pool
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.order import MERCHANT
from tests.api.calls import Json, brl, fresh, happens, order_body, post_order

DELIVERY: Final = ("parcel.shipped", "order.shipped", "parcel.delivered", "order.delivered")
ON_HAND = 1_000
TOTAL = 15_000  # of `confirmed`, unless its fields say otherwise: two units for 75.00 each
BY_VOUCHER = 5_000
BY_CARD = 10_000  # the newer payment: what goes back goes back here first


async def put_stock(client: httpx.AsyncClient, sku: str) -> None:
    answer = await client.put(f"/v1/stock/{sku}", json={"on_hand": ON_HAND})
    answer.raise_for_status()


async def on_hand(client: httpx.AsyncClient, sku: str) -> int:
    units: int = (await client.get(f"/v1/stock/{sku}")).json()["on_hand"]
    return units


async def put_voucher(client: httpx.AsyncClient, amount: int) -> str:
    """A new one's code."""
    code = fresh("gift")
    body = {"code": code, "amount": brl(amount)}
    answer = await client.post("/v1/vouchers", json=body, headers={"Idempotency-Key": code})
    answer.raise_for_status()
    return code


async def ask(
    client: httpx.AsyncClient,
    order_id: str,
    move: str,
    body: Mapping[str, object] | None = None,
    *,
    key: str | None = None,
    prefer: str = "wait=0",
) -> httpx.Response:
    """A move of an order; without a body where none is given."""
    return await client.post(
        f"/v1/orders/{order_id}/{move}",
        json=body,
        headers={"Idempotency-Key": key or fresh("key"), "Prefer": prefer},
    )


async def confirmed(client: httpx.AsyncClient, pool: Pool, **fields: object) -> Json:
    """Decided: paid by a voucher and, newer, by card; its goods have left the shelf."""
    code = await put_voucher(client, BY_VOUCHER)
    by_voucher = {"method": "voucher", "token": code, "amount": brl(BY_VOUCHER)}
    payments = [by_voucher, {"method": "card", "token": "tok_ok"}]
    body = order_body(**{"payments": payments, **fields})
    for sku in {line["sku"] for line in listed(body, "lines")}:
        await put_stock(client, sku)
    order: Json = (await post_order(client, body)).json()
    await _decide(pool, order)
    return await look(client, order["id"])


async def delivered(client: httpx.AsyncClient, pool: Pool, **fields: object) -> Json:
    """Its buyer has it."""
    order = await confirmed(client, pool, **fields)
    await happens(
        pool,
        str(order["id"]),
        *(Happening.of(move) for move in DELIVERY),
    )
    return await look(client, order["id"])


async def completed(client: httpx.AsyncClient, pool: Pool, **fields: object) -> Json:
    """Its window has passed."""
    order = await delivered(client, pool, **fields)
    await happens(pool, str(order["id"]), Happening.of("order.completed"))
    return await look(client, order["id"])


async def look(client: httpx.AsyncClient, order_id: object) -> Json:
    order: Json = (await client.get(f"/v1/orders/{order_id}")).json()
    return order


async def history(client: httpx.AsyncClient, order_id: object) -> list[Json]:
    listed: list[Json] = (await client.get(f"/v1/orders/{order_id}/events")).json()["events"]
    return listed


async def types(client: httpx.AsyncClient, order_id: object) -> list[object]:
    """What happened, oldest first."""
    return [event["type"] for event in await history(client, order_id)]


def listed(order: Json, what: str) -> list[Any]:
    """`lines`, `payments`, `returns`, …"""
    found = order[what]
    assert isinstance(found, list)
    return found


async def _decide(pool: Pool, order: Json) -> None:
    """Our own site's part by itself; of what others do only what they would have written down."""
    order_id, own_site = str(order["id"]), PostgresOwnSite(pool)
    steps = [keys.STOCK]
    for payment in listed(order, "payments"):
        if payment["method"] in ("voucher", "balance"):
            steps.append(keys.payment_step(payment["id"]))
        else:
            taken = {"payment_id": payment["id"], "amount": payment["amount"]["amount"]}
            await happens(pool, order_id, Happening.of("payment.captured", **taken))
    (parcel,) = listed(order, "shipments")
    if parcel["carrier"] == MERCHANT:
        steps.append(keys.parcel_step(parcel["id"]))
    else:
        await happens(pool, order_id, Happening.of("parcel.booked"))
    await own_site.hold(order_id, steps)
    decision = await own_site.decide(order_id, None, nothing_else=True)
    assert decision.verdict == "confirm", decision
