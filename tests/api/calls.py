"""What a storefront sends, and what the saga would do meanwhile."""

from __future__ import annotations

import itertools
from typing import TypeAlias

import asyncpg
import httpx

from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import Pool, transaction
from ordersaga.history import Happening

Json: TypeAlias = dict[str, object]
Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_numbers = itertools.count()


def fresh(word: str) -> str:
    """A word that no other test uses."""
    return f"{word}-{next(_numbers)}"


def brl(amount: int) -> Json:
    return {"amount": amount, "currency": "BRL"}


def order_body(**otherwise: object) -> Json:
    """Two units for 150.00 BRL by card, to Brazil; fields given here are put in its place."""
    body: Json = {
        "customer": {"id": "c-1", "name": "Ana", "email": "ana@example.org"},
        "currency": "BRL",
        "lines": [{"sku": "tea", "quantity": 2, "unit_price": brl(7500)}],
        "shipping_address": {"city": "Recife", "country": "BR"},
        "payments": [{"method": "card", "token": "tok_ok"}],
    }
    return {**body, **otherwise}


async def place(
    client: httpx.AsyncClient, *, key: str | None = None, prefer: str = "wait=0", **fields: object
) -> httpx.Response:
    """An order of `order_body(**fields)`, by default without waiting for its decision."""
    return await post_order(client, order_body(**fields), key=key, prefer=prefer)


async def post_order(
    client: httpx.AsyncClient, body: Json, *, key: str | None = None, prefer: str = "wait=0"
) -> httpx.Response:
    """This body as an order."""
    headers = {"Idempotency-Key": key or fresh("key"), "Prefer": prefer}
    return await client.post("/v1/orders", json=body, headers=headers)


async def placed(client: httpx.AsyncClient, **fields: object) -> str:
    """The id of a new order."""
    response = await post_order(client, order_body(**fields))
    assert response.status_code == 201, response.text
    order_id: str = response.json()["id"]
    return order_id


async def happens(pool: Pool, order_id: str, *happenings: Happening) -> None:
    """What the saga would write, written."""
    async with transaction(pool) as connection:
        await record(connection, await lock_order(connection, order_id), *happenings)


CONFIRMED = Happening.of("order.confirmed")


def pointers(response: httpx.Response) -> list[str]:
    """The fields that a 422 names."""
    assert response.status_code == 422, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "invalid_request"
    return [error["pointer"] for error in problem["errors"]]
