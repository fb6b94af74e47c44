"""Store credit and vouchers: issued by double entry, once a request."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from ordersaga.money import MAX_AMOUNT
from tests.api.calls import Database, Json, brl, fresh, pointers


async def give(
    client: httpx.AsyncClient, customer: str, money: Json, *, key: str | None = None
) -> httpx.Response:
    return await client.post(
        f"/v1/accounts/{customer}/credits",
        json={"amount": money, "reason": "sorry"},
        headers={"Idempotency-Key": key or fresh("key")},
    )


async def make_voucher(
    client: httpx.AsyncClient, code: str, money: Json, *, key: str | None = None
) -> httpx.Response:
    return await client.post(
        "/v1/vouchers",
        json={"code": code, "amount": money},
        headers={"Idempotency-Key": key or fresh("key")},
    )


async def assert_balanced(database: Database, tenant: str) -> None:
    """Every transfer sums to zero, and every balance is the sum of its entries."""
    ours = "from ledger_entries e join ledger_accounts a on a.id = e.account_id where a.tenant = $1"
    transfers = f"select e.transfer {ours} group by e.transfer having sum(e.amount) <> 0"
    accounts = f"select a.id {ours} group by a.id having sum(e.amount) <> a.balance"
    assert await database.fetch(transfers, tenant) == []
    assert await database.fetch(accounts, tenant) == []


async def test_credit_adds_up_by_currency(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    await give(shop, "c-1", brl(700))
    await give(shop, "c-1", {"amount": 5, "currency": "USD"})
    response = await give(shop, "c-1", brl(300))

    assert response.status_code == 201
    account = (await shop.get("/v1/accounts/c-1")).json()
    assert response.json() == account
    assert account["balances"] == [brl(1000), {"amount": 5, "currency": "USD"}]
    assert [entry["amount"]["amount"] for entry in account["entries"]] == [300, 5, 700]
    assert account["entries"][0]["reason"] == "sorry"
    await assert_balanced(database, tenant)


async def test_the_same_credit_again_is_given_once(shop: httpx.AsyncClient) -> None:
    await give(shop, "c-1", brl(700), key="k")
    again = await give(shop, "c-1", brl(700), key="k")

    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json()["balances"] == [brl(700)]


async def test_credits_given_at_once_all_count(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    answers = await asyncio.gather(*(give(shop, "c-1", brl(1)) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert (await shop.get("/v1/accounts/c-1")).json()["balances"] == [brl(50)]
    await assert_balanced(database, tenant)


async def test_who_never_had_credit_has_none(shop: httpx.AsyncClient) -> None:
    account = (await shop.get("/v1/accounts/nobody%2Fat%20all")).json()

    assert account == {"customer_id": "nobody/at all", "balances": [], "entries": []}


async def test_credit_of_another_tenants_customer_is_not_there(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await give(shop, "c-1", brl(700))

    assert (await stranger.get("/v1/accounts/c-1")).json()["balances"] == []


async def test_a_balance_stays_within_what_json_can_say(shop: httpx.AsyncClient) -> None:
    await give(shop, "c-1", brl(MAX_AMOUNT))

    assert pointers(await give(shop, "c-1", brl(1))) == ["/amount/amount"]
    assert (await shop.get("/v1/accounts/c-1")).json()["balances"] == [brl(MAX_AMOUNT)]


@pytest.mark.parametrize(
    ("money", "where"),
    [
        (brl(0), "/amount/amount"),
        (brl(-1), "/amount/amount"),
        (brl(2**63), "/amount/amount"),
        ({"amount": 1, "currency": "XXX"}, "/amount/currency"),
        ({"amount": 1}, "/amount/currency"),
    ],
)
async def test_wrong_money_is_refused(shop: httpx.AsyncClient, money: Json, where: str) -> None:
    assert pointers(await give(shop, "c-1", money)) == [where]
    assert pointers(await make_voucher(shop, "GIFT", money)) == [where]
    assert (await shop.get("/v1/accounts/c-1")).json()["entries"] == []


async def test_a_voucher_is_worth_what_it_was_made_for(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    response = await make_voucher(shop, "GIFT", brl(500), key="k")
    again = await make_voucher(shop, "GIFT", brl(500), key="k")

    assert response.json() == {"code": "GIFT", "amount": brl(500), "balance": brl(500)}
    assert (again.status_code, again.json()) == (201, response.json())
    assert again.headers["idempotency-replayed"] == "true"
    await assert_balanced(database, tenant)


async def test_a_code_is_used_once_whatever_the_currency(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await make_voucher(shop, "GIFT", brl(500))

    for money in (brl(500), {"amount": 5, "currency": "USD"}):
        refused = await make_voucher(shop, "GIFT", money)
        assert (refused.status_code, refused.json()["code"]) == (409, "voucher_exists")
    assert (await make_voucher(stranger, "GIFT", brl(1))).status_code == 201


async def test_of_vouchers_of_one_code_made_at_once_one_is_made(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    kinds: list[Json] = [{"amount": 5, "currency": currency} for currency in ("BRL", "USD") * 5]
    answers = await asyncio.gather(*(make_voucher(shop, "GIFT", money) for money in kinds))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    await assert_balanced(database, tenant)
