"""Goods that somebody wants to send back: in their window, no more than were bought, for what they cost."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest

from tests.api.calls import Database, Json, brl, pointers
from tests.api.lives import (
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
from tests.api.sending_back import REASON, say, send_back


async def test_all_of_an_order_can_be_sent_back(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order = await delivered(shop, api.pool, shipping_fee=brl(700))
    answer = await send_back(shop, order["id"])

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    (asked,) = answer.json()["returns"]
    assert asked["id"].startswith("ret_")
    assert (asked["status"], asked["reason"]) == ("requested", REASON)
    assert asked["amount"] == brl(TOTAL + 700), "with the fee: nothing stays with the buyer"
    assert asked["lines"] == [{"sku": "tea", "quantity": 2, "amount": brl(TOTAL)}]
    assert asked["requested_at"].endswith("Z")
    assert asked["allowed"] == ["approve", "decline"]
    assert answer.json()["allowed"] == ["confirm-receipt", "refunds"], "nothing is left to return"


async def test_why_is_not_in_history(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order = await delivered(shop, api.pool)
    asked = (await send_back(shop, order["id"], tea=1)).json()["returns"][0]

    told = (await history(shop, order["id"]))[-1]
    assert (told["type"], told["machine"], told["to"]) == (
        "return.requested",
        "return",
        "requested",
    )
    assert told["data"] == {
        "return_id": asked["id"],
        "amount": 7500,
        "lines": [{"sku": "tea", "quantity": 1}],
    }


async def test_some_units_bring_their_price_and_their_share_of_the_tax(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    """Taxes that do not divide: of three units 10 in all, so 3, 3 and 4."""
    lines = [
        {"sku": "tea", "quantity": 3, "unit_price": brl(5000), "tax": brl(10)},
        {"sku": "pot", "quantity": 1, "unit_price": brl(900)},
    ]
    order = await delivered(shop, api.pool, lines=lines, shipping_fee=brl(300))
    amounts = []
    for sku in ("tea", "tea", "tea", "pot"):
        lines = [{"sku": sku, "quantity": 1}]
        answer = await ask(shop, str(order["id"]), "returns", {"lines": lines, "reason": "r"})
        amounts.append(answer.json()["returns"][-1]["amount"]["amount"])

    assert amounts == [5003, 5003, 5004, 900 + 300], "the fee goes back with the last unit"
    assert sum(amounts) == cast("Json", order["total"])["amount"]


async def test_units_of_two_lines_of_one_sku_come_back_as_one(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    lines = [
        {"sku": "tea", "quantity": 1, "unit_price": brl(9000)},
        {"sku": "tea", "quantity": 2, "unit_price": brl(4000)},
    ]
    order = await delivered(shop, api.pool, lines=lines)
    (asked,) = (await send_back(shop, order["id"], tea=2)).json()["returns"]

    assert asked["amount"] == brl(13_000)
    assert [line["quantity"] for line in asked["lines"]] == [1, 1]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([{"sku": "tea", "quantity": 3}], "/lines/0/quantity"),
        ([{"sku": "tea", "quantity": 1}, {"sku": "cup", "quantity": 1}], "/lines/1/quantity"),
        ([{"sku": "tea", "quantity": 1}, {"sku": "tea", "quantity": 1}], "/lines/1/sku"),
        ([{"sku": "tea", "quantity": 0}], "/lines/0/quantity"),
        ([{"sku": "tea", "quantity": -1}], "/lines/0/quantity"),
        ([{"sku": "tea", "quantity": 1.5}], "/lines/0/quantity"),
        ([{"sku": "tea"}], "/lines/0/quantity"),
        ([{"sku": "", "quantity": 1}], "/lines/0/sku"),
        ([{"sku": "tea", "quantity": 1, "colour": "red"}], "/lines/0/colour"),
        ([], "/lines"),
        ("all", "/lines"),
    ],
)
async def test_more_than_was_bought_or_nonsense_is_refused_by_name(
    api: RunningApi, shop: httpx.AsyncClient, lines: object, where: str
) -> None:
    order = await delivered(shop, api.pool)
    refused = await ask(shop, str(order["id"]), "returns", {"lines": lines, "reason": "r"})

    assert pointers(refused) == [where]
    assert await look(shop, order["id"]) == order


async def test_a_return_has_a_reason(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = str((await delivered(shop, api.pool))["id"])

    assert pointers(await ask(shop, order_id, "returns", {})) == ["/reason"]
    assert pointers(await ask(shop, order_id, "returns", {"reason": ""})) == ["/reason"]


async def test_what_is_asked_for_already_cannot_be_asked_for_again(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    await send_back(shop, order_id, tea=1)

    assert pointers(await send_back(shop, order_id, tea=2)) == ["/lines/0/quantity"]
    await send_back(shop, order_id, tea=1)
    refused = await send_back(shop, order_id, tea=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["allowed"] == ["confirm-receipt", "refunds"]


async def test_of_two_returns_of_the_same_units_at_once_one_is_taken(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    answers = await asyncio.gather(*(send_back(shop, order_id, tea=2) for _ in range(20)))

    assert sorted(a.status_code for a in answers) == [201] + 19 * [409]
    assert len(listed(await look(shop, order_id), "returns")) == 1


async def test_what_was_declined_can_be_asked_for_again(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    (asked,) = (await send_back(shop, order_id)).json()["returns"]
    declined = await say(shop, order_id, asked, "decline")

    assert declined.json()["returns"][0]["status"] == "declined"
    assert declined.json()["returns"][0]["allowed"] == []
    assert (await send_back(shop, order_id)).status_code == 201


async def test_the_same_request_again_is_the_same_return(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    first = await send_back(shop, order_id, key="k", tea=1)
    again = await send_back(shop, order_id, key="k", tea=1)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await send_back(shop, order_id, key="k", tea=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_goods_come_back_after_they_arrived(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order = await confirmed(shop, api.pool)
    refused = await send_back(shop, order["id"])

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["allowed"] == ["ship", "cancel", "refunds"]


async def test_goods_come_back_within_their_window(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order = await completed(shop, api.pool)
    window_s = api.services.settings.return_window_s
    late = (
        "update orders set delivered_at = now() - make_interval(secs => $2),"
        " confirmed_at = now() - make_interval(secs => $2) where id = $1"
    )
    await database.execute(late, order["id"], window_s - 60)
    assert (await send_back(shop, order["id"], tea=1)).status_code == 201

    await database.execute(late, order["id"], window_s + 1)
    refused = await send_back(shop, order["id"], tea=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "return_window_over")
    assert refused.json()["allowed"] == ["review", "refunds"]
    assert (await look(shop, order["id"]))["allowed"] == ["review", "refunds"]


async def test_another_tenants_goods_are_not_there(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    (asked,) = (await send_back(shop, order_id)).json()["returns"]

    assert (await send_back(stranger, order_id)).status_code == 404
    for word in ("approve", "decline", "receive"):
        assert (await say(stranger, order_id, asked, word)).status_code == 404
    assert (await look(shop, order_id))["returns"] == [asked]
