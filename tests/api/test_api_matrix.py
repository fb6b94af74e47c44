"""Every operation of the OpenAPI document × every kind of key: who may, who may not, who sees nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from adapters.postgres.api_keys import create_api_key, list_api_keys, revoke_api_key
from api.app import create_app
from api.pages.site import PAGE_PATHS
from cli.stack import LocalStack
from ordersaga import keys
from ordersaga.config import Settings
from tests.api.calls import Json, brl, fresh, order_body, placed
from tests.api.conftest import ALL_SCOPES
from tests.api.lives import delivered
from tests.api.running import RunningApi, make_key, running_api
from tests.api.sending_back import send_back

APP: Final = create_app(Settings(database_url="postgresql://nobody@127.0.0.1/nothing"))

# Without a key: health is for everybody, messages from outside are signed in place of one.
OPEN: Final = {
    "get_health",
    "get_readiness",
    "hear_from_stripe",
    "hear_from_provider",
    "hear_from_carrier",
}
# Beside the document: what shows it.
PAGES: Final = {"/docs", "/docs/oauth2-redirect", "/openapi.json", "/metrics"}

REASON: Final[Json] = {"reason": "r"}
CARD: Final = {"method": "card", "token": "tok_ok"}

# A body that each operation takes, where it needs one.
BODIES: Final[dict[str, Json]] = {
    "place_order": order_body(),
    "cancel_order": REASON,
    "pay_order": {"payments": [CARD]},
    "answer_attention": {"step": "payment:p", "action": "retry", "note": "n"},
    "hold_order": REASON,
    "release_order": REASON,
    "accept_order": REASON,
    "decline_order": REASON,
    "ship_order": {"tracking_number": "BR1"},
    "confirm_receipt": {},
    "review_order": {"rating": 5},
    "ask_for_return": REASON,
    "approve_return": {},
    "decline_return": {},
    "receive_return": {},
    "refund_order": {"amount": brl(1), **REASON},
    "put_stock": {"on_hand": 1},
    "post_stock": {"items": [{"sku": "mug", "on_hand": 1}]},
    "post_credit": {"amount": brl(1), **REASON},
    "post_voucher": {"code": "gift", "amount": brl(1)},
    "add_webhook_endpoint": {"url": "https://shop.example/hooks"},
    "rotate_webhook_secret": {},
    "replay_failed_webhooks": {"since": "2026-01-01T00:00:00Z"},
}


@dataclass(frozen=True)
class Operation:
    """One method of one path, as the document describes it."""

    id: str
    method: str
    path: str
    scopes: frozenset[str]  # any of them opens it; none: it needs no key
    answers: frozenset[int]
    has_body: bool

    @property
    def is_of_something(self) -> bool:
        return "{" in self.path

    def is_found(self, status: int) -> bool:
        """As it answers somebody who may, where there is nothing of the name that he gives."""
        if self.is_of_something and 404 in self.answers:
            return status == 404
        return status in self.answers and 200 <= status < 300

    async def call(self, client: httpx.AsyncClient, **names: str) -> httpx.Response:
        given = {name: names.get(name, "nothing") for name in re.findall(r"{(\w+)}", self.path)}
        return await client.request(
            self.method,
            self.path.format(**given),
            headers={"Idempotency-Key": fresh("key"), "Prefer": "wait=0"},
            json=BODIES[self.id] if self.has_body else None,
        )


def _operations() -> list[Operation]:
    return [
        Operation(
            id=described["operationId"],
            method=method.upper(),
            path=path,
            scopes=frozenset(
                scope for one in described.get("security", ()) for scope in one["api_key"]
            ),
            answers=frozenset(int(status) for status in described["responses"]),
            has_body="requestBody" in described,
        )
        for path, methods in APP.openapi()["paths"].items()
        for method, described in methods.items()
    ]


OPERATIONS: Final = _operations()
GUARDED: Final = [one for one in OPERATIONS if one.id not in OPEN]
OF_ORDERS: Final = [one for one in GUARDED if "{order_id}" in one.path]
OF_RETURNS: Final = [one for one in GUARDED if "{return_id}" in one.path]
OF_NAMES: Final = [one for one in GUARDED if one.is_of_something and one not in OF_ORDERS]

of_each = pytest.mark.parametrize("operation", GUARDED, ids=lambda one: one.id)


# --- Nothing is left out -------------------------------------------------------------------------


def test_every_operation_needs_a_scope_but_the_open_ones() -> None:
    assert {one.id for one in OPERATIONS if not one.scopes} == OPEN
    assert {scope for one in GUARDED for scope in one.scopes} == set(ALL_SCOPES)


def test_every_route_is_in_the_document_but_the_pages_that_show_it() -> None:
    paths = {re.sub(r":\w+}", "}", getattr(route, "path", "?")) for route in APP.routes}
    documented = {one.path for one in OPERATIONS}

    assert documented <= paths
    looked_at = ("/static", *PAGE_PATHS)
    assert {path for path in paths - documented if not path.startswith(looked_at)} <= PAGES


def test_every_operation_with_a_body_has_one_here() -> None:
    assert {one.id for one in GUARDED if one.has_body} == set(BODIES)


# --- Without a valid key -------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def dead_keys(api: RunningApi) -> dict[str, str]:
    """Keys that opened everything, once."""
    async with api.pool.acquire() as connection:
        tenant = fresh("t")
        revoked = await create_api_key(connection, tenant=tenant, scopes=ALL_SCOPES)
        (listed,) = await list_api_keys(connection, tenant=tenant)
        assert await revoke_api_key(connection, listed.id)
        expired = await create_api_key(
            connection, tenant=tenant, scopes=ALL_SCOPES, expires_in=timedelta(0)
        )
    return {"revoked": f"Bearer {revoked}", "expired": f"Bearer {expired}"}


WRONG: Final = {
    "none": None,
    "empty": "",
    "only the word": "Bearer",
    "no key": "Bearer osk_",
    "never made": "Bearer osk_" + "A" * 43,
    "control character": "Bearer \x00",
    "another scheme": "Basic b3NrXzp4",
    "long": "Bearer osk_" + "A" * 100_000,
}


@of_each
@pytest.mark.parametrize("kind", [*WRONG, "revoked", "expired"])
async def test_no_route_opens_without_a_valid_key(
    api: RunningApi, dead_keys: dict[str, str], operation: Operation, kind: str
) -> None:
    authorization = {**WRONG, **dead_keys}[kind]
    async with api.client() as nobody:
        if authorization is not None:
            nobody.headers["Authorization"] = authorization
        answer = await operation.call(nobody)

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


# --- With one scope ------------------------------------------------------------------------------


@of_each
@pytest.mark.parametrize("scope", ALL_SCOPES)
async def test_each_route_opens_to_its_scopes_alone(
    api: RunningApi, operation: Operation, scope: str
) -> None:
    async with api.client(await make_key(api, tenant=fresh("t"), scopes=[scope])) as client:
        answer = await operation.call(client)

    if scope in operation.scopes:
        assert operation.is_found(answer.status_code), answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


# --- With another tenant's key -------------------------------------------------------------------


@dataclass(frozen=True)
class Theirs:
    """Two tenants, and what the first of them has."""

    api: RunningApi
    stranger: httpx.AsyncClient
    names: dict[str, str]
    said: list[str]  # every statement to PostgreSQL

    async def look(self, operation: Operation, names: dict[str, str]) -> tuple[object, ...]:
        """The stranger's answer without the names that he himself gave, and what it took."""
        self.said.clear()
        answer = await operation.call(self.stranger, **names)
        text = answer.text
        for name in names.values():
            text = text.replace(name, "…")
        headers = dict(answer.headers)
        headers.pop("etag", None)  # of the text, where it is found
        said = [query for query in self.said if "api_keys" not in query]  # done now and then
        return answer.status_code, NEW_EACH_TIME.sub("…", text), headers, said


