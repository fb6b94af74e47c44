"""Who may see the console, and for how long."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from adapters.postgres.api_keys import list_api_keys, revoke_api_key
from api.pages.console.session import COOKIE, SECURE_COOKIE
from ordersaga.config import Settings
from tests.api.calls import Database, fresh, placed
from tests.api.running import RunningApi, make_key, running_api
from tests.pages.console import (
    OPERATOR,
    STEP,
    console_routes,
    csrf_of,
    key,
    nobody,
    operator,
    shop,
    sign_in,
    some_path,
    submit,
    troubled,
)

__all__ = [
    "key",
    "nobody",
    "operator",
    "shop",
    "troubled",
]  # fixtures


# --- Who comes in -------------------------------------------------------------------------------


async def test_nobody_sees_or_does_anything_before_he_has_signed_in(
    api: RunningApi, nobody: httpx.AsyncClient
) -> None:
    routes = console_routes(api)
    assert len(routes) >= 10
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            answer = await nobody.request(method, some_path(route))
            where = answer.headers.get("location", "")
            assert answer.status_code == 303, (method, route.path, answer.status_code)
            assert where.startswith("/console/login"), (route.path, where)
            assert "set-cookie" not in answer.headers


async def test_a_forged_cookie_opens_nothing(nobody: httpx.AsyncClient) -> None:
    nobody.cookies.set(COOKIE, "x" * 43)
    assert (await nobody.get("/console")).status_code == 303


@pytest.mark.parametrize("scopes", [["orders:read"], ["orders:read", "orders:write"]])
async def test_a_key_without_the_scope_ops_is_refused(
    api: RunningApi, nobody: httpx.AsyncClient, tenant: str, scopes: list[str]
) -> None:
    answer = await sign_in(nobody, await make_key(api, tenant=tenant, scopes=scopes))
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert (await nobody.get("/console")).status_code == 303


async def test_a_refused_key_is_not_written_into_the_page(nobody: httpx.AsyncClient) -> None:
    wrong = "osk_" + "A" * 43
    answer = await sign_in(nobody, wrong)
    assert answer.status_code == 401
    assert wrong not in answer.text


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "a\x07b"])
async def test_an_operator_has_a_name(nobody: httpx.AsyncClient, key: str, name: str) -> None:
    answer = await sign_in(nobody, key, operator=name)
    assert answer.status_code in (400, 422)
    assert "set-cookie" not in answer.headers


async def test_wrong_keys_are_slowed_by_address(postgres: object, api: RunningApi) -> None:
    settings = api.services.settings.model_copy(update={"refused_keys_per_min": 3})
    async with running_api(settings, is_limited=True) as limited, limited.client() as guesser:
        seen = [(await sign_in(guesser, "osk_" + "A" * 43)).status_code for _ in range(5)]
    assert seen == [401, 401, 401, 429, 429]


async def test_a_sessions_requests_count_as_its_keys(api: RunningApi, key: str) -> None:
    settings = api.services.settings.model_copy(update={"requests_per_s_per_key": 1})
    async with running_api(settings, is_limited=True) as limited, limited.client() as client:
        await sign_in(client, key)
        seen = {(await client.get("/console/attention")).status_code for _ in range(6)}
    assert 429 in seen


# --- The cookie ---------------------------------------------------------------------------------


async def test_the_cookie_is_the_browsers_alone(nobody: httpx.AsyncClient, key: str) -> None:
    set_cookie = (await sign_in(nobody, key)).headers["set-cookie"]
    morsel = SimpleCookie(set_cookie)[COOKIE]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "strict", "/console")
    assert morsel["secure"] == "", "without TLS a browser would not send it back"
    assert int(morsel["max-age"]) <= 8 * 3600
    assert key not in set_cookie


@pytest.mark.parametrize("how", ["https", "production"])
async def test_with_tls_the_cookie_is_bound_to_this_host(
    api: RunningApi, key: str, how: str
) -> None:
    settings: Settings = api.services.settings
    if how == "production":
        settings = settings.model_copy(update={"env": "production"})
    async with running_api(settings) as running, running.client() as client:
        client.base_url = httpx.URL("https://api" if how == "https" else "http://api")
        set_cookie = (await sign_in(client, key)).headers["set-cookie"]
    morsel = SimpleCookie(set_cookie)[SECURE_COOKIE]
    assert (morsel["secure"], morsel["httponly"], morsel["path"]) == (True, True, "/")
    assert (morsel["samesite"], morsel["domain"]) == ("strict", "")


async def test_what_is_stored_does_not_open_the_console(
    operator: httpx.AsyncClient, database: Database
) -> None:
    secret = operator.cookies[COOKIE]
    rows = await database.fetch("select row_to_json(s)::text as text from console_sessions s")
    assert rows
    assert not [row for row in rows if secret in row["text"]]


# --- How it ends --------------------------------------------------------------------------------


async def test_signing_out_ends_the_session_for_whoever_has_its_cookie(
    operator: httpx.AsyncClient,
) -> None:
    secret = operator.cookies[COOKIE]
    answer = await submit(operator, "/console", "/console/logout", {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
    operator.cookies.set(COOKIE, secret)
    assert (await operator.get("/console")).status_code == 303


async def test_signing_in_again_ends_the_session_that_the_browser_had(
    operator: httpx.AsyncClient, key: str
) -> None:
    earlier = operator.cookies[COOKIE]
    assert (await sign_in(operator, key)).status_code == 303
    assert (await operator.get("/console")).status_code == 200
    operator.cookies.clear()
    operator.cookies.set(COOKIE, earlier)
    assert (await operator.get("/console")).status_code == 303


async def test_revoking_its_key_ends_a_session_at_once(
    api: RunningApi, operator: httpx.AsyncClient, tenant: str
) -> None:
    assert (await operator.get("/console")).status_code == 200
    async with api.pool.acquire() as connection:
        (listed,) = await list_api_keys(connection, tenant=tenant)
        await revoke_api_key(connection, listed.id)
    assert (await operator.get("/console")).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        "update console_sessions set ends_at = now() where key_id = $1",
        "update console_sessions set last_used_at = now() - interval '61 minutes' where key_id = $1",
        "update api_keys set expires_at = now() where id = $1",
        "update api_keys set scopes = '{orders:read}' where id = $1",
    ],
    ids=["its day is over", "nobody was at it for an hour", "its key expired", "its key lost ops"],
)
async def test_a_session_ends_by_itself(
    api: RunningApi,
    operator: httpx.AsyncClient,
    database: Database,
    postgres: object,
    tenant: str,
    change: str,
) -> None:
    async with api.pool.acquire() as connection:
        (listed,) = await list_api_keys(connection, tenant=tenant)
    await database.execute(change, listed.id)
    assert (await operator.get("/console")).status_code == 303


async def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(
    api: RunningApi, operator: httpx.AsyncClient, database: Database, tenant: str
) -> None:
    async with api.pool.acquire() as connection:
        (listed,) = await list_api_keys(connection, tenant=tenant)
    back = (
        "update console_sessions set last_used_at = now() - interval '10 minutes' where key_id = $1"
    )
    since = (
        "select now() - last_used_at > interval '5 minutes' from console_sessions where key_id = $1"
    )
    await database.execute(back, listed.id)
    await operator.get("/console", headers={"X-Looking": "1"})
    assert await database.fetchval(since, listed.id)
    await operator.get("/console")
    assert not await database.fetchval(since, listed.id)


# --- Other tenants ------------------------------------------------------------------------------


async def test_an_operator_sees_no_other_tenants_order(
    api: RunningApi, nobody: httpx.AsyncClient, troubled: str, database: Database
) -> None:
    await sign_in(nobody, await make_key(api, tenant=fresh("stranger"), scopes=OPERATOR))
    assert (await nobody.get(f"/console/orders/{troubled}")).status_code == 404
    for path in (
        "/console",
        "/console/orders",
        f"/console/orders?q={troubled}",
        "/console/attention",
    ):
        page = await nobody.get(path)
        assert page.status_code == 200
        assert f"/console/orders/{troubled}" not in page.text, path
    word = {"step": STEP, "action": "skip", "reason": "mine now"}
    answer = await submit(nobody, "/console", f"/console/orders/{troubled}/attention", word)
    assert answer.status_code == 404
    acts = "select count(*) from operator_acts where order_id = $1"
    assert await database.fetchval(acts, troubled) == 0


async def test_an_operator_moves_no_other_tenants_parked_event(
    api: RunningApi, nobody: httpx.AsyncClient, troubled: str, database: Database
) -> None:
    await database.execute(
        "insert into relay_parked (sink, order_id, sequence, error, next_try_at) "
        "values ('rabbitmq', $1, 1, 'no such exchange', now() + interval '1 hour')",
        troubled,
    )
    await sign_in(nobody, await make_key(api, tenant=fresh("stranger"), scopes=OPERATOR))
    assert troubled not in (await nobody.get("/console/deliveries")).text
    csrf = await csrf_of(nobody)
    form = {"csrf": csrf, "key": "0" * 32, "reason": "mine now"}
    for word in ("retry", "skip"):
        path = f"/console/parked/rabbitmq/{troubled}/1/{word}"
        assert (await nobody.post(path, data=form)).status_code == 404
    parked = await database.fetchrow("select * from relay_parked where order_id = $1", troubled)
    assert parked is not None
    assert (parked["sequence"], parked["error"]) == (1, "no such exchange")


async def test_a_key_without_the_scope_of_a_move_does_not_get_it_here(
    api: RunningApi, nobody: httpx.AsyncClient, shop: httpx.AsyncClient, tenant: str
) -> None:
    order_id = await placed(shop)
    await sign_in(nobody, await make_key(api, tenant=tenant, scopes=["ops"]))
    page = await nobody.get(f"/console/orders/{order_id}")
    assert 'id="move-hold"' in page.text
    assert 'id="move-cancel"' not in page.text
    form = {"reason": "because"}
    answer = await submit(
        nobody, f"/console/orders/{order_id}", f"/console/orders/{order_id}/cancel", form
    )
    assert answer.status_code == 403
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["version"] == 1
