"""Lists of orders: what they are narrowed by, where they begin and end."""

from __future__ import annotations

import re
from typing import Final

import httpx
import pytest

from adapters.postgres import console
from tests.api.calls import CONFIRMED, brl, fresh, happens, placed
from tests.api.conftest import stranger
from tests.api.running import RunningApi
from tests.pages.console import key, nobody, operator, shop

pytestmark = pytest.mark.long

__all__ = ["key", "nobody", "operator", "shop", "stranger"]  # fixtures

LISTED: Final = re.compile(r'<th scope="row"[^>]*><a class="mono" href="/console/orders/(ord_\w+)"')
PAGE: Final = 25


async def listed(client: httpx.AsyncClient, **asked: str) -> tuple[list[str], bool]:
    """The orders of a page, and whether it has older ones."""
    page = await client.get("/console/orders", params=asked)
    assert page.status_code == 200, page.text
    return LISTED.findall(page.text), 'rel="next"' in page.text


async def test_other_tenants_orders_of_a_sku_do_not_hide_ours(
    operator: httpx.AsyncClient,
    shop: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "MOST_SEARCHED", 2)
    lines = [{"sku": fresh("sku"), "quantity": 1, "unit_price": brl(15000)}]
    ours = await placed(shop, lines=lines)
    for _ in range(3):
        await placed(stranger, lines=lines)
    assert await listed(operator, q=str(lines[0]["sku"])) == ([ours], False)


@pytest.mark.parametrize(
    ("asked", "is_found"),
    [
        ({"until": "9999-12-31"}, True),
        ({"until": "1969-12-31"}, False),
        ({"until": "0001-01-01"}, False),
        ({"after": "9999-12-31"}, False),
        ({"after": "0001-01-01"}, True),
    ],
)
async def test_a_list_may_begin_or_end_on_any_day(
    operator: httpx.AsyncClient,
    shop: httpx.AsyncClient,
    asked: dict[str, str],
    is_found: bool,
) -> None:
    order_id = await placed(shop)
    assert await listed(operator, **asked) == ([order_id] if is_found else [], False)


async def test_a_search_for_who_is_waited_for_has_no_empty_pages(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    customer = {"id": fresh("c")}
    ours = await placed(shop, customer=customer)
    await happens(api.pool, ours, CONFIRMED)
    for _ in range(PAGE + 1):
        await placed(shop, customer=customer)
    found = await listed(operator, q=customer["id"], waiting="merchant")
    assert found == ([ours], False)
