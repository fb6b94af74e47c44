"""The buyer has his order, and says what he thinks of it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters.postgres import requests
from adapters.postgres.pool import transaction
from adapters.postgres.requests import find_undelivered
from ordersaga.history import Happening
from tests.api.calls import Database, Json, fresh, happens, pointers
from tests.api.lives import ask, completed, confirmed, delivered, history, look, types
from tests.api.running import RunningApi

REVIEW: Json = {"rating": 4, "comment": "came quickly, says Rosa"}


async def shipped(api: RunningApi, shop: httpx.AsyncClient) -> str:
    order = await confirmed(shop, api.pool)
    await ask(shop, str(order["id"]), "ship", {"tracking_number": fresh("BR-")})
    return str(order["id"])


async def test_a_buyer_who_has_it_completes_an_order_whatever_its_carrier_said(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await shipped(api, shop)
    answer = await ask(shop, order_id, "confirm-receipt")

    order = answer.json()
    assert (answer.status_code, order["status"]) == (200, "completed")
    assert order["fulfillment_status"] == "delivered"
    times = [order[at] for at in ("delivered_at", "received_at", "completed_at")]
    assert all(times)
    assert (await types(shop, order_id))[-4:] == [
        "parcel.delivered",
        "order.delivered",
        "receipt.confirmed",
        "order.completed",
    ]
    assert (order["waiting_for"], order["allowed"]) == (None, ["returns", "review", "refunds"])


async def test_a_delivered_order_is_completed_the_same_way(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order = await delivered(shop, api.pool)
    assert order["allowed"] == ["confirm-receipt", "returns", "refunds"]
    answer = await ask(shop, str(order["id"]), "confirm-receipt", {})

    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert (await types(shop, order["id"])).count("order.delivered") == 1


async def test_its_workflow_hears_of_it_when_it_can(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await shipped(api, shop)
    await ask(shop, order_id, "confirm-receipt")

    async with transaction(api.pool) as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
        (undelivered,) = [u for u in found if u.order_id == order_id]
        await requests.refuse(connection, undelivered.request.id)
    assert (undelivered.request.kind, undelivered.is_over) == ("receipt", True)
    assert undelivered.workflow_id == f"order:{order_id}"
    answer = "select answer from order_requests where order_id = $1"
    assert await database.fetchval(answer, order_id) == "accepted", "he has it, heard or not"


async def test_it_is_received_once(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = await shipped(api, shop)
    first = await ask(shop, order_id, "confirm-receipt", key="k")
    again = await ask(shop, order_id, "confirm-receipt", key="k")
    other = await ask(shop, order_id, "confirm-receipt")

    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "illegal_move")
    assert other.json()["allowed"] == ["returns", "review", "refunds"]


async def test_what_nobody_sent_nobody_has(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order = await confirmed(shop, api.pool)
    refused = await ask(shop, str(order["id"]), "confirm-receipt")

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["ship", "cancel", "refunds"])
    assert await look(shop, order["id"]) == order


async def test_what_is_on_its_way_back_is_not_received(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await shipped(api, shop)
    await happens(api.pool, order_id, Happening.of("order.reversing"))
    refused = await ask(shop, order_id, "confirm-receipt")

    assert (refused.status_code, refused.json()["allowed"]) == (409, [])


@pytest.mark.parametrize("move", ["confirm-receipt", "review"])
async def test_another_tenants_order_is_not_there(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient, move: str
) -> None:
    order = await completed(shop, api.pool)
    body = REVIEW if move == "review" else {}

    assert (await ask(stranger, str(order["id"]), move, body)).status_code == 404
    assert await look(shop, order["id"]) == order


async def test_a_receipt_has_nothing_more_to_say(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = await shipped(api, shop)

    assert pointers(await ask(shop, order_id, "confirm-receipt", {"stars": 5})) == ["/stars"]


# --- Reviews -----------------------------------------------------------------------------------


async def test_a_review_is_shown_and_its_words_are_not_in_history(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = str((await completed(shop, api.pool))["id"])
    answer = await ask(shop, order_id, "review", REVIEW)

    review = answer.json()["review"]
    assert answer.status_code == 200
    assert (review["rating"], review["comment"]) == (4, REVIEW["comment"])
    assert review["created_at"].endswith("Z")
    given = (await history(shop, order_id))[-1]
    assert (given["type"], given["data"]) == ("review.given", {"rating": 4})
    assert answer.json()["allowed"] == ["returns", "refunds"]


async def test_a_review_needs_no_words(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = str((await completed(shop, api.pool))["id"])

    assert (await ask(shop, order_id, "review", {"rating": 1})).json()["review"]["comment"] == ""


async def test_one_review_an_order(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = str((await completed(shop, api.pool))["id"])
    answers = await asyncio.gather(*(ask(shop, order_id, "review", REVIEW) for _ in range(5)))

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert (refused["code"], refused["allowed"]) == ("illegal_move", ["returns", "refunds"])


async def test_the_same_review_again_is_the_same(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = str((await completed(shop, api.pool))["id"])
    first = await ask(shop, order_id, "review", REVIEW, key="k")
    again = await ask(shop, order_id, "review", REVIEW, key="k")

    assert (again.status_code, again.json()) == (200, first.json())


async def test_an_order_is_reviewed_after_its_end(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order = await delivered(shop, api.pool)
    refused = await ask(shop, str(order["id"]), "review", REVIEW)

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["allowed"] == ["confirm-receipt", "returns", "refunds"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "/rating"),
        ({"rating": 0}, "/rating"),
        ({"rating": 6}, "/rating"),
        ({"rating": 4.5}, "/rating"),
        ({"rating": True}, "/rating"),
        ({"rating": "5"}, "/rating"),
        ({"rating": None}, "/rating"),
        ({"rating": 5, "comment": "x" * 2001}, "/comment"),
        ({"rating": 5, "comment": None}, "/comment"),
        ({"rating": 5, "comment": "\u0000"}, "/comment"),
        ({"rating": 5, "title": "nice"}, "/title"),
    ],
)
async def test_a_review_has_one_to_five_stars_and_some_words(
    api: RunningApi, shop: httpx.AsyncClient, body: Json, where: str
) -> None:
    order_id = str((await completed(shop, api.pool))["id"])

    assert pointers(await ask(shop, order_id, "review", body)) == [where]
    assert (await look(shop, order_id))["review"] is None
