"""Keys: who asks, and may they. Health needs none."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from adapters.postgres.api_keys import create_api_key, list_api_keys, revoke_api_key
from api.auth import KEY_MEMORY_S, KnownKeys
from tests.api.calls import Database, fresh
from tests.api.running import RunningApi, make_key

ORDER = "/v1/orders/ord_01M7YSM35RQCGYCAPV98JR57X1"

# (method, path, the one scope that opens it)
ROUTES = [
    ("POST", "/v1/orders", "orders:write"),
    ("GET", "/v1/orders", "orders:read"),
    ("GET", ORDER, "orders:read"),
    ("GET", f"{ORDER}/events", "orders:read"),
    ("POST", f"{ORDER}/cancel", "orders:write"),
    ("POST", f"{ORDER}/pay", "orders:write"),
    ("POST", f"{ORDER}/attention", "ops"),
    ("PUT", "/v1/stock/tea", "ops"),
    ("GET", "/v1/stock/tea", "orders:read"),
    ("POST", "/v1/stock", "ops"),
    ("GET", "/v1/accounts/c-1", "orders:read"),
    ("POST", "/v1/accounts/c-1/credits", "ops"),
    ("POST", "/v1/vouchers", "ops"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_each_route_opens_to_its_scope_alone(
    api: RunningApi, method: str, path: str, scope: str
) -> None:
    for held in ("orders:read", "orders:write", "ops"):
        key = await make_key(api, tenant=fresh("t"), scopes=[held])
        async with api.client(key) as client:
            status = (await client.request(method, path)).status_code
        assert (status == 403) is (held != scope)
        assert status != 401


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer osk_",
        "Bearer osk_" + "A" * 43,
        "Bearer \x00",
        "Basic b3NrXzp4",
        "Bearer osk_" + "A" * 100_000,
    ],
    ids=lambda v: str(v)[:20],
)
async def test_no_route_opens_without_a_valid_key(
    api: RunningApi, method: str, path: str, scope: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with api.client() as nobody:
        response = await nobody.request(method, path, headers=headers)

    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_every_route_of_the_api_is_in_that_table(api: RunningApi) -> None:
    async with api.client() as nobody:
        document = (await nobody.get("/openapi.json")).json()

    described = {
        (method.upper(), next(iter(operation["security"][0].values()))[0])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/")
    }
    count = sum(len(v) for path, v in document["paths"].items() if path.startswith("/v1/"))
    assert described == {(method, scope) for method, _, scope in ROUTES}
    assert count == len(ROUTES)


async def test_only_a_keys_hash_is_stored(database: Database) -> None:
    key = await create_api_key(database, tenant=fresh("t"), scopes=["ops"])
    stored = await database.fetchval(
        "select to_json(k)::text from api_keys k where key_hash = $1",
        hashlib.sha256(key.encode()).digest(),
    )

    assert key.startswith("osk_")
    assert key not in stored


async def test_a_revoked_key_is_soon_worth_nothing(api: RunningApi, database: Database) -> None:
    tenant = fresh("t")
    key = await make_key(api, tenant=tenant, scopes=["ops"])
    (listed,) = await list_api_keys(database, tenant=tenant)
    assert await KnownKeys(api.pool).find(key) is not None

    assert await revoke_api_key(database, listed.id)
    assert await KnownKeys(api.pool).find(key) is None, "a process that did not know it"
    assert KEY_MEMORY_S <= 10, "a process that did"
    (listed,) = await list_api_keys(database, tenant=tenant)
    assert listed.revoked_at is not None
    assert not await revoke_api_key(database, "key_nobody")


async def test_a_key_has_scopes_there_are_and_a_tenant(database: Database) -> None:
    for tenant, scopes in (("t", ["root"]), ("t", []), ("", ["ops"])):
        with pytest.raises(ValueError, match=r"scope|tenant"):
            await create_api_key(database, tenant=tenant, scopes=scopes)


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
    names = {name.rpartition("/")[2] for name in _references(document)}
    assert names <= set(document["components"]["schemas"])


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
