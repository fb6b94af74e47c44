"""The console over HTTP, without a browser: who is at it, and what they send. Temporal is away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
import pytest
from starlette.routing import Route

from ordersaga.history import Happening
from tests.api.calls import happens, placed
from tests.api.running import RunningApi, make_key

__all__ = ["key", "nobody", "operator", "shop", "troubled"]

NAME: Final = "Ana Souza"
OPERATOR: Final = ["orders:read", "orders:write", "ops"]
STEP: Final = "payment:pay_1"
RAISED: Final = Happening.of(
    "attention.raised",
    step=STEP,
    error="ProviderUnavailable: HTTP 503",
    tries=5,
    since="2026-01-01T00:00:00+00:00",
    actions=["retry", "skip"],
)
UNDOING: Final = Happening.of("order.compensating")
KEY: Final = re.compile(r'name="key" value="([0-9a-f]{32})"')
CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


async def sign_in(
    client: httpx.AsyncClient, key: str, *, operator: str = NAME, **more: str
) -> httpx.Response:
    """The client has the cookie afterwards, where the key opens the console."""
    form = {"operator": operator, "key": key, **more}
    return await client.post("/console/login", data=form)


async def csrf_of(client: httpx.AsyncClient, path: str = "/console") -> str:
    """What a form of this session has to bring."""
    found = CSRF.search((await client.get(path)).text)
    assert found, "the page has no form"
    return found[1]


async def submit(
    client: httpx.AsyncClient, page: str, action: str, form: Mapping[str, str]
) -> httpx.Response:
    """Sends a form of that page, with what is hidden in it."""
    text = (await client.get(page)).text
    key, csrf = KEY.search(text), CSRF.search(text)
    assert csrf, "the page has no form"
    hidden = {"csrf": csrf[1], **({"key": key[1]} if key else {})}
    return await client.post(action, data={**hidden, **form})


def console_routes(api: RunningApi) -> list[Route]:
    routes = [
        route
        for route in api.app.router.routes
        if isinstance(route, Route) and route.path.startswith("/console")
    ]
    return [route for route in routes if route.path != "/console/login"]


def some_path(route: Route) -> str:
    """With something in the place of each parameter that looks like one."""
    ids = {"order_id": "ord_" + "0" * 26, "sequence": "1"}
    return re.sub(r"{(\w+)(?::\w+)?}", lambda m: ids.get(m[1], "x"), route.path)


@pytest.fixture
async def key(api: RunningApi, tenant: str) -> str:
    return await make_key(api, tenant=tenant, scopes=OPERATOR)


@pytest.fixture
async def shop(api: RunningApi, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client(key) as client:
        yield client


@pytest.fixture
async def nobody(api: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


@pytest.fixture
async def operator(nobody: httpx.AsyncClient, key: str) -> httpx.AsyncClient:
    """Signed in."""
    answer = await sign_in(nobody, key)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    return nobody


@pytest.fixture
async def troubled(api: RunningApi, shop: httpx.AsyncClient) -> str:
    """An order in attention."""
    order_id = await placed(shop)
    await happens(api.pool, order_id, UNDOING, RAISED)
    return order_id
