"""Money that goes back without goods: never more than was taken, however many ask at once."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest

from tests.api.calls import Database, Json, brl, placed, pointers
from tests.api.lives import (
    BY_CARD,
    TOTAL,
    ask,
    completed,
    confirmed,
    delivered,
    history,
    listed,
    look,
)
from tests.api.running import RunningApi


async def give_back(
    client: httpx.AsyncClient, order_id: object, amount: int, *, key: str | None = None
) -> httpx.Response:
    body: Json = {"amount": brl(amount), "reason": "arrived late"}
    return await ask(client, str(order_id), "refunds", body, key=key)


def shown(order: Json) -> list[tuple[str, int]]:
    """What goes back of which payment, in the order that it was said."""
    methods = {p["id"]: p["method"] for p in listed(order, "payments")}
    return [
        (methods[refund["payment_id"]], refund["amount"]["amount"])
        for refund in listed(order, "refunds")
    ]


async def test_some_of_it_goes_back_to_the_newest_payment_first(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await confirmed(shop, api.pool))["id"]
    answer = await give_back(shop, order_id, 3000)
    assert answer.status_code == 200
    assert shown(answer.json()) == [("card", 3000)]
    (refund,) = answer.json()["refunds"]
    assert (refund["cause"], refund["refunded_at"], refund["destination"]) == (
        "request",
        None,
        None,
    )

    rest = await give_back(shop, order_id, TOTAL - 3000)
    assert shown(rest.json())[1:] == [("card", BY_CARD - 3000), ("voucher", TOTAL - BY_CARD)]
    assert rest.json()["allowed"] == ["ship", "cancel"], "nothing is left to give back"


async def test_history_says_who_gave_how_much_back_and_why(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await completed(shop, api.pool))["id"]
    await give_back(shop, order_id, 3000)

    told = (await history(shop, order_id))[-1]
    data = cast("Json", told["data"])
    assert (told["type"], data["amount"], data["reason"]) == (
        "refund.requested",
        3000,
        "arrived late",
    )
    assert str(data["by"]).startswith("key_")
    assert str(data["request"]).startswith("req_")


async def test_more_than_is_left_is_refused_with_what_is_left(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await confirmed(shop, api.pool))["id"]
    await give_back(shop, order_id, 14_000)
    before = await look(shop, order_id)
    refused = await give_back(shop, order_id, 1001)

    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "refund_too_large")
    assert problem["errors"] == [{"pointer": "/amount/amount", "detail": "10.00 BRL is left"}]
    assert await look(shop, order_id) == before
    assert (await give_back(shop, order_id, 1000)).status_code == 200
    nothing = await give_back(shop, order_id, 1)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "illegal_move")


async def test_a_hundred_refunds_at_once_give_back_what_was_taken_and_no_more(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    answers = await asyncio.gather(*(give_back(shop, order_id, 1000) for _ in range(100)))

    codes = [a.status_code for a in answers]
    assert set(codes) <= {200, 409, 503}
    sums = "select sum(amount)::bigint from refunds where order_id = $1"
    assert await database.fetchval(sums, order_id) == 1000 * codes.count(200) <= TOTAL
    while (await give_back(shop, order_id, 1000)).status_code == 200:
        pass
    assert await database.fetchval(sums, order_id) == TOTAL


async def test_a_hundred_equal_requests_are_one_refund(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    answers = await asyncio.gather(*(give_back(shop, order_id, 100, key="k") for _ in range(100)))

    assert {a.status_code for a in answers} <= {200, 409, 503}
    again = await give_back(shop, order_id, 100, key="k")
    assert again.headers["idempotency-replayed"] == "true"
    assert shown(again.json()) == [("card", 100)]
    other = await give_back(shop, order_id, 101, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_nothing_goes_back_of_what_is_not_taken(shop: httpx.AsyncClient) -> None:
    refused = await give_back(shop, await placed(shop), 100)

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["hold", "cancel"])


async def test_nothing_of_a_free_order_goes_back(api: RunningApi, shop: httpx.AsyncClient) -> None:
    lines = [{"sku": "sample", "quantity": 1, "unit_price": brl(0)}]
    order = await confirmed(shop, api.pool, lines=lines, payments=[])

    assert order["allowed"] == ["ship", "cancel"]
    assert (await give_back(shop, order["id"], 1)).status_code == 409


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"reason": "r"}, ["/amount"]),
        ({"amount": brl(0), "reason": "r"}, ["/amount/amount"]),
        ({"amount": brl(-1), "reason": "r"}, ["/amount/amount"]),
        ({"amount": {"amount": 1.5, "currency": "BRL"}, "reason": "r"}, ["/amount/amount"]),
        ({"amount": {"amount": 100, "currency": "USD"}, "reason": "r"}, ["/amount/currency"]),
        (
            {"amount": {"amount": 0, "currency": "XXX"}, "reason": "r"},
            ["/amount/currency", "/amount/amount"],
        ),
        ({"amount": 100, "reason": "r"}, ["/amount"]),
        ({"amount": brl(100)}, ["/reason"]),
        ({"amount": brl(100), "reason": "\u0000"}, ["/reason"]),
        ({"amount": brl(100), "reason": "r", "to": "me"}, ["/to"]),
    ],
)
async def test_a_refund_is_some_of_the_orders_money_for_a_reason(
    api: RunningApi, shop: httpx.AsyncClient, body: Json, where: list[str]
) -> None:
    order = await confirmed(shop, api.pool)

    assert pointers(await ask(shop, str(order["id"]), "refunds", body)) == where
    assert await look(shop, order["id"]) == order


async def test_another_tenants_money_is_not_there(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order = await confirmed(shop, api.pool)

    assert (await give_back(stranger, order["id"], 100)).status_code == 404
    assert await look(shop, order["id"]) == order