# Times, and ids that the API mints.
NEW_EACH_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[a-z]{3}_[0-9A-Z]{26}")


@dataclass(frozen=True)
class Owned:
    """What one tenant has, by the parameters of paths."""

    api: RunningApi
    names: dict[str, str]
    said: list[str]


@pytest.fixture(scope="module")
async def owned(postgres: LocalStack, temporal_away: None) -> AsyncIterator[Owned]:
    """With one connection, so that all statements are seen."""
    settings = Settings(database_url=postgres.ready.database, database_pool_size=1)
    async with running_api(settings) as api:
        owner_key = await make_key(api, tenant=fresh("owner"), scopes=ALL_SCOPES)
        async with api.client(owner_key) as owner:
            customer = {"id": "customer-1"}
            order: dict[str, Any] = await delivered(owner, api.pool, customer=customer)
            asked = (await send_back(owner, order["id"], tea=1)).json()["returns"][0]
            await owner.put("/v1/stock/some-sku-1", json={"on_hand": 7})
            endpoint = await owner.post(
                "/v1/webhook-endpoints",
                json={"url": "https://shop.example/hooks"},
                headers={"Idempotency-Key": fresh("key")},
            )
            said: list[str] = []
            async with api.pool.acquire() as connection:
                connection.add_query_logger(lambda record: said.append(record.query))
            names = {
                "order_id": order["id"],
                "return_id": asked["id"],
                "sku": "some-sku-1",
                "customer_id": customer["id"],
                "endpoint_id": endpoint.json()["id"],
                "event_id": f"{order['id']}:1",
            }
            yield Owned(api, names, said)


