"""A buyer with his order's page open, in a real browser: it follows the order by itself."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from playwright.async_api import Page, Route, expect

from tests.pages.conftest import OpenPage, Watch
from tests.pages.tracking import path_of
from tests.saga.shop import Json, Shop, card, payment

pytestmark = pytest.mark.long

WITHIN_MS: Final = 20_000  # a carrier's word goes through its webhook, a workflow, and our stream
expect.set_options(timeout=WITHIN_MS)

SAYS: Final = {
    "en": {
        "confirmed": "Your order is confirmed",
        "shipped": "Your parcel is on its way",
        "news": "News of your order: Your parcel is on its way",
        "lead": "Out for delivery: it should come today",
        "expects": "The carrier expects it on November 24, 2030.",
        "arrived": "It arrived on",
        "stars": "4 stars: good",
        "words": "Your words (optional)",
        "send": "Send the review",
        "thanks": "Thank you for your review.",
        "reviewed": "Your review: 4 of 5 stars. Thank you.",
        "asked": "Return asked for",
    },
    "zh": {
        "confirmed": "订单已确认",
        "shipped": "您的包裹已在途中",
        "news": "订单有新动态：您的包裹已在途中",
        "lead": "派送中，预计今天送达",
        "expects": "承运商预计2030年11月24日送达。",
        "arrived": "已于",
        "stars": "4 星：好",
        "words": "您的评价（选填）",
        "send": "提交评价",
        "thanks": "感谢您的评价。",
        "reviewed": "您的评价：4 星（满分 5 星）。感谢您。",
        "asked": "已申请退货",
    },
}


async def sent(shop: Shop, *payments: Json) -> Json:
    """A confirmed order whose carrier was told to come."""
    order = await shop.order(*(payments or [card()]), carrier="sandbox")
    assert order["status"] == "confirmed", order["failure"]
    await shop.until_released(order["id"])
    return order


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_buyer_follows_an_order_live_to_delivered_and_reviews_it(
    shop: Shop, page: Page, language: str
) -> None:
    says = SAYS[language]
    order = await sent(shop)
    await page.goto(f"{path_of(order)}?lang={language}")
    headline = page.get_by_role("heading", level=1)
    await expect(headline).to_have_text(says["confirmed"])

    await shop.carrier_says(
        order, "picked_up", location="São Paulo", estimated_at="2030-11-24T12:00:00Z"
    )
    await expect(headline).to_have_text(says["shipped"])
    await expect(page.locator("#news")).to_have_text(says["news"])
    await expect(page.locator("#part-arrival")).to_contain_text(says["expects"])
    await expect(page.locator("#part-story li").first).to_contain_text("São Paulo")

    await shop.carrier_says(order, "out_for_delivery", location="Recife")
    await expect(page.locator(".track-lead")).to_contain_text(says["lead"])
    await shop.carrier_says(order, "delivered", location="Recife")
    await expect(page.locator("#part-arrival")).to_contain_text(says["arrived"])

    # The window after the delivery ends by itself; then it can be reviewed.
    await page.get_by_label(says["stars"]).check()
    await page.get_by_label(says["words"]).fill("came quickly")
    await page.get_by_role("button", name=says["send"]).click()
    await expect(page.locator("#said")).to_have_text(says["thanks"])
    await expect(page.locator("#said")).to_be_focused()
    await expect(page.locator("#part-goods")).to_contain_text(says["reviewed"])
    assert await page.locator("html").get_attribute("lang") == language
    review = (await shop.get(order["id"]))["review"]
    assert (review["rating"], review["comment"]) == (4, "came quickly")

    # The page that a form leads to is live, too.
    answer = await shop.ask(order, "returns", {"reason": "too small"})
    assert answer.is_success, answer.text
    await expect(page.locator("#part-story li").first).to_contain_text(says["asked"])


async def test_what_somebody_writes_stays_when_the_order_moves(shop: Shop, page: Page) -> None:
    order = await shop.delivered(await sent(shop))
    await shop.until(order["id"], lambda o: o["status"] == "completed")
    await page.goto(path_of(order))
    comment = page.get_by_label("Your words (optional)")
    await comment.fill("It came qui")

    answer = await shop.ask(order, "returns", {"reason": "too small"})
    assert answer.is_success, answer.text
    await expect(page.locator("#part-story li").first).to_contain_text("Return asked for")
    await expect(page.locator("#part-actions")).to_contain_text("What you send may not fit")
    await expect(comment).to_be_focused()
    await comment.press_sequentially("ckly")
    await expect(comment).to_have_value("It came quickly")
    await page.get_by_label("5 stars").check()
    await page.get_by_role("button", name="Send the review").click()
    await expect(page.locator("#said")).to_have_text("Thank you for your review.")
    assert (await shop.get(order["id"]))["review"]["comment"] == "It came quickly"


async def test_who_reads_on_keeps_his_place(shop: Shop, page: Page) -> None:
    order = await shop.order(payment("boleto"))
    await page.goto(path_of(order))
    pay = page.get_by_role("link", name="Pay now")
    await pay.focus()
    await shop.ask(order, "cancel", {"reason": "asked for"})
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your order is canceled")
    await expect(pay).to_have_count(0)
    await expect(page.locator("#part-actions")).to_contain_text("There is nothing you have to do.")
    await expect(page.locator("#part-arrival")).to_be_hidden()


async def test_a_line_that_broke_is_taken_up_again_and_nothing_is_missed(
    shop: Shop, page: Page, watch: Watch
) -> None:
    order = await sent(shop)
    await page.goto(path_of(order))
    headline = page.get_by_role("heading", level=1)
    await expect(headline).to_have_text("Your order is confirmed")
    watch.expects("ERR_INTERNET_DISCONNECTED")
    watch.expects("ERR_NETWORK_CHANGED")
    await page.context.set_offline(True)
    await page.evaluate("window.dispatchEvent(new Event('pagehide'))")  # as a phone that sleeps
    await shop.carrier_says(order, "picked_up")
    await shop.until(order["id"], lambda o: o["status"] == "shipped")
    await expect(headline).to_have_text("Your order is confirmed")
    await page.context.set_offline(False)
    await page.evaluate("window.dispatchEvent(new Event('pageshow'))")
    await expect(headline).to_have_text("Your parcel is on its way")


async def test_a_look_that_failed_is_taken_again_though_nothing_more_happens(
    shop: Shop, page: Page, watch: Watch
) -> None:
    order = await sent(shop)
    await page.goto(path_of(order))
    headline = page.get_by_role("heading", level=1)
    await expect(headline).to_have_text("Your order is confirmed")
    refused = asyncio.Event()

    async def refuse(route: Route) -> None:
        refused.set()
        await route.fulfill(status=503, body="away")

    watch.expects("503")
    address = page.url
    await page.route(address, refuse)
    await shop.carrier_says(order, "picked_up")
    await shop.until(order["id"], lambda o: o["status"] == "shipped")
    await asyncio.wait_for(refused.wait(), WITHIN_MS / 1_000)
    await asyncio.sleep(1)  # the last of what happened was told, and its look refused, too
    await expect(headline).to_have_text("Your order is confirmed")
    await page.unroute(address)
    await expect(headline).to_have_text("Your parcel is on its way")


async def test_nobody_who_does_not_look_is_told(shop: Shop, page: Page) -> None:
    """A page in the background asks for nothing: no line is open, and nothing is polled."""
    order = await sent(shop)
    asked: list[str] = []
    await page.goto(path_of(order))
    await expect(page.locator("#headline")).to_have_text("Your order is confirmed")
    await page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.on("request", lambda request: asked.append(request.url))
    await shop.carrier_says(order, "picked_up")
    await shop.until(order["id"], lambda o: o["status"] == "shipped")
    await page.wait_for_timeout(1_500)
    assert asked == []
    await page.evaluate(
        "Object.defineProperty(document, 'hidden', {value: false, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    await expect(page.locator("#headline")).to_have_text("Your parcel is on its way")


async def test_times_are_in_the_readers_own_zone_and_say_so(
    shop: Shop, open_page: OpenPage
) -> None:
    order = await sent(shop)
    page = await open_page(locale="en-US", timezone_id="Asia/Tokyo")
    await page.goto(path_of(order))
    await expect(page.locator("#part-story time").first).to_contain_text("GMT+9")
    plain = await open_page(java_script_enabled=False)
    await plain.goto(path_of(order))
    await expect(plain.locator("#part-story time").first).to_contain_text("UTC")
