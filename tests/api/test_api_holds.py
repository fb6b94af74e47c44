"""An order stops before its money is taken: for an operator, for a rule, for its merchant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import cast

import httpx
import pytest

from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.requests import find_undelivered
from cli.stack import LocalStack
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.history import Happening
from ordersaga.order import OrderRequest
from tests.api.calls import CONFIRMED, Database, Json, fresh, happens, place, placed, pointers
from tests.api.conftest import ALL_SCOPES
from tests.api.lives import ask, history, listed, look, put_stock, put_voucher, types
from tests.api.running import RunningApi, make_key, running_api

WHY: Json = {"reason": "looks like a stolen card"}
PATIENCE_S = 3600
LIMIT = 10_000


@pytest.fixture(scope="session")
async def careful(postgres: LocalStack, temporal_away: None) -> AsyncIterator[RunningApi]:
    """Large orders are looked at, and every merchant accepts his own."""
    settings = Settings(
        database_url=postgres.ready.database,
        hold_patience_s=PATIENCE_S,
        merchant_accepts=True,
        review_above={"BRL": LIMIT},
    )
    async with running_api(settings) as running:
        yield running


@pytest.fixture
async def bazaar(careful: RunningApi, tenant: str) -> AsyncIterator[httpx.AsyncClient]:
    key = await make_key(careful, tenant=tenant, scopes=ALL_SCOPES)
    async with careful.client(key) as client:
        yield client


SMALL: list[Json] = [
    {"sku": "tea", "quantity": 1, "unit_price": {"amount": LIMIT, "currency": "BRL"}}
]


async def to_be_told(api: RunningApi, order_id: str) -> list[OrderRequest]:
    """What its workflow has not heard yet, oldest first."""
    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    return [u.request for u in found if u.order_id == order_id]


# --- By an operator ------------------------------------------------------------------------------


async def test_an_operator_holds_an_order(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    answer = await ask(shop, order_id, "hold", WHY)

    order = answer.json()
    assert answer.status_code == 200
    assert (order["hold"]["kind"], order["hold"]["reason"]) == ("operator", WHY["reason"])
    since, until = (datetime.fromisoformat(order["hold"][at]) for at in ("since", "until"))
    patience = timedelta(seconds=api.services.settings.hold_patience_s)
    assert abs(until - since - patience) < timedelta(seconds=5)
    assert (order["waiting_for"], order["deadline"]) == ("operator", order["hold"]["until"])
    assert order["allowed"] == ["release", "cancel"]
    told = (await history(shop, order_id))[-1]
    assert told["type"] == "hold.placed"
    assert str(cast("Json", told["data"])["by"]).startswith("key_")
    (request,) = await to_be_told(api, order_id)
    assert (request.kind, request.held_until) == ("hold", until)


async def test_a_held_order_is_not_confirmed_until_it_is_released(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await _on_our_own_site(shop)
    own_site = PostgresOwnSite(api.pool)
    order = await look(shop, order_id)
    (payment,), (parcel,) = listed(order, "payments"), listed(order, "shipments")
    steps = [keys.STOCK, keys.payment_step(payment["id"]), keys.parcel_step(parcel["id"])]
    await own_site.hold(order_id, steps)
    await ask(shop, order_id, "hold", WHY)
    assert (await own_site.decide(order_id, None, nothing_else=True)).verdict == "held"

    released = await ask(shop, order_id, "release", {"reason": "he called"})
    assert (released.status_code, released.json()["hold"]) == (202, None), "it is not decided yet"
    assert released.json()["allowed"] == ["hold", "cancel"]
    told = cast("Json", (await history(shop, order_id))[-1]["data"])
    assert (told["kind"], told["reason"]) == ("operator", "he called")
    assert (await own_site.decide(order_id, None, nothing_else=True)).verdict == "confirm"


async def test_a_release_is_answered_when_the_order_is_decided(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    await ask(shop, order_id, "hold", WHY)
    waiting = asyncio.create_task(ask(shop, order_id, "release", key="k", prefer="wait=20"))
    await _until_released(shop, order_id)
    await happens(api.pool, order_id, CONFIRMED)

    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "confirmed")
    again = await ask(shop, order_id, "release", key="k")
    assert (again.status_code, again.json()) == (200, answer.json())
    assert again.headers["idempotency-replayed"] == "true"


async def test_only_the_newest_word_reaches_a_workflow_that_was_away(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    """Else an old hold, delivered late, would stop an order that was released."""
    order_id = await placed(shop)
    for move in ("hold", "release", "hold", "release"):
        assert (await ask(shop, order_id, move, WHY)).status_code in (200, 202)
        assert [r.kind for r in await to_be_told(api, order_id)] == [move]


async def test_an_order_is_held_by_one_at_a_time(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    answers = await asyncio.gather(*(ask(shop, order_id, "hold", WHY) for _ in range(5)))

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert (refused["code"], refused["allowed"]) == ("illegal_move", ["release", "cancel"])


async def test_the_same_hold_again_is_the_same(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    first = await ask(shop, order_id, "hold", WHY, key="k")
    again = await ask(shop, order_id, "hold", WHY, key="k")

    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("move", ["release", "accept", "decline"])
async def test_an_order_that_nobody_holds_needs_no_word(shop: httpx.AsyncClient, move: str) -> None:
    order_id = await placed(shop)
    refused = await ask(shop, order_id, move)

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["allowed"] == ["hold", "cancel"]


async def test_an_order_that_is_decided_cannot_be_held(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    await happens(api.pool, order_id, CONFIRMED)
    refused = await ask(shop, order_id, "hold", WHY)

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["ship", "cancel"])


async def test_an_order_that_is_being_canceled_goes_on_for_nobody(shop: httpx.AsyncClient) -> None:
    order_id = await placed(shop)
    await ask(shop, order_id, "hold", WHY)
    await ask(shop, order_id, "cancel")
    refused = await ask(shop, order_id, "release")

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["cancel"])


@pytest.mark.parametrize(
    ("move", "body", "where"),
    [
        ("hold", {}, "/reason"),
        ("hold", {"reason": ""}, "/reason"),
        ("hold", {"reason": "x" * 501}, "/reason"),
        ("hold", {"reason": "r", "until": "2030-01-01T00:00:00Z"}, "/until"),
        ("release", {"reason": 1}, "/reason"),
        ("accept", {"note": "ok"}, "/note"),
        ("decline", {"reason": "\u0000"}, "/reason"),
    ],
)
async def test_a_word_has_a_reason_and_no_more(
    shop: httpx.AsyncClient, move: str, body: Json, where: str
) -> None:
    assert pointers(await ask(shop, await placed(shop), move, body)) == [where]


@pytest.mark.parametrize("move", ["hold", "release", "accept", "decline"])
async def test_another_tenants_order_is_not_there(
    bazaar: httpx.AsyncClient, stranger: httpx.AsyncClient, move: str
) -> None:
    order_id = await placed(bazaar)
    before = await look(bazaar, order_id)

    assert (await ask(stranger, order_id, move, WHY)).status_code == 404
    assert await look(bazaar, order_id) == before


# --- By a rule, and until the merchant accepts -----------------------------------------------------


async def test_an_order_above_the_limit_is_looked_at(bazaar: httpx.AsyncClient) -> None:
    order = (await place(bazaar)).json()

    assert (order["status"], order["hold"]["kind"]) == ("pending", "rule")
    assert order["hold"]["reason"] == "the total is over 100.00 BRL"
    assert (order["waiting_for"], order["deadline"]) == ("operator", order["hold"]["until"])
    assert order["allowed"] == ["release", "cancel"]
    assert await types(bazaar, order["id"]) == ["order.accepted", "hold.placed"]


async def test_an_order_at_the_limit_waits_for_its_merchant_only(
    bazaar: httpx.AsyncClient,
) -> None:
    order = (await place(bazaar, lines=SMALL)).json()

    assert order["hold"]["kind"] == "merchant"
    assert (order["waiting_for"], order["allowed"]) == ("merchant", ["accept", "decline", "cancel"])


async def test_where_nobody_asked_for_it_an_order_is_not_held(shop: httpx.AsyncClient) -> None:
    assert (await place(shop)).json()["hold"] is None


async def test_a_merchant_takes_an_order(careful: RunningApi, bazaar: httpx.AsyncClient) -> None:
    order_id = await placed(bazaar, lines=SMALL)
    answer = await ask(bazaar, order_id, "accept")

    assert (answer.status_code, answer.json()["hold"]) == (202, None)
    assert answer.json()["allowed"] == ["hold", "cancel"]
    (request,) = await to_be_told(careful, order_id)
    assert (request.kind, request.held_until) == ("accept", None)
    twice = await ask(bazaar, order_id, "accept")
    assert (twice.status_code, twice.json()["code"]) == (409, "illegal_move")


async def test_a_merchant_does_not_take_an_order(
    careful: RunningApi, bazaar: httpx.AsyncClient
) -> None:
    order_id = await placed(bazaar, lines=SMALL)
    answer = await ask(bazaar, order_id, "decline", {"reason": "sold out, says Rosa"}, key="k")

    assert answer.status_code == 202
    assert answer.json()["allowed"] == ["cancel"], "what was declined is not accepted any more"
    (request,) = await to_be_told(careful, order_id)
    assert request.kind == "decline"
    assert "Rosa" not in str(await history(bazaar, order_id))
    decided = await PostgresOwnSite(careful.pool).decide(order_id, None, nothing_else=True)
    assert decided.failure is not None
    assert (decided.verdict, decided.failure.code) == ("undo", "declined_by_merchant")
    again = await ask(bazaar, order_id, "decline", {"reason": "sold out, says Rosa"}, key="k")
    assert (again.status_code, again.json()["status"]) == (200, "rejected")


async def test_a_merchant_who_says_both_at_once_is_heard_once(
    careful: RunningApi, bazaar: httpx.AsyncClient
) -> None:
    order_id = await placed(bazaar, lines=SMALL)
    words = ["accept", "decline"] * 5
    answers = await asyncio.gather(*(ask(bazaar, order_id, word) for word in words))

    assert sorted(a.status_code for a in answers) == [202] + 9 * [409]
    assert len(await to_be_told(careful, order_id)) == 1


async def test_an_operator_does_not_speak_for_the_merchant(bazaar: httpx.AsyncClient) -> None:
    order_id = await placed(bazaar, lines=SMALL)

    assert (await ask(bazaar, order_id, "release")).status_code == 409
    assert (await ask(bazaar, order_id, "hold", WHY)).status_code == 409


async def test_what_a_rule_held_waits_for_its_merchant_next(
    careful: RunningApi, bazaar: httpx.AsyncClient
) -> None:
    order_id = await placed(bazaar)
    released = (await ask(bazaar, order_id, "release")).json()

    assert (released["hold"]["kind"], released["waiting_for"]) == ("merchant", "merchant")
    assert (await types(bazaar, order_id))[-2:] == ["hold.released", "hold.placed"]
    (request,) = await to_be_told(careful, order_id)
    assert request.kind == "hold", "for its workflow it is still held"
    assert request.held_until is not None


async def test_a_release_by_an_operator_who_held_it_himself_is_not_followed_by_another_hold(
    bazaar: httpx.AsyncClient,
) -> None:
    order_id = await placed(bazaar, lines=SMALL)
    for move in ("accept", "hold", "release"):
        await ask(bazaar, order_id, move, WHY)

    assert (await look(bazaar, order_id))["hold"] is None


# --- Answered when only a person can go on -----------------------------------------------------------


async def test_a_held_order_is_answered_when_all_that_it_holds_is_there(
    careful: RunningApi, bazaar: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    began_s = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(place(bazaar, prefer="wait=20", lines=SMALL))
    order_id = await _only_order(database, tenant)
    payment_id = await database.fetchval("select id from payments where order_id = $1", order_id)
    await happens(careful.pool, order_id, Happening.of("parcel.booked"))
    authorized = Happening.of("payment.authorized", payment_id=payment_id)
    await happens(careful.pool, order_id, authorized)

    answer = await waiting
    assert (answer.status_code, answer.json()["waiting_for"]) == (201, "merchant")
    assert asyncio.get_running_loop().time() - began_s < 10


async def test_a_held_order_whose_payment_is_refused_is_answered_then(
    careful: RunningApi, bazaar: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    waiting = asyncio.create_task(place(bazaar, prefer="wait=20", lines=SMALL))
    order_id = await _only_order(database, tenant)
    await happens(careful.pool, order_id, Happening.of("parcel.booked"))
    await happens(careful.pool, order_id, Happening.of("order.rejected"))

    assert (await waiting).json()["status"] == "rejected"


async def test_who_has_to_pay_first_is_waited_for_first(bazaar: httpx.AsyncClient) -> None:
    order = (await place(bazaar, payments=[])).json()

    assert (order["waiting_for"], order["hold"]["kind"]) == ("buyer", "rule")
    assert order["allowed"] == ["pay", "release", "cancel"]
    assert order["deadline"] == order["hold"]["until"], "the earlier of the two"


async def _on_our_own_site(client: httpx.AsyncClient) -> str:
    """An order that our own site holds all of."""
    sku = fresh("sku")
    await put_stock(client, sku)
    code = await put_voucher(client, 100)
    lines = [{"sku": sku, "quantity": 1, "unit_price": {"amount": 100, "currency": "BRL"}}]
    return await placed(client, lines=lines, payments=[{"method": "voucher", "token": code}])


async def _only_order(database: Database, tenant: str) -> str:
    while True:
        order_id: str | None = await database.fetchval(
            "select id from orders where tenant = $1", tenant
        )
        if order_id:
            return order_id
        await asyncio.sleep(0.01)


async def _until_released(client: httpx.AsyncClient, order_id: str) -> None:
    while True:
        if "hold.released" in await types(client, order_id):
            return
        await asyncio.sleep(0.01)
