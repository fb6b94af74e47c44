"""What a page of somebody else cannot make an operator's browser do; and what people write stays text."""

from __future__ import annotations

import re
from typing import Final

import asyncpg
import httpx
import pytest

from ordersaga.history import Happening
from tests.api.calls import Database, brl, happens, order_body, placed, post_order
from tests.api.lives import delivered
from tests.api.running import RunningApi
from tests.pages.console import (
    RAISED,
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

pytestmark = pytest.mark.long

__all__ = [
    "key",
    "nobody",
    "operator",
    "shop",
    "troubled",
]  # fixtures


CANARY: Final = "<img src=x onerror=alert(1)>"
SHOWN: Final = "&lt;img src=x onerror=alert(1)&gt;"


# --- Forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ö"])
async def test_a_form_without_its_sessions_token_does_nothing(
    api: RunningApi, operator: httpx.AsyncClient, troubled: str, token: str | None
) -> None:
    form = {"key": "0" * 32, "step": STEP, "action": "skip", "reason": "because"}
    if token is not None:
        form["csrf"] = token
    for route in console_routes(api):
        if "POST" in (route.methods or ()):
            answer = await operator.post(some_path(route), data=form)
            assert answer.status_code == 403, route.path
    answer = await operator.post(f"/console/orders/{troubled}/attention", data=form)
    assert answer.status_code == 403
    assert (await operator.get("/console")).status_code == 200, "nor was anybody signed out"


async def test_one_sessions_token_is_no_good_in_another(
    api: RunningApi, operator: httpx.AsyncClient, key: str, troubled: str
) -> None:
    async with api.client() as other:
        await sign_in(other, key, operator="Bo")
        token = await csrf_of(other)
    form = {"csrf": token, "key": "0" * 32, "step": STEP, "action": "skip", "reason": "because"}
    answer = await operator.post(f"/console/orders/{troubled}/attention", data=form)
    assert answer.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_a_form_that_was_sent_from_elsewhere_does_nothing(
    operator: httpx.AsyncClient, key: str, troubled: str, site: str
) -> None:
    csrf = await csrf_of(operator)
    headers = {"Sec-Fetch-Site": site}
    form = {"csrf": csrf, "key": "0" * 32, "step": STEP, "action": "skip", "reason": "because"}
    answer = await operator.post(
        f"/console/orders/{troubled}/attention", data=form, headers=headers
    )
    assert answer.status_code == 403
    login = {"operator": "Eve", "key": key}
    assert (await operator.post("/console/login", data=login, headers=headers)).status_code == 403


async def test_a_form_with_anything_strange_in_it_is_refused(
    operator: httpx.AsyncClient, troubled: str
) -> None:
    csrf = await csrf_of(operator)
    path = f"/console/orders/{troubled}/hold"
    for body in (
        f"csrf={csrf}&csrf={csrf}",
        f"csrf={csrf}&reason=%00",
        f"csrf={csrf}&reason=%FF",
        f"csrf={csrf}&" + "&".join(f"f{i}=1" for i in range(100)),
        "ö",
        f"csrf={csrf}&reason=" + "x" * 20_000,
    ):
        answer = await operator.post(path, content=body.encode())
        assert answer.status_code in (400, 413, 422), (body[:90], answer.status_code)


@pytest.mark.parametrize("reason", ["", "   ", "\u200b", "...", "x" * 501, "4111 1111 1111 1111"])
async def test_nothing_is_done_without_a_reason(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, reason: str
) -> None:
    order_id = await placed(shop)
    at = f"/console/orders/{order_id}"
    for move in ("hold", "cancel"):
        answer = await submit(operator, at, f"{at}/{move}", {"reason": reason})
        assert answer.status_code == 422, move
    assert (await shop.get(f"/v1/orders/{order_id}")).json()["version"] == 1


@pytest.mark.parametrize("reason", ["是", "да", "نعم", "7"])
async def test_a_reason_may_be_in_any_script(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, reason: str
) -> None:
    at = f"/console/orders/{await placed(shop)}"
    assert (await submit(operator, at, f"{at}/hold", {"reason": reason})).status_code == 303


async def test_a_form_that_is_not_believed_is_not_said_to_be_the_keys_fault(
    operator: httpx.AsyncClient, troubled: str
) -> None:
    at = f"/console/orders/{troubled}/hold"
    csrf = await csrf_of(operator)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for answer in (
        await operator.post(at, data={"reason": "odd"}),
        await operator.post(at, data={"reason": "odd", "csrf": csrf}, headers=foreign),
    ):
        assert answer.status_code == 403
        assert "This form is not taken" in answer.text
        assert "API key" not in answer.text


# --- What is refused ----------------------------------------------------------------------------


async def test_a_refused_form_is_open_and_filled_on_its_orders_page(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    order = await delivered(shop, api.pool)
    at = f"/console/orders/{order['id']}"
    form = {"amount": "1,50", "reason": f"late {CANARY}"}
    answer = await submit(operator, at, f"{at}/refunds", form)
    assert answer.status_code == 422
    assert f'data-look-at="{at}"' in answer.text, "its own address takes no GET"
    opened = re.findall(r'id="move-([a-z-]+)" name="move" open', answer.text)
    assert opened == ["refunds"]
    assert 'value="1,50"' in answer.text
    assert answer.text.count(f'value="late {SHOWN}"') == 1
    again = (await operator.get(at)).text
    assert "data-look-at" not in again
    assert 'name="move" open' not in again


async def test_a_form_that_says_something_else_than_before_is_refused_on_its_orders_page(
    api: RunningApi, operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    order = await delivered(shop, api.pool)
    at = f"/console/orders/{order['id']}"
    for amount, status in (("1.00", 303), ("2.00", 422)):
        form = {"amount": amount, "reason": "late", "key": "0123456789abcdef" * 2}
        answer = await submit(operator, at, f"{at}/refunds", form)
        assert answer.status_code == status
    assert "This form was sent before" in answer.text
    assert f'Order <span class="mono">{order["id"]}' in answer.text


async def test_what_cannot_be_taken_back_is_not_one_click_away(
    operator: httpx.AsyncClient, troubled: str
) -> None:
    for path in (f"/console/orders/{troubled}", "/console/attention"):
        page = (await operator.get(path)).text
        skip = page.index('value="skip"')
        hidden = page.rindex('<details class="move for-good">', 0, skip)
        assert page.index('value="retry"') < hidden, path
        assert "</details>" not in page[hidden:skip], path


# --- Where one is sent --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/console/../v1/orders",
        "/console//evil.example",
        "/consoleevil",
        "/console/orders\r\nX: 1",
        "/v1/orders",
        "javascript:alert(1)",
    ],
)
async def test_nobody_is_sent_elsewhere_after_he_signed_in(
    nobody: httpx.AsyncClient, key: str, elsewhere: str
) -> None:
    page = await nobody.get("/console/login", params={"next": elsewhere})
    assert 'name="next" value="/console"' in page.text
    answer = await sign_in(nobody, key, next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


async def test_one_comes_back_to_the_page_that_one_wanted(
    nobody: httpx.AsyncClient, key: str
) -> None:
    wanted = "/console/orders?status=pending&waiting=payer"
    answer = await nobody.get(wanted)
    assert answer.status_code == 303
    page = await nobody.get(answer.headers["location"])
    assert 'value="/console/orders?status=pending&amp;waiting=payer"' in page.text
    assert (await sign_in(nobody, key, next=wanted)).headers["location"] == wanted


# --- What is shown ------------------------------------------------------------------------------


async def test_whatever_people_write_is_shown_and_never_run(
    api: RunningApi, nobody: httpx.AsyncClient, shop: httpx.AsyncClient, key: str
) -> None:
    sku = "sku <img src=x onerror=alert(1)>"
    order = await delivered(
        shop,
        api.pool,
        customer={"id": f"c {CANARY}", "name": CANARY, "email": f"{CANARY}@x", "phone": CANARY},
        lines=[{"sku": sku, "quantity": 2, "unit_price": brl(7500)}],
        shipping_address={"line1": CANARY, "city": CANARY, "country": "BR"},
        metadata={"reference": CANARY, CANARY[:40]: CANARY},
    )
    order_id = str(order["id"])
    await sign_in(nobody, key, operator=CANARY)
    at = f"/console/orders/{order_id}"
    refund = {"amount": "1.00", "reason": CANARY}
    assert (await submit(nobody, at, f"{at}/refunds", refund)).status_code == 303
    raised = {**RAISED.data, "step": STEP, "error": CANARY}
    await happens(api.pool, order_id, Happening.of("attention.raised", **raised))
    word = {"step": STEP, "action": "skip", "reason": CANARY}
    assert (await submit(nobody, at, f"{at}/attention", word)).status_code == 303
    await happens(api.pool, order_id, Happening.of("attention.raised", **raised))
    pages = [at, "/console", "/console/orders", "/console/attention", "/console/deliveries"]
    pages += [f"/console/orders?q={CANARY}", f"/console/orders?status={CANARY}&after={CANARY}"]
    for path in pages:
        page = await nobody.get(path)
        assert page.status_code == 200, path
        assert CANARY not in page.text, path
    shown = (await nobody.get(at)).text
    assert shown.count(SHOWN) >= 10, "what is looked for is on the page"


async def test_every_page_has_the_strict_policy_and_is_kept_by_nobody(
    api: RunningApi, operator: httpx.AsyncClient, troubled: str
) -> None:
    paths = ["/console", "/console/orders", f"/console/orders/{troubled}", "/console/attention"]
    paths += ["/console/deliveries", "/console/login", "/console/orders/none", "/console/none"]
    for path in paths:
        page = await operator.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store", path
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text), path


async def test_a_persons_name_is_on_the_orders_own_page_alone(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    person = {"id": "c-7", "name": "Beatriz Longname", "email": "bea@example.org"}
    order = (await post_order(shop, order_body(customer=person))).json()
    assert "Beatriz Longname" in (await operator.get(f"/console/orders/{order['id']}")).text
    for path in ("/console", "/console/orders", "/console/orders?q=c-7"):
        page = (await operator.get(path)).text
        assert "Beatriz" not in page
        assert "bea@example.org" not in page


async def test_what_operators_did_cannot_be_taken_back_by_the_service(
    operator: httpx.AsyncClient, shop: httpx.AsyncClient, database: Database
) -> None:
    order_id = await placed(shop)
    at = f"/console/orders/{order_id}"
    assert (await submit(operator, at, f"{at}/hold", {"reason": "odd"})).status_code == 303
    for statement in (
        "delete from operator_acts",
        "update operator_acts set operator = 'Eve'",
        "truncate operator_acts",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.execute(statement)
