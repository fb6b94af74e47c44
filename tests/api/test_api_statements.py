"""How many times a request goes to PostgreSQL: counts, which do not depend on the machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.calls import Json, brl, fresh, order_body, place, placed, post_order
from tests.api.running import RunningApi, make_key, running_api


@pytest.fixture
async def api(postgres: LocalStack, temporal_away: None) -> AsyncIterator[RunningApi]:
    """With one connection, so that all of its statements are seen."""
    settings = Settings(database_url=postgres.ready.database, database_pool_size=1)
    async with running_api(settings) as running:
        yield running


@pytest.fixture
async def shop(api: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    key = await make_key(api, tenant=fresh("t"), scopes=["orders:read", "orders:write", "ops"])
    async with api.client(key) as client:
        # From here on its key is known, and asyncpg has asked for the types of arrays.
        await placed(client)
        yield client


# The pool takes a connection back; a key was used.
BESIDE = ("SELECT pg_advisory_unlock_all()", "update api_keys")


class Statements(list[str]):
    """What went to PostgreSQL, without what is done beside the requests."""

    def note(self, record: object) -> None:
        query = " ".join(str(getattr(record, "query", "")).split())
        if not query.startswith(BESIDE):
            self.append(query.split(" ")[0].rstrip(";").lower())


@pytest.fixture
async def statements(api: RunningApi) -> Statements:
    noted = Statements()
    async with api.pool.acquire() as connection:
        connection.add_query_logger(noted.note)
    return noted


async def test_accepting_an_order_takes_four_round_trips_however_many_lines(
    shop: httpx.AsyncClient, statements: Statements
) -> None:
    for count in (1, 200):
        lines: list[Json] = [
            {"sku": f"sku-{i}", "quantity": 1, "unit_price": brl(1)} for i in range(count)
        ]
        statements.clear()
        assert (await post_order(shop, order_body(lines=lines))).status_code == 201
        assert statements == ["begin", "insert", "with", "commit", "select"], "and one to show it"


async def test_a_replay_takes_no_more(shop: httpx.AsyncClient, statements: Statements) -> None:
    await place(shop, key="k")
    statements.clear()
    await place(shop, key="k")
    assert statements == ["begin", "insert", "select", "commit", "select", "select"]


async def test_one_order_or_its_history_is_one_statement(
    shop: httpx.AsyncClient, statements: Statements
) -> None:
    order_id = await placed(shop)
    for path in ("", "/events"):
        statements.clear()
        await shop.get(f"/v1/orders/{order_id}{path}")
        assert statements == ["select"]


async def test_a_page_of_orders_is_two_statements(
    shop: httpx.AsyncClient, statements: Statements
) -> None:
    for _ in range(3):
        await placed(shop)
    statements.clear()
    await shop.get("/v1/orders")
    assert statements == ["select", "select"]


async def test_stock_of_many_skus_is_set_by_one_statement(
    shop: httpx.AsyncClient, statements: Statements
) -> None:
    items = [{"sku": f"sku-{i}", "on_hand": 1} for i in range(1000)]
    statements.clear()
    await shop.post("/v1/stock", json={"items": items}, headers={"Idempotency-Key": fresh("k")})
    assert statements == ["begin", "insert", "insert", "commit"]
