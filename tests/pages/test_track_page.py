"""Who may open an order's page, what is on it, and what is not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Final

import pytest

from adapters.mail.facts import pay_link
from adapters.postgres.api_keys import create_api_key
from adapters.postgres.orders import StoredPayment
from api.live import Hub, Visitor
from api.models import MAX_ID
from api.problems import Problem
from cli.stack.stack import LocalStack
from ordersaga.config import Settings
from ordersaga.links import TrackLinks
from tests.api.running import RunningApi, running_api
from tests.pages.test_track_live import sent
from tests.pages.tracking import path_of, visiting
from tests.privacy.canaries import found_in
from tests.privacy.lives import Lives
from tests.saga.shop import Json, Shop, card, payment

MADE_UP: Final = "/track/01M7YSM35RQCGYCAPV98JR57X1-abcdefghijklmnopqrstuvwxyz"
NO_SUCH_PAGE: Final = {"en": "There is no such page", "zh-CN,zh;q=0.9": "页面不存在"}
# What the page may have of what a caller or a carrier wrote: where the parcel was seen.
SHOWN: Final = {"location"}


@pytest.mark.parametrize(("accepts", "title"), NO_SUCH_PAGE.items())
async def test_a_link_that_is_none_of_ours_is_a_404_in_the_readers_language(
    shop: Shop, accepts: str, title: str
) -> None:
    order = await shop.order(card())
    path = path_of(order)
    nobodys = TrackLinks(["somebody else's secret"]).url(order["id"])
    async with visiting(shop, **{"Accept-Language": accepts}) as anyone:
        for wrong in (
            MADE_UP,
            str(nobodys),
            path[:-1],
            path.replace("-", ""),
            f"{path}x",
            "/track/%00",
        ):
            for suffix in ("", "/stream"):
                answer = await anyone.get(wrong + suffix)
                assert answer.status_code == 404, wrong
                assert f"<h1>{title}</h1>" in answer.text
                assert answer.headers["cache-control"] == "no-store"
            assert (await anyone.post(f"{wrong}/cancel")).status_code == 404


async def test_a_page_is_of_one_order_and_tells_nothing_of_another(shop: Shop) -> None:
    one, other = await shop.order(card()), await shop.order(card())
    async with visiting(shop) as buyer:
        page = (await buyer.get(path_of(one))).text
    assert one["id"] in page
    assert other["id"] not in page
    assert other["id"].removeprefix("ord_") not in page


async def test_a_page_may_load_nothing_from_elsewhere_and_is_kept_nowhere(shop: Shop) -> None:
    order = await shop.order(card())
    async with visiting(shop) as buyer:
        answer = await buyer.get(path_of(order))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert '<meta name="robots" content="noindex">' in answer.text
    found = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert found
    assert not [link for link in found if not link.startswith(("/static/", "/track/", "#"))]
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! src=)", answer.text)


@pytest.mark.long
async def test_no_page_has_more_of_a_person_than_it_needs(shop: Shop) -> None:
    """Every ending of an order whose every field is a canary."""
    orders = await Lives(shop).all()
    seen: set[str] = set()
    async with visiting(shop) as buyer:
        for order in orders:
            for language in ("en", "zh"):
                answer = await buyer.get(path_of(order), params={"lang": language})
                assert answer.status_code == 200, order["status"]
                seen |= found_in(unescape(answer.text))
    assert seen == SHOWN
    assert {order["status"] for order in orders} == {
        "returned",
        "rejected",
        "canceled",
        "completed",
    }


async def test_who_holds_an_order_up_and_why_is_not_for_its_buyer(shop: Shop) -> None:
    order = await shop.order(prefer="wait=0")
    held = await shop.ask(order, "hold", {"reason": "looks like a stolen card"})
    assert held.is_success, held.text
    async with visiting(shop) as buyer:
        page = unescape((await buyer.get(path_of(order))).text)
    assert "stolen" not in page
    assert "hold" not in page.lower().replace("household", "")


async def test_whatever_a_shop_calls_its_goods_is_text_on_the_page(stack: LocalStack) -> None:
    sku = "<script>alert(1)</script>{{7*7}}\"'&".ljust(MAX_ID - 8, "x")
    async with Shop(stack, sku=f"{sku}{id(sku) % 10**7}", stocked=True) as shop:
        many = {"items": [{"sku": shop.sku, "on_hand": 9}]}
        (await shop.post("/v1/stock", many)).raise_for_status()
        order = await shop.order(card())
        async with visiting(shop) as buyer:
            page = (await buyer.get(path_of(order))).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page


async def test_who_still_has_to_pay_is_led_to_where_and_told_until_when(shop: Shop) -> None:
    order = await shop.order(payment("boleto"))
    async with visiting(shop) as buyer:
        page = (await buyer.get(path_of(order))).text
        await shop.cancel(order["id"])
        after = (await buyer.get(path_of(order))).text
    link = re.search(r'<a class="button" id="pay" href="(https?://[^"]+)" rel="noreferrer">', page)
    assert link
    assert unescape(link[1]) in str(order["payments"][0]["next_action"])
    assert "Waiting for your payment" in page
    assert "It can be paid until" in page
    assert 'id="pay"' not in after


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://pay.example/slip", True),
        ("javascript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//pay.example/slip", False),
    ],
)
def test_nobody_is_led_but_to_a_page_of_the_web(url: str, is_shown: bool) -> None:
    paid = StoredPayment(
        id="pay_1",
        method="alipay",
        status="requires_action",
        amount=100,
        captured=0,
        refunded=0,
        next_action={"type": "redirect_to_url", "redirect_to_url": {"url": url}},
        expires_at=None,
    )
    assert bool(pay_link(paid)) == is_shown


async def test_a_stream_says_how_many_events_there_are_and_nothing_of_them(shop: Shop) -> None:
    order = await sent(shop)
    path, version = path_of(order), (await shop.get(order["id"]))["version"]
    told: list[str] = []
    async with (
        visiting(shop) as buyer,
        asyncio.timeout(20),
        buyer.stream("GET", f"{path}/stream", params={"known": version}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        await shop.carrier_says(order, "picked_up", location="somewhere")
        async for line in stream.aiter_lines():
            told += [line] if line else []
            if line.startswith("data:") and int(line.partition(":")[2]) > version + 1:
                break
    assert {line.partition(":")[0] for line in told} <= {"id", "event", "data", "retry", ""}
    assert all(re.fullmatch(r"(id|data|retry): \d+|event: changed|:.*", line) for line in told)


async def test_who_claims_to_know_what_has_not_happened_takes_no_news_from_others(
    shop: Shop,
) -> None:
    order = await sent(shop)
    path, version = path_of(order), (await shop.get(order["id"]))["version"]
    async with (
        visiting(shop) as liar,
        visiting(shop) as buyer,
        asyncio.timeout(20),
        liar.stream("GET", f"{path}/stream", params={"known": version + 1_000}) as first,
    ):
        lines = first.aiter_lines()
        assert await anext(lines) == f"id: {version}"
        await asyncio.sleep(0.5)  # until he listens, too
        async with buyer.stream("GET", f"{path}/stream", params={"known": version}) as second:
            await shop.carrier_says(order, "picked_up", location="somewhere")
            async for line in second.aiter_lines():
                if line.startswith("data:") and int(line.partition(":")[2]) > version:
                    break


async def test_who_only_reads_has_no_form_in_either_language(shop: Shop) -> None:
    """An operator looks at it from the console, where whatever he does has his name."""
    order = await shop.order(card())
    path = path_of(order)
    async with visiting(shop) as operator:
        assert "<form" in (await operator.get(path)).text
        for language in ("en", "zh"):
            page = (await operator.get(path, params={"read": "1", "lang": language})).text
            assert "<form" not in page
            assert "read=1&amp;lang=" in page, "the way to the other language"


# --- Limits ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def frugal(stack: LocalStack) -> AsyncIterator[RunningApi]:
    """An API beside the stack's own, on its tables, that gives little."""
    settings = Settings.model_validate(
        {
            "database_url": stack.ready.database,
            "link_secrets": ["of this test"],
            "requests_per_min_per_link": 5,
            "streams_per_link": 2,
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", stack.ready.temporal)
        async with running_api(settings, is_limited=True) as running:
            yield running


def _path(api: RunningApi, order: Json) -> str:
    path = api.services.track_links.url(str(order["id"]))
    assert path is not None
    return path


async def test_a_link_that_is_asked_for_too_often_has_to_wait_and_no_other(
    shop: Shop, frugal: RunningApi
) -> None:
    one, other = await shop.order(card()), await shop.order(card())
    async with frugal.client() as anyone:
        answers = [await anyone.get(_path(frugal, one)) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {200}
        while (answer := await anyone.get(_path(frugal, one))).is_success:
            answers.append(answer)
            assert len(answers) < 50, "nobody said no"
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert "One moment, please" in answer.text
        assert (await anyone.get(_path(frugal, other))).status_code == 200


async def test_a_link_has_only_so_many_streams(shop: Shop, frugal: RunningApi) -> None:
    order = await shop.order(card())
    live, visitor = frugal.services.live, Visitor(str(order["id"]))
    live.admit(visitor)
    live.admit(visitor)
    try:
        async with frugal.client() as anyone:
            answer = await anyone.get(f"{_path(frugal, order)}/stream")
        assert answer.status_code == 429
    finally:
        live.dismiss(visitor)
        live.dismiss(visitor)
    async with frugal.client() as anyone:
        assert (await anyone.get(f"{_path(frugal, order)}/stream")).status_code == 200
    assert live.open_streams == 0


async def test_links_cannot_take_the_streams_of_keys(frugal: RunningApi) -> None:
    hub = Hub(
        frugal.pool,
        frugal.services.settings.model_copy(update={"streams_per_process": 4}),
        frugal.services.known_keys,
    )
    visitors = [Visitor(f"ord_{number}") for number in range(3)]
    for visitor in visitors[:2]:
        hub.admit(visitor)
    with pytest.raises(Problem) as refused:
        hub.admit(visitors[2])
    assert refused.value.kind.code == "streams_full"
    async with frugal.pool.acquire() as connection:
        key = await create_api_key(connection, tenant="streams", scopes=["orders:read"])
    caller = await frugal.services.known_keys.find(key)
    assert caller is not None
    hub.admit(caller)
    hub.admit(caller)
    with pytest.raises(Problem):
        hub.admit(caller)
    hub.dismiss(caller)
    with pytest.raises(Problem):
        hub.admit(visitors[2])
    hub.dismiss(visitors[0])
    hub.admit(visitors[2])


async def test_an_api_without_a_secret_has_no_such_pages(shop: Shop, stack: LocalStack) -> None:
    order = await shop.order(card())
    async with (
        running_api(Settings(database_url=stack.ready.database)) as bare,
        bare.client(stack.ready.keys.ops) as seller,
    ):
        shown = (await seller.get(f"/v1/orders/{order['id']}")).json()
        assert shown["links"]["track"] is None
        assert shown["links"]["tracking"] == f"/v1/orders/{order['id']}/tracking"
        assert (await seller.get(path_of(order))).status_code == 404
