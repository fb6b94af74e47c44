"""Attention: an operator's word is stored with who and why before anybody hears of it."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from adapters.postgres.records import PostgresRecords
from adapters.postgres.requests import find_undelivered, mark_delivered
from ordersaga.history import Happening
from tests.api.calls import CONFIRMED, Database, Json, brl, fresh, happens, placed, pointers
from tests.api.lives import ask, completed, delivered
from tests.api.running import RunningApi, make_key

STEP = "payment:pay_1"
RAISED = Happening.of(
    "attention.raised",
    step=STEP,
    error="ProviderUnavailable: HTTP 503",
    tries=5,
    since="2026-01-01T00:00:00+00:00",
    actions=["retry", "skip"],
)
UNDOING = Happening.of("order.compensating")


def word(action: str = "skip", **otherwise: object) -> Json:
    return {"step": STEP, "action": action, "note": "the bank is bust", **otherwise}


async def answer(
    client: httpx.AsyncClient,
    order_id: str,
    body: Json,
    *,
    key: str | None = None,
    prefer: str = "wait=0",
) -> httpx.Response:
    return await client.post(
        f"/v1/orders/{order_id}/attention",
        json=body,
        headers={"Idempotency-Key": key or fresh("key"), "Prefer": prefer},
    )


@pytest.fixture
async def troubled(api: RunningApi, shop: httpx.AsyncClient) -> str:
    """An order that is being undone, and one undo keeps failing."""
    order_id = await placed(shop)
    await happens(api.pool, order_id, UNDOING, RAISED)
    return order_id


async def stored_words(api: RunningApi, order_id: str) -> list[tuple[str, str]]:
    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    return [(u.request.step, u.request.action) for u in found if u.order_id == order_id]


async def history(client: httpx.AsyncClient, order_id: str) -> list[Json]:
    listed: list[Json] = (await client.get(f"/v1/orders/{order_id}/events")).json()["events"]
    return listed


async def test_a_skip_is_stored_with_who_and_why_and_clears_the_mark(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str, database: Database
) -> None:
    response = await answer(shop, troubled, word())

    assert (response.status_code, response.json()["attention"]) == (202, None)
    answered, cleared = (await history(shop, troubled))[-2:]
    ((request, who),) = await database.fetch(
        "select id, requested_by from order_requests where order_id = $1", troubled
    )
    assert who.startswith("key_")
    told = {"step": STEP, "action": "skip", "by": who, "request": request}
    assert (answered["type"], answered["data"]) == (
        "attention.answered",
        {**told, "note": "the bank is bust"},
    )
    kept = "select data from order_events where order_id = $1 and type = 'attention.answered'"
    assert json.loads(await database.fetchval(kept, troubled)) == told, "the note is not in history"
    assert (cleared["type"], cleared["data"]) == ("attention.cleared", {"step": STEP})
    assert await stored_words(api, troubled) == [(STEP, "skip")]


async def test_a_retry_keeps_the_mark_until_the_step_gets_through(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    response = await answer(shop, troubled, word("retry"))

    assert (response.status_code, response.json()["attention"]["step"]) == (202, STEP)
    assert (await history(shop, troubled))[-1]["type"] == "attention.answered"
    assert await stored_words(api, troubled) == [(STEP, "retry")]


async def test_the_note_is_not_told_to_the_workflow(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    await answer(shop, troubled, word(note="called Ana at home"))
    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    (asked,) = [u.request for u in found if u.order_id == troubled]
    assert "Ana" not in repr(asked)


@pytest.mark.parametrize("moves", [[], [CONFIRMED], [Happening.of("order.rejected")]])
async def test_an_order_without_attention_takes_no_word(
    api: RunningApi, shop: httpx.AsyncClient, moves: list[Happening]
) -> None:
    order_id = await placed(shop)
    if moves:
        await happens(api.pool, order_id, *moves)
    before = await history(shop, order_id)
    response = await answer(shop, order_id, word())

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert "attention" not in response.json()["allowed"]
    assert await history(shop, order_id) == before


async def test_a_word_for_another_step_is_refused_and_names_the_right_one(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    response = await answer(shop, troubled, word(step="payment:pay_2"), key="k")

    assert pointers(response) == ["/step"]
    assert STEP in response.json()["detail"]
    assert await stored_words(api, troubled) == []
    assert (await answer(shop, troubled, word(), key="k")).status_code == 202, "a 422 keeps no key"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (word("ignore"), "/action"),
        (word(note=""), "/note"),
        (word(step=""), "/step"),
        (word(step="x" * 65), "/step"),
        ({"step": STEP, "action": "skip"}, "/note"),
        ({**word(), "force": True}, "/force"),
    ],
)
async def test_a_word_is_checked(
    shop: httpx.AsyncClient, troubled: str, body: Json, where: str
) -> None:
    assert pointers(await answer(shop, troubled, body)) == [where]


async def test_the_same_word_again_is_stored_once(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    first = await answer(shop, troubled, word(), key="k")
    again = await answer(shop, troubled, word(), key="k")
    other = await answer(shop, troubled, word("retry"), key="k")

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(await stored_words(api, troubled)) == 1


async def test_of_many_skips_at_once_one_is_stored(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    answers = await asyncio.gather(*(answer(shop, troubled, word()) for _ in range(5)))

    assert sorted(a.status_code for a in answers) == [202, 409, 409, 409, 409]
    assert [e["type"] for e in await history(shop, troubled)].count("attention.answered") == 1


async def test_a_skip_whose_workflow_has_heard_and_whose_order_ended_is_answered_200(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str, database: Database
) -> None:
    waiting = asyncio.create_task(answer(shop, troubled, word(), prefer="wait=20"))
    found = await _until_asked(database, troubled)
    async with api.pool.acquire() as connection:
        await mark_delivered(connection, found)
    await happens(api.pool, troubled, Happening.of("order.rejected"))

    response = await waiting
    assert (response.status_code, response.json()["status"]) == (200, "rejected")


async def test_a_failure_under_way_does_not_call_again_for_a_skipped_step(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str
) -> None:
    await answer(shop, troubled, word())
    records = PostgresRecords(api.pool, payer_patience_s=1)
    await records.raise_attention(troubled, STEP, "late", 6)
    assert (await shop.get(f"/v1/orders/{troubled}")).json()["attention"] is None

    await records.raise_attention(troubled, "payment:pay_2", "another", 6)
    order = (await shop.get(f"/v1/orders/{troubled}")).json()
    assert order["attention"]["step"] == "payment:pay_2", "another step's failure is news"


async def test_a_skipped_step_that_fails_on_for_long_calls_again(
    api: RunningApi, shop: httpx.AsyncClient, troubled: str, database: Database
) -> None:
    """Its workflow was lost and not at that step again when it was told: nobody else would notice."""
    await answer(shop, troubled, word())
    await database.execute(
        "update order_requests set answer = 'accepted', answered_at = now() - interval '5 minutes' "
        "where order_id = $1",
        troubled,
    )
    await PostgresRecords(api.pool, payer_patience_s=1).raise_attention(troubled, STEP, "still", 6)
    assert (await shop.get(f"/v1/orders/{troubled}")).json()["attention"]["step"] == STEP


DISPUTED = Happening.of(
    "attention.raised",
    step="dispute:pay_1",
    error="the payer's bank wants the money back",
    tries=1,
    since="2026-01-01T00:00:00+00:00",
    actions=["skip"],
)


async def test_what_nobody_can_try_again_can_only_be_skipped(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)
    await happens(api.pool, order_id, CONFIRMED, DISPUTED)
    refused = await answer(shop, order_id, word("retry", step="dispute:pay_1"), key="k")

    assert pointers(refused) == ["/action"]
    assert "it takes skip" in refused.json()["detail"]
    skipped = await answer(shop, order_id, word("skip", step="dispute:pay_1"), key="k")
    assert skipped.json()["attention"] is None


async def test_a_word_on_an_order_that_is_over_waits_for_nobody(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = str((await completed(shop, api.pool))["id"])
    await happens(api.pool, order_id, DISPUTED)
    skipped = await answer(shop, order_id, word("skip", step="dispute:pay_1"), prefer="wait=20")

    assert (skipped.status_code, skipped.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("cause", ["return", "request"])
async def test_a_word_for_a_refund_is_for_the_refunds_own_workflow(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, cause: str
) -> None:
    order_id = str((await delivered(shop, api.pool))["id"])
    if cause == "request":
        body = {"amount": brl(100), "reason": "r"}
        await ask(shop, order_id, "refunds", body)
    else:
        returns = (await ask(shop, order_id, "returns", {"reason": "r"})).json()["returns"]
        for say in ("approve", "receive"):
            await ask(shop, order_id, f"returns/{returns[0]['id']}/{say}")
    refund = await database.fetchrow("select * from refunds where order_id = $1", order_id)
    assert refund is not None
    step = f"refund:{refund['id']}"
    raised = Happening.of("attention.raised", **{**RAISED.data, "step": step})
    await happens(api.pool, order_id, raised)
    assert (await answer(shop, order_id, word("retry", step=step))).status_code == 202

    async with api.pool.acquire() as connection:
        found = await find_undelivered(connection, older_than_s=0, again_after_s=300, limit=1000)
    (undelivered,) = [u for u in found if u.order_id == order_id]
    owner = refund["return_id"] or refund["request_id"]
    assert undelivered.workflow_id == f"{'return' if cause == 'return' else 'refund'}:{owner}"
    assert undelivered.is_over, "once that does not run, though the order is not over"
    assert not undelivered.is_final


async def test_another_tenants_order_takes_no_word(
    stranger: httpx.AsyncClient, troubled: str
) -> None:
    assert (await answer(stranger, troubled, word())).status_code == 404


async def test_a_storefronts_key_may_not_answer(
    api: RunningApi, tenant: str, troubled: str
) -> None:
    key = await make_key(api, tenant=tenant, scopes=["orders:read", "orders:write"])
    async with api.client(key) as storefront:
        assert (await answer(storefront, troubled, word())).status_code == 403


async def _until_asked(database: Database, order_id: str) -> str:
    while True:
        found: str | None = await database.fetchval(
            "select id from order_requests where order_id = $1", order_id
        )
        if found:
            return found
        await asyncio.sleep(0.01)
