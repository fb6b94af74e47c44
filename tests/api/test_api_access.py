"""What is there for everybody: health and docs."""

from __future__ import annotations

import httpx

from tests.api.running import RunningApi


async def test_health_needs_no_key(api: RunningApi) -> None:
    async with api.client() as nobody:
        health, ready = await nobody.get("/healthz"), await nobody.get("/readyz")

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert ready.status_code == 503
    assert ready.json() == {"status": "unavailable", "postgres": True, "temporal": False}


async def test_docs_are_there_for_everybody(api: RunningApi) -> None:
    async with api.client() as nobody:
        assert (await nobody.get("/docs")).status_code == 200
        document = (await nobody.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    place = document["paths"]["/v1/orders"]["post"]
    assert {"201", "202", "400", "401", "403", "409", "413", "422", "503"} <= set(
        place["responses"]
    )
    assert place["requestBody"]["required"] is True
    assert place["operationId"] == "place_order"
    assert "HTTPValidationError" not in str(document)
    for reference in _references(document):
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def _references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(_references, part.values()))
    if isinstance(part, list):
        return set().union(*map(_references, part))
    return set()


async def test_answers_are_not_kept_by_caches(shop: httpx.AsyncClient) -> None:
    for path in ("/v1/orders", "/v1/orders/x"):
        assert (await shop.get(path)).headers["cache-control"] == "no-store"
