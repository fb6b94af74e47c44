"""Goods that come back: approved, received once, and their money exact, whatever happens meanwhile."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from adapters.postgres.own_site import PostgresOwnSite
from ordersaga.history import Happening
from tests.api.calls import Database, brl, fresh, happens
from tests.api.lives import (
    BY_CARD,
    ON_HAND,
    TOTAL,
    ask,
    delivered,
    listed,
    look,
    on_hand,
    types,
)
from tests.api.running import RunningApi, make_key
from tests.api.sending_back import allocated, received, say, send_back, sent_back


async def test_a_return_is_approved_and_then_received(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    (asked,) = (await send_back(shop, order_id)).json()["returns"]
    early = await say(shop, order_id, asked, "receive")
    assert (early.status_code, early.json()["code"]) == (409, "illegal_move")
    assert early.json()["allowed"] == ["approve", "decline"]

    approved = await say(shop, order_id, asked, "approve")
    assert approved.json()["returns"][0]["allowed"] == ["decline", "receive"]
    assert await on_hand(shop, "tea") == ON_HAND - 2
    answer = await say(shop, order_id, asked, "receive")

    (here,) = answer.json()["returns"]
    assert (answer.status_code, here["status"], here["allowed"]) == (200, "received", [])
    assert await on_hand(shop, "tea") == ON_HAND, "they can be sold again"
    assert await allocated(database, order_id) == [("voucher", 5000), ("card", BY_CARD)]
    assert (await types(shop, order_id))[-4:] == [
        "return.requested",
        "return.approved",
        "return.received",
        "stock.restocked",
    ]
    assert answer.json()["allowed"] == ["confirm-receipt"], "no money is left to give back"


async def test_money_goes_back_to_the_newest_payment_first(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    await received(shop, order_id, tea=1)
    assert await allocated(database, order_id) == [("card", 7500)]
    await received(shop, order_id, tea=1)
    assert await allocated(database, order_id) == [("voucher", 5000), ("card", BY_CARD)]

    refunds = listed(await look(shop, order_id), "refunds")
    shown = [(r["cause"], r["amount"]["amount"]) for r in refunds]
    assert shown == [("return", 7500), ("return", 2500), ("return", 5000)]


async def test_a_hundred_at_once_receive_a_return_once(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    asked = await sent_back(shop, order_id, tea=1)
    answers = await asyncio.gather(
        *(say(shop, order_id, asked, "receive") for _ in range(60)),
        *(say(shop, order_id, asked, "receive", key="k") for _ in range(40)),
    )

    codes = [a.status_code for a in answers]
    assert set(codes) <= {200, 409, 503}
    by_own_key = [c for c in codes[:60] if c == 200]
    by_one_key = [c for c in codes[60:] if c == 200]
    assert len(by_own_key) == 1 or (not by_own_key and by_one_key)
    assert await on_hand(shop, "tea") == ON_HAND - 1
    assert await allocated(database, order_id) == [("card", 7500)]
    assert (await types(shop, order_id)).count("return.received") == 1


async def test_the_same_word_again_is_the_same(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    asked = await sent_back(shop, order_id)
    first = await say(shop, order_id, asked, "receive", key="k")
    again = await say(shop, order_id, asked, "receive", key="k")

    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("word", ["approve", "decline", "receive"])
async def test_a_return_that_is_over_takes_no_word(
    api: RunningApi, shop: httpx.AsyncClient, word: str
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    here = await received(shop, order_id)
    refused = await say(shop, order_id, here, word)

    assert (refused.status_code, refused.json()["allowed"]) == (409, [])
    assert "return" in refused.json()["detail"]


async def test_goods_of_an_order_that_comes_back_as_a_whole_are_not_taken_back_twice(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    asked = await sent_back(shop, order_id)
    await happens(api.pool, str(order_id), Happening.of("order.reversing"))
    refused = await say(shop, order_id, asked, "receive")

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["decline"])
    assert await allocated(database, order_id) == []
    assert (await say(shop, order_id, asked, "decline")).status_code == 200


async def test_staff_may_take_goods_back_too(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    (asked,) = (await send_back(shop, order_id)).json()["returns"]
    async with api.client(await make_key(api, tenant=tenant, scopes=["ops"])) as staff:
        assert (await say(staff, order_id, asked, "approve")).status_code == 200
        assert (await send_back(staff, order_id)).status_code == 403


@pytest.mark.parametrize("word", ["refund", "APPROVE", "approve/now", ""])
async def test_there_are_no_other_words(
    api: RunningApi, shop: httpx.AsyncClient, word: str
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    (asked,) = (await send_back(shop, order_id)).json()["returns"]

    assert (await say(shop, order_id, asked, word)).status_code == 404


@pytest.mark.parametrize("return_id", ["ret_01M7YSM35RQCGYCAPV98JR57X1", "x", "%00", "ret_'--"])
async def test_a_return_that_is_not_there_takes_no_word(
    api: RunningApi, shop: httpx.AsyncClient, return_id: str
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    refused = await say(shop, order_id, {"id": return_id}, "approve")

    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_a_return_of_another_order_is_not_this_ones(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    mine, other = await delivered(shop, api.pool), await delivered(shop, api.pool)
    (asked,) = (await send_back(shop, other["id"])).json()["returns"]

    assert (await say(shop, mine["id"], asked, "approve")).status_code == 404


# --- Exact, whatever happens meanwhile -----------------------------------------------------------


async def test_the_fee_goes_back_with_the_last_goods_that_are_here(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    """The second return was asked for as the last one. The first, received after it, is the last."""
    order_id = (await delivered(shop, api.pool, shipping_fee=brl(700)))["id"]
    first, second = await sent_back(shop, order_id, tea=1), await sent_back(shop, order_id, tea=1)
    assert [r["amount"] for r in (first, second)] == [brl(7500), brl(8200)]

    await say(shop, order_id, second, "receive")
    await say(shop, order_id, first, "receive")
    shown = listed(await look(shop, order_id), "returns")
    assert [r["amount"] for r in shown] == [brl(8200), brl(7500)]
    assert sum(amount for _, amount in await allocated(database, order_id)) == TOTAL + 700


async def test_who_keeps_some_of_it_keeps_the_fee_paid(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool, shipping_fee=brl(700)))["id"]
    first, second = await sent_back(shop, order_id, tea=1), await sent_back(shop, order_id, tea=1)
    await say(shop, order_id, first, "decline")
    await say(shop, order_id, second, "receive")

    assert sum(amount for _, amount in await allocated(database, order_id)) == 7500


async def test_what_was_given_back_without_goods_does_not_go_back_again_with_them(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = (await delivered(shop, api.pool))["id"]
    asked = await sent_back(shop, order_id)
    sorry = {"amount": brl(6000), "reason": "arrived late"}
    assert (await ask(shop, str(order_id), "refunds", sorry)).status_code == 200
    answer = await say(shop, order_id, asked, "receive")

    assert answer.json()["returns"][0]["amount"] == brl(TOTAL - 6000)
    assert sum(amount for _, amount in await allocated(database, order_id)) == TOTAL


async def test_a_return_whose_money_is_back_is_shown_so_and_ends_its_order(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    """Paid by voucher alone: our own site settles it as its workflow would."""
    lines = [{"sku": "tea", "quantity": 1, "unit_price": brl(10_000)}]
    order_id = (await delivered(shop, api.pool, lines=lines))["id"]
    here = await received(shop, order_id)
    by_card = listed(await look(shop, order_id), "payments")[1]["id"]
    await database.execute(
        "update refunds set refunded_at = now(), destination = 'payer' where payment_id = $1",
        by_card,
    )
    back = Happening.of("payment.refunded", payment_id=by_card, amount=5000, to="payer")
    await happens(api.pool, str(order_id), back)
    assert await PostgresOwnSite(api.pool).settle_return(str(here["id"])) == "refunded"

    order = await look(shop, order_id)
    assert (order["status"], order["payment_status"]) == ("returned", "refunded")
    assert listed(order, "returns")[0]["status"] == "refunded"
    assert all(r["refunded_at"] for r in listed(order, "refunds"))
    assert order["allowed"] == []


async def test_many_returns_and_refunds_at_once_give_back_what_was_taken_and_no_more(
    api: RunningApi, shop: httpx.AsyncClient, database: Database
) -> None:
    lines = [{"sku": "tea", "quantity": 10, "unit_price": brl(1500)}]
    order_id = (await delivered(shop, api.pool, lines=lines))["id"]
    asked = [await sent_back(shop, order_id, tea=1) for _ in range(10)]
    sorry = {"amount": brl(2000), "reason": fresh("sorry")}
    await asyncio.gather(
        *(say(shop, order_id, one, "receive") for one in asked),
        *(ask(shop, str(order_id), "refunds", sorry) for _ in range(10)),
    )
    for one in asked:
        await say(shop, order_id, one, "receive")

    assert sum(amount for _, amount in await allocated(database, order_id)) == TOTAL
    assert await on_hand(shop, "tea") == ON_HAND
