"""The console as an operator has it: in a browser, on a running stack."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Final

import pytest
from playwright.async_api import Page, expect

from cli.stack.stack import LocalStack
from tests.pages.conftest import OpenPage, Watch
from tests.saga.shop import Json, Shop, card

pytestmark = pytest.mark.long

OPERATOR: Final = "Ana Souza"
WHY: Final = "the bank is back, says its hotline"
PAGE: Final = 25
REFRESHED_WITHIN_MS: Final = 40_000  # a page that refreshes itself, on a machine with much to do


async def sign_in(page: Page, stack: LocalStack, *, at: str = "/console") -> None:
    await page.goto(at)
    await page.get_by_label("Who are you?").fill(OPERATOR)
    await page.get_by_label("API key").fill(stack.ready.keys.ops)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def stuck(shop: Shop) -> Json:
    """An order that cannot be undone: one bank said no, and the other does not give back what it holds."""
    order = await shop.order(
        card("tok_refund_unavailable", 400),
        card("tok_capture_declined", 600),
        prefer="respond-async",
    )
    return await shop.until(order["id"], lambda o: o["attention"] is not None)


async def mend(shop: Shop, order: Json) -> None:
    """The bank gives back again."""
    for intent in (await shop.books(order["id"])).intents:
        answer = await shop.provider.post(
            "/test/refunds/restore", json={"payment_intent": intent["id"]}
        )
        answer.raise_for_status()


async def test_an_operator_finds_an_order_in_attention_retries_it_and_it_ends(
    page: Page, shop: Shop, stack: LocalStack
) -> None:
    order = await stuck(shop)
    await sign_in(page, stack)
    await page.get_by_role("link", name="Attention").first.click()
    await page.get_by_role("link", name=order["id"]).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(order["id"])
    to_read = page.get_by_role("link", name="As its buyer sees it")
    await expect(to_read).to_have_attribute("href", re.compile(r"/track/.+\?read=1$"))
    drawing = page.get_by_role("img", name="The saga of this order")
    await expect(drawing).to_contain_text("undo")
    await expect(drawing.locator(".box.attention")).to_have_count(1)

    await page.get_by_label("Why, for the history").fill(WHY)
    await page.get_by_role("button", name="Retry now").click()
    await expect(page.get_by_role("status").first).to_contain_text("Your answer is on its way")
    await mend(
        shop, order
    )  # not before: this stack tries every two seconds, and may be quicker than a hand
    standing = page.get_by_label("How it stands")
    await expect(standing).to_contain_text("rejected", timeout=REFRESHED_WITHIN_MS)
    await expect(standing).to_contain_text("It is over")
    await expect(page.get_by_role("heading", name="A step keeps failing")).to_have_count(0)
    await expect(drawing.locator(".box.undone")).to_have_count(4)
    history = page.get_by_role("region", name="History")
    await expect(history).to_contain_text(f"{OPERATOR} (key_")
    await expect(history).to_contain_text(f"“{WHY}”")
    await expect(page.get_by_role("region", name="What operators did")).to_contain_text(WHY)

    events = (await shop.api.get(f"/v1/orders/{order['id']}/events")).json()["events"]
    (answered,) = [e["data"] for e in events if e["type"] == "attention.answered"]
    assert answered["by"].startswith(f"{OPERATOR} (key_")
    assert (answered["action"], answered["note"]) == ("retry", WHY)
    await shop.assert_clean_slate(await shop.get(order["id"]))


async def test_a_page_that_is_looked_at_refreshes_itself_and_leaves_what_is_being_written(
    page: Page, shop: Shop, stack: LocalStack, watch: Watch
) -> None:
    watch.expects("409")
    order = await shop.order(card())
    await sign_in(page, stack, at=f"/console/orders/{order['id']}")
    await page.locator("#move-cancel summary").click()
    await page.locator("#cancel-reason").fill("half a sen")
    await shop.ask(order, "cancel", {"reason": "no more"}, Prefer="wait=20")
    standing = page.get_by_label("How it stands")
    await expect(standing).to_contain_text("canceled", timeout=REFRESHED_WITHIN_MS)
    await expect(page.locator("#cancel-reason")).to_have_value("half a sen")
    await page.locator("#move-cancel").get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_contain_text("takes no cancel")
    at = f"{stack.ready.api}/console/orders/{order['id']}"
    await expect(page).to_have_url(at)  # which it asks for again; a form's own address takes no GET


async def test_on_a_telephone_no_page_is_wider_than_it_and_a_list_tells_what_matters(
    open_page: OpenPage, shop: Shop, stack: LocalStack
) -> None:
    order = await stuck(shop)
    page = await open_page(viewport={"width": 390, "height": 844})
    await sign_in(page, stack)
    for path in ("", "/orders", "/attention", "/deliveries", f"/orders/{order['id']}"):
        await page.goto(f"/console{path}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
        bar = await page.locator(".bar-inside").bounding_box()
        assert bar is not None
        assert bar["height"] < 80, "one row"
    await page.get_by_text("Skip for good…").click()
    await expect(page.get_by_role("button", name="Skip for good")).to_be_visible()
    moves = await page.get_by_role("region", name="What you may do").bounding_box()
    history = await page.get_by_role("region", name="History").bounding_box()
    assert moves is not None
    assert history is not None
    assert moves["y"] < history["y"]
    await page.goto(f"/console/orders?q={order['id']}")
    row = page.locator("table.orders tbody th")
    await expect(row.get_by_text("attention")).to_be_visible()
    await expect(row.get_by_text("compensating")).to_be_visible()


async def test_orders_are_found_by_what_somebody_has_in_his_hand(
    page: Page, shop: Shop, stack: LocalStack
) -> None:
    customer, reference = f"c-{uuid.uuid4().hex[:8]}", f"web-{uuid.uuid4().hex[:8]}"
    body = {
        "customer": {"id": customer},
        "currency": "BRL",
        "lines": [
            {"sku": shop.sku, "quantity": 1, "unit_price": {"amount": 500, "currency": "BRL"}}
        ],
        "shipping_address": {"country": "BR"},
        "shipping": {"carrier": "sandbox"},
        "payments": [card()],
        "metadata": {"reference": reference},
    }
    order = (await shop.post("/v1/orders", body, Prefer="wait=20")).json()
    number = (await shop.get(order["id"]))["shipments"][0]["tracking_number"]
    assert number
    await sign_in(page, stack, at="/console/orders")
    for text in (order["id"], customer, reference, number, shop.sku):
        await page.get_by_label("Find", exact=True).fill(text)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"[?&]q={text}"))
        rows = page.locator("table.orders tbody tr")
        await expect(rows).to_have_count(1)
        await expect(rows.get_by_role("link")).to_have_attribute(
            "href", f"/console/orders/{order['id']}"
        )
    await page.get_by_label("Status", exact=True).select_option("rejected")
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_text("No order is like that.")).to_be_visible()


async def test_a_list_is_narrowed_and_paged(page: Page, shop: Shop, stack: LocalStack) -> None:
    customer = f"c-{uuid.uuid4().hex[:8]}"
    orders = await asyncio.gather(
        *(shop.order(card(), customer=customer, prefer="wait=0") for _ in range(PAGE + 3))
    )
    ids = sorted((order["id"] for order in orders), reverse=True)
    await shop.ask(orders[0], "cancel", {"reason": "one of them"}, Prefer="wait=20")
    await shop.until_final(orders[0]["id"])
    await sign_in(page, stack, at=f"/console/orders?q={customer}")
    links = page.locator("table.orders tbody th a")

    async def shown() -> list[str]:
        hrefs = [await link.get_attribute("href") for link in await links.all()]
        return [str(href).rpartition("/")[2] for href in hrefs]

    assert await shown() == ids[:PAGE]
    await page.get_by_role("link", name="Older").click()
    await expect(links).to_have_count(3)
    assert await shown() == ids[PAGE:]
    await page.get_by_role("link", name="Newest").click()
    await expect(links).to_have_count(PAGE)
    await page.get_by_label("Waits for").select_option(label="the merchant")
    await page.get_by_role("button", name="Find").click()
    await expect(page).to_have_url(re.compile("waiting=merchant"))
    assert orders[0]["id"] not in await shown()
    await page.goto(f"/console/orders?q={customer}&status=canceled")
    assert await shown() == [orders[0]["id"]]
    await page.goto(f"/console/orders?q={customer}&until=2020-01-01")
    await expect(page.get_by_text("No order is like that.")).to_be_visible()


async def test_without_a_script_everything_can_be_read_and_done(
    open_page: OpenPage, shop: Shop, stack: LocalStack
) -> None:
    order = await shop.order(card())
    page = await open_page(java_script_enabled=False)
    await sign_in(page, stack, at=f"/console/orders/{order['id']}")
    await page.locator("#move-cancel summary").click()
    await page.locator("#cancel-reason").fill("he called us")
    await page.locator("#move-cancel").get_by_role("button").click()
    await expect(page.get_by_role("status")).to_contain_text("The cancel is asked for")
    await shop.until_final(order["id"])
    await page.reload()
    await expect(page.get_by_label("How it stands")).to_contain_text("canceled")
    history = page.get_by_role("region", name="History")
    await expect(history).to_contain_text(f"by {OPERATOR} (key_")
    acts = page.get_by_role("region", name="What operators did")
    await expect(acts).to_contain_text("“he called us”")
    await page.get_by_text("The same as a table").click()
    table = page.get_by_role("table", name="Each participant’s steps, in order")
    await expect(table.get_by_role("row", name="Decision")).to_contain_text("confirm")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_has_a_name_a_contrast_and_its_place_in_the_order_of_keys(
    open_page: OpenPage, shop: Shop, stack: LocalStack, scheme: str
) -> None:
    order = await shop.order(prefer="wait=0")
    page = await open_page(color_scheme=scheme)
    await sign_in(page, stack)
    paths = ["", "/orders", "/attention", "/deliveries", f"/orders/{order['id']}"]
    for path in paths:
        await page.goto(f"/console{path}")
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        assert await page.evaluate(NAMELESS) == [], path
        assert await page.evaluate(PALE) == [], path
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()


# Fields, buttons and links that nothing names.
NAMELESS: Final = """() => [...document.querySelectorAll(
  "input:not([type=hidden]), select, button, a, summary")]
  .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label")))
  .map((one) => one.outerHTML)"""

# Texts with less than 4.5 : 1 on what is behind them (WCAG 2.2, AA).
PALE: Final = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = new Set();
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    const is_text = walker.currentNode.textContent.trim() && !one.closest("svg, script, option");
    if (!is_text || !one.checkVisibility()) continue;
    const [a, b] = [light(parts(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.add(one.outerHTML.slice(0, 200));
  }
  return [...found];
}"""