@pytest.fixture
async def theirs(owned: Owned) -> AsyncIterator[Theirs]:
    key = await make_key(owned.api, tenant=fresh("stranger"), scopes=ALL_SCOPES)
    async with owned.api.client(key) as stranger:
        yield Theirs(owned.api, stranger, owned.names, owned.said)


@pytest.mark.parametrize("operation", OF_ORDERS, ids=lambda one: one.id)
async def test_what_another_tenant_has_looks_as_if_it_never_was(
    theirs: Theirs, operation: Operation
) -> None:
    nobodys = {"order_id": keys.new_id("ord"), "return_id": keys.new_id("ret")}
    found = await theirs.look(operation, theirs.names)
    missing = await theirs.look(operation, nobodys)

    assert found == missing, "status, text, headers, statements"
    assert found[0] == 404
    assert found[3], "it was looked for"


@pytest.mark.parametrize("operation", OF_RETURNS, ids=lambda one: one.id)
async def test_a_return_under_an_order_that_is_not_its_own_never_was(
    theirs: Theirs, operation: Operation
) -> None:
    own = await placed(theirs.stranger)
    names = {"order_id": own, "return_id": theirs.names["return_id"]}
    found = await theirs.look(operation, names)
    missing = await theirs.look(operation, {**names, "return_id": keys.new_id("ret")})

    assert found == missing
    assert found[0] == 404


@pytest.mark.parametrize("operation", OF_NAMES, ids=lambda one: one.id)
async def test_a_name_that_another_tenant_uses_is_as_free_as_any(
    theirs: Theirs, operation: Operation
) -> None:
    found = await theirs.look(operation, theirs.names)
    nobodys = {
        "sku": "some-sku-2",
        "customer_id": "customer-2",
        "endpoint_id": keys.new_id("whe"),
        "event_id": f"{keys.new_id('ord')}:1",
    }
    missing = await theirs.look(operation, nobodys)

    assert found == missing
    assert isinstance(found[0], int)
    assert operation.is_found(found[0])


async def test_a_list_shows_nothing_of_another_tenant(theirs: Theirs) -> None:
    async with theirs.api.client(
        await make_key(theirs.api, tenant=fresh("t"), scopes=ALL_SCOPES)
    ) as newcomer:
        shown = (await newcomer.get("/v1/orders")).json()
    assert shown == {"orders": [], "next_cursor": None}
