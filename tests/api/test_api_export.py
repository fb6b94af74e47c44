"""An export: every order that the filters choose, a line each, however many; nothing is held meanwhile."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from adapters.postgres.orders import OrderFilter
from api.models import MAX_PAGE
from api.routes.orders import _lines, _read_page
from tests.api.calls import CONFIRMED, Database, happens, placed, pointers
from tests.api.running import RunningApi, make_key

EXPORT = "/v1/orders/export"
MANY = 2 * MAX_PAGE + 1  # three pages, the last with one order


async def exported(client: httpx.AsyncClient, query: str = "") -> list[dict[str, object]]:
    response = await client.get(f"{EXPORT}?{query}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    assert not response.content or response.content.endswith(b"\n")
    return [orjson.loads(line) for line in response.content.splitlines()]


@pytest.fixture
async def crowd(shop: httpx.AsyncClient, tenant: str, database: Database) -> list[str]:
    """More orders than a page has: copies of one, as far as a list looks. Newest first."""
    order_id = await placed(shop)
    await database.execute(COPIES, order_id, MANY - 1)
    rows = await database.fetch("select id from orders where tenant = $1 order by id desc", tenant)
    return [row["id"] for row in rows]


COPIES = """
with copies as (
    select o.id, left(o.id, 26) || lpad(n::text, 4, '0') as copy
      from orders o, generate_series(1, $2::int) n where o.id = $1
), ordered as (
    insert into orders (id, tenant, customer_id, currency, total, shipping_fee, country, carrier, service,
                        status, payment_status, fulfillment_status, metadata, deadline, version)
    select c.copy, tenant, customer_id, currency, total, shipping_fee, country, carrier, service,
           status, payment_status, fulfillment_status, metadata, deadline, version
      from orders join copies c using (id)
), listed as (
    insert into order_lines (order_id, line, sku, quantity, unit_price, tax)
    select c.copy, line, sku, quantity, unit_price, tax
      from order_lines l join copies c on c.id = l.order_id
)
insert into shipments (id, order_id, carrier, service)
select 'shp_' || right(c.copy, 26), c.copy, carrier, service
  from shipments s join copies c on c.id = s.order_id
"""


async def test_a_line_is_the_order_itself(shop: httpx.AsyncClient) -> None:
    first, second = await placed(shop), await placed(shop)

    lines = await exported(shop)

    assert [line["id"] for line in lines] == [second, first]
    assert lines[0] == (await shop.get(f"/v1/orders/{second}")).json()


async def test_nothing_to_export_is_no_line(shop: httpx.AsyncClient) -> None:
    assert await exported(shop) == []


async def test_it_has_every_order_once_over_all_pages(
    shop: httpx.AsyncClient, crowd: list[str]
) -> None:
    assert len(crowd) == MANY
    assert [line["id"] for line in await exported(shop)] == crowd


async def test_it_takes_the_filters_of_the_list(api: RunningApi, shop: httpx.AsyncClient) -> None:
    await placed(shop)
    other = await placed(shop, customer={"id": "c-2"})
    confirmed = await placed(shop)
    await happens(api.pool, confirmed, CONFIRMED)

    assert [line["id"] for line in await exported(shop, "customer_id=c-2")] == [other]
    assert [line["id"] for line in await exported(shop, "status=confirmed")] == [confirmed]
    assert await exported(shop, "attention=true") == []


@pytest.mark.parametrize(
    ("query", "where"),
    [("status=lost", "/query/status"), ("limit=5", "/query/limit"), ("cursor=x", "/query/cursor")],
)
async def test_a_wrong_filter_is_refused_before_anything_is_sent(
    shop: httpx.AsyncClient, query: str, where: str
) -> None:
    assert pointers(await shop.get(f"{EXPORT}?{query}")) == [where]


async def test_it_is_for_readers_and_of_one_tenant(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient, tenant: str
) -> None:
    await placed(shop)
    async with api.client(await make_key(api, tenant=tenant, scopes=["ops"])) as operator:
        assert (await operator.get(EXPORT)).status_code == 403
    assert await exported(stranger) == []


async def test_a_caller_who_reads_slowly_holds_no_connection(
    api: RunningApi, crowd: list[str], tenant: str
) -> None:
    shown = OrderFilter()
    first = await _read_page(api.services, tenant, shown, before="ord_" + "Z" * 26)
    lines = _lines(api.services, tenant, shown, first, has_page=False)
    pages = [await anext(lines)]
    await _all_given_back(api)
    pages += [page async for page in lines]

    assert [page.count(b"\n") for page in pages] == [MAX_PAGE, MAX_PAGE, 1]


async def test_a_caller_who_goes_away_ends_it(
    api: RunningApi, crowd: list[str], tenant: str
) -> None:
    """As a server tells of it: sending fails, and no page is read for nobody."""
    key = await make_key(api, tenant=tenant, scopes=["orders:read"])
    sent: list[bytes] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, object]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            sent.append(bytes(str(message["body"]), "utf-8"))
            gone.set()
            await asyncio.sleep(3600)  # its buffers are full, for nobody reads

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": EXPORT,
        "raw_path": EXPORT.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"api"), (b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("api", 80),
    }
    async with asyncio.timeout(5):
        await api.app(scope, receive, send)  # type: ignore[arg-type]

    assert len(sent) == 1
    await _all_given_back(api)


async def _all_given_back(api: RunningApi) -> None:
    """Every connection is: others than the export use one for a moment now and then."""
    async with asyncio.timeout(2):
        while api.pool.get_idle_size() != api.pool.get_size():  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(0.01)
