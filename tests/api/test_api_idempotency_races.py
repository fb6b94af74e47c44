"""Equal requests that race: over two processes, and around the death of the one that worked on it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from adapters.postgres.idempotency import RETENTION_S, forget_old_keys
from adapters.postgres.pool import transaction
from cli.stack import LocalStack
from tests.api.calls import Database, Json, brl, place, placed
from tests.api.conftest import ALL_SCOPES
from tests.api.lives import ask
from tests.api.running import RunningApi, make_key, running_api

TWINS = 100
ORDERS = "select count(*) from orders where tenant = $1"
RECORDS = "select count(*) from idempotency_keys where tenant = $1"

Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.fixture
async def tills(api: RunningApi, tenant: str) -> AsyncIterator[list[httpx.AsyncClient]]:
    """One storefront at two API processes."""
    key = await make_key(api, tenant=tenant, scopes=ALL_SCOPES)
    async with (
        running_api(api.services.settings) as other,
        api.client(key) as here,
        other.client(key) as there,
    ):
        yield [here, there]


async def twins(tills: list[httpx.AsyncClient], send: Send) -> list[httpx.Response]:
    """Equal requests, all at once; checked: one made it, the rest repeat it or are told to wait."""
    answers = await asyncio.gather(*(send(tills[i % 2]) for i in range(TWINS)))
    made = [answer for answer in answers if answer.is_success]
    for answer in answers:
        if not answer.is_success:
            assert (answer.status_code, answer.json()["code"]) == (409, "request_in_flight")
            assert int(answer.headers["retry-after"]) > 0
    assert len({(answer.status_code, answer.text) for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) <= 1
    return made


async def test_a_hundred_equal_orders_at_two_processes_are_one(
    tills: list[httpx.AsyncClient], database: Database, tenant: str
) -> None:
    assert await twins(tills, lambda till: place(till, key="twin"))
    assert await database.fetchval(ORDERS, tenant) == 1


async def test_a_hundred_equal_cancels_at_two_processes_are_one(
    tills: list[httpx.AsyncClient], database: Database
) -> None:
    order_id = await placed(tills[0])
    body: Json = {"reason": "r"}
    assert await twins(
        tills, lambda till: ask(till, order_id, "cancel", body, key="c", prefer="respond-async")
    )
    count = "select count(*) from order_requests where order_id = $1"
    assert await database.fetchval(count, order_id) == 1


async def test_a_hundred_equal_credits_at_two_processes_are_paid_once(
    tills: list[httpx.AsyncClient],
) -> None:
    body = {"amount": brl(700), "reason": "sorry"}
    await twins(
        tills,
        lambda till: till.post(
            "/v1/accounts/c-1/credits", json=body, headers={"Idempotency-Key": "twin"}
        ),
    )
    account = (await tills[0].get("/v1/accounts/c-1")).json()
    assert account["balances"] == [brl(700)]


# --- The process dies ----------------------------------------------------------------------------


@asynccontextmanager
async def api_process(postgres: LocalStack, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The API as it is run, ready to answer; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api"),
        env={
            **os.environ,
            "ORDERSAGA_DATABASE_URL": postgres.ready.database,
            "ORDERSAGA_API_PORT": str(port),
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            while not await _is_alive(client, port):  # noqa: ASYNC110 - only asking it tells
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _is_alive(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://127.0.0.1:{port}/healthz")).is_success
    except httpx.TransportError:
        return False


@pytest.mark.slow
async def test_an_order_whose_answer_died_with_its_process_is_answered_by_the_next(
    api: RunningApi, postgres: LocalStack, database: Database, tenant: str
) -> None:
    key = await make_key(api, tenant=tenant, scopes=ALL_SCOPES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
    ) as shop:
        async with api_process(postgres, port) as first:
            waiting = asyncio.create_task(place(shop, key="k", prefer="wait=30"))
            async with asyncio.timeout(30):
                while not await database.fetchval(ORDERS, tenant):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            first.send_signal(signal.SIGKILL)  # committed; it waits for the decision
            with pytest.raises(httpx.TransportError):
                await waiting
        async with api_process(postgres, port):
            replay = await place(shop, key="k")

    assert replay.status_code == 201
    assert replay.headers["idempotency-replayed"] == "true"
    made = await database.fetch("select id from orders where tenant = $1", tenant)
    assert [row["id"] for row in made] == [replay.json()["id"]]


# --- What is kept, and for how long --------------------------------------------------------------


async def test_a_refusal_is_not_stored_and_its_key_still_works(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    reader = await make_key(api, tenant=tenant, scopes=["orders:read"])
    async with api.client() as nobody, api.client(reader) as looker:
        refused = [
            await place(nobody, key="k"),
            await place(looker, key="k"),
            await place(shop, key="k", lines=[]),
            await shop.post("/v1/orders", content=b"{", headers={"Idempotency-Key": "k"}),
        ]
    assert [answer.status_code for answer in refused] == [401, 403, 422, 400]
    assert await database.fetchval(RECORDS, tenant) == 0

    accepted = await place(shop, key="k")
    assert accepted.status_code == 201
    assert "idempotency-replayed" not in accepted.headers


async def test_another_body_changes_nothing_about_the_first(
    shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    first = await place(shop, key="k")
    assert (await place(shop, key="k", metadata={"other": True})).status_code == 422

    again = await place(shop, key="k")
    assert again.json()["id"] == first.json()["id"]
    assert await database.fetchval(ORDERS, tenant) == 1


async def test_a_record_is_kept_for_more_than_a_day(
    api: RunningApi, shop: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    assert RETENTION_S > 24 * 3600
    await place(shop, key="k")
    async with transaction(api.pool) as connection:
        await connection.execute(
            "insert into idempotency_keys (tenant, route, key, body_hash, resource, created_at) "
            "values ($1, 'r', 'a day', '', '', now() - interval '25 hours')",
            tenant,
        )
        await forget_old_keys(connection)
    assert await database.fetchval(RECORDS, tenant) == 2
