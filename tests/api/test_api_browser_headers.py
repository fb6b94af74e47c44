"""What every answer tells a browser: nothing in it runs, is framed, sniffed or kept."""

from __future__ import annotations

import pytest

from tests.api.running import RunningApi

PATHS = ("/healthz", "/openapi.json", "/v1/orders", "/v1/no-such-thing", "/docs")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_is_safe_in_a_browser(api: RunningApi, path: str) -> None:
    async with api.client() as nobody:
        headers = (await nobody.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


async def test_only_the_page_of_the_api_runs_a_script_and_only_ours(api: RunningApi) -> None:
    async with api.client() as nobody:
        page = (await nobody.get("/docs")).headers["content-security-policy"]
        data = (await nobody.get("/v1/orders")).headers
    assert "default-src 'self'" in page
    assert "http" not in page
    assert data["content-security-policy"].startswith("default-src 'none'")
    assert data["cache-control"] == "no-store"


async def test_a_value_of_a_request_never_becomes_a_header(api: RunningApi) -> None:
    """Header injection: what comes back in headers is checked, or made by us."""
    async with api.client() as nobody:
        for value in ("wait=1\tX-Injected: 1", "respond-async, x-injected=1"):
            answer = await nobody.get("/v1/orders", headers={"prefer": value})
            assert "x-injected" not in answer.headers
        answer = await nobody.get("/v1/orders/ord_%0d%0aX-Injected:%201")
    assert "x-injected" not in answer.headers
