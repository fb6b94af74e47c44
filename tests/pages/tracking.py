"""What a buyer does with the page of his order, without a browser: opens it, and sends its forms."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from tests.saga.shop import Json, Shop

_KEY = re.compile(r'name="key" value="([^"]+)"')


def path_of(order: Json) -> str:
    """The page's, from the order's own link."""
    return httpx.URL(str(order["links"]["track"])).path


@asynccontextmanager
async def visiting(shop: Shop, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a link, and no key."""
    async with httpx.AsyncClient(
        base_url=shop.stack.ready.api, headers=headers, timeout=30
    ) as client:
        yield client


def form_of(page: httpx.Response, name: str, **fields: str) -> dict[str, str]:
    """The form of this name, filled in."""
    after = page.text.partition(f'data-form="{name}"')[2]
    found = _KEY.search(after)
    assert found, f"no form {name}"
    return {"key": html.unescape(found[1]), **fields}


async def send(
    client: httpx.AsyncClient, path: str, name: str, fields: Mapping[str, str], **headers: str
) -> httpx.Response:
    return await client.post(f"{path}/{name}", data=dict(fields), headers=headers)
