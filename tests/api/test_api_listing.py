"""Lists: newest first, by filter, page by page, one tenant's only."""

from __future__ import annotations

import httpx
import pytest

from ordersaga.history import Happening
from tests.api.calls import CONFIRMED, happens, place, placed
from tests.api.running import RunningApi


async def ids(client: httpx.AsyncClient, query: str = "") -> list[str]:
    response = await client.get(f"/v1/orders?{query}")
    assert response.status_code == 200, response.text
    return [order["id"] for order in response.json()["orders"]]


async def test_pages_are_newest_first_and_come_to_an_end(shop: httpx.AsyncClient) -> None:
    made = [await placed(shop) for _ in range(5)]
    page = (await shop.get("/v1/orders?limit=2")).json()
    seen = [order["id"] for order in page["orders"]]
    while page["next_cursor"] is not None:
        page = (await shop.get(f"/v1/orders?limit=2&cursor={page['next_cursor']}")).json()
        seen += [order["id"] for order in page["orders"]]

    assert seen == made[::-1]


async def test_a_page_that_is_exactly_full_is_the_last(shop: httpx.AsyncClient) -> None:
    await placed(shop)

    assert (await shop.get("/v1/orders?limit=1")).json()["next_cursor"] is None


async def test_a_listed_order_is_the_order_itself(shop: httpx.AsyncClient) -> None:
    order = (await place(shop)).json()

    assert (await shop.get("/v1/orders")).json()["orders"] == [order]
    assert (await shop.get(f"/v1/orders/{order['id']}")).json() == order


async def test_filters_choose(api: RunningApi, shop: httpx.AsyncClient) -> None:
    pending = await placed(shop)
    other = await placed(shop, customer={"id": "c-2"})
    confirmed = await placed(shop)
    troubled = await placed(shop)
    await happens(api.pool, confirmed, CONFIRMED, Happening.of("parcel.booked"))
    attention = Happening.of("attention.raised", step="stock", error="e", tries=3)
    await happens(api.pool, troubled, attention)

    assert await ids(shop, "status=confirmed") == [confirmed]
    assert await ids(shop, "status=pending&attention=false") == [other, pending]
    assert await ids(shop, "fulfillment_status=booked") == [confirmed]
    assert await ids(shop, "payment_status=captured") == []
    assert await ids(shop, "customer_id=c-2") == [other]
    assert await ids(shop, "customer_id=c-2&status=confirmed") == []
    assert await ids(shop, "attention=true") == [troubled]
    assert await ids(shop, "attention=true&status=confirmed") == []


@pytest.mark.parametrize(
    ("created_after", "shown"),
    [
        ("1970-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00%2B08:00", True),
        ("8999-01-01T00:00:00Z", False),
    ],
)
async def test_created_after_chooses(
    shop: httpx.AsyncClient, created_after: str, shown: bool
) -> None:
    order_id = await placed(shop)

    assert (order_id in await ids(shop, f"created_after={created_after}")) is shown


async def test_created_after_an_orders_own_time_leaves_it_out(shop: httpx.AsyncClient) -> None:
    first, second = (await place(shop)).json(), (await place(shop)).json()

    assert await ids(shop, f"created_after={first['created_at']}") == [second["id"]]


async def test_another_tenant_sees_nothing(
    shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order_id = await placed(shop)

    assert await ids(stranger) == []
    never_was = "ord_01M7YSM35RQCGYCAPV98JR57X1"
    for path in ("", "/events"):
        theirs = await stranger.get(f"/v1/orders/{order_id}{path}")
        nobodys = await stranger.get(f"/v1/orders/{never_was}{path}")
        assert (theirs.status_code, theirs.content) == (404, nobodys.content)
