"""An order's page for everybody: by eye, keyboard and screen reader, on a small phone, by day and night."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, expect

from tests.pages.conftest import OpenPage
from tests.pages.test_track_live import sent
from tests.pages.tracking import path_of
from tests.saga.shop import Json, Shop, card, payment

pytestmark = pytest.mark.long

STYLE: Final = Path(__file__).parents[2] / "api" / "pages" / "static" / "style.css"
LEAST_CONTRAST: Final = 4.5  # WCAG 2.2 AA, for text
LEAST_OF_BORDERS: Final = 3.0  # … for what tells where to write
LEAST_TARGET_PX: Final = 24  # WCAG 2.5.8

# Text → what it stands on.
TEXTS: Final = [
    *((text, ground) for text in ("text", "quiet", "accent") for ground in ("ground", "surface")),
    *(
        (tone, ground)
        for tone in ("good", "wait", "bad")
        for ground in (f"{tone}-ground", "surface")
    ),
    ("text", "raised"),
    ("quiet", "raised"),
    ("on-accent", "accent"),
]


def _palettes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root\s*{([^}]*)}", STYLE.read_text("utf-8"))
    colours = {
        name: dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", rules))
        for name, rules in (("light", light), ("dark", dark))
    }
    return {"light": colours["light"], "dark": {**colours["light"], **colours["dark"]}}


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """By WCAG's formula, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS)
def test_every_text_can_be_read_by_day_and_by_night(scheme: str, text: str, ground: str) -> None:
    palette = _palettes()[scheme]
    assert contrast(palette[text], palette[ground]) >= LEAST_CONTRAST


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_to_write_can_be_seen(scheme: str) -> None:
    palette = _palettes()[scheme]
    assert contrast(palette["quiet"], palette["surface"]) >= LEAST_OF_BORDERS


async def reviewable(shop: Shop) -> Json:
    """Its page has the most to fill in."""
    order = await shop.delivered(await sent(shop))
    return await shop.until(order["id"], lambda o: o["status"] == "completed")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_everything_that_can_be_filled_in_or_pressed_has_a_name(
    shop: Shop, page: Page, language: str
) -> None:
    await page.goto(f"{path_of(await reviewable(shop))}?lang={language}")
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("input, select, textarea, button, a, summary")]
             .filter((e) => e.type !== "hidden")
             .filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()))
             .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    ids = await page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids)), "a label would lead to another's field"
    assert await page.evaluate("() => document.querySelectorAll('h1').length") == 1
    assert await page.evaluate(
        """() => [...document.querySelectorAll("[aria-labelledby]")]
             .every((e) => document.getElementById(e.getAttribute("aria-labelledby")))"""
    )
    assert await page.locator("html").get_attribute("lang") == language


async def test_an_order_is_reviewed_by_keyboard_alone(shop: Shop, page: Page) -> None:
    order = await reviewable(shop)
    await page.goto(path_of(order))
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the order")).to_be_focused()
    await page.keyboard.press("Enter")
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await page.evaluate("() => document.activeElement.name === 'rating'"):
            break
    await page.keyboard.press("ArrowDown")  # from five stars to four
    await page.keyboard.press("Tab")
    await page.keyboard.type("by keyboard")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Send the review")).to_be_focused()
    outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "whoever cannot point sees where he is"
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text("Thank you for your review.")
    review = (await shop.get(order["id"]))["review"]
    assert review["comment"] == "by keyboard"
    assert review["rating"] < 5


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
async def test_nothing_is_cut_off_or_scrolls_sideways(
    shop: Shop, open_page: OpenPage, width: int, language: str
) -> None:
    orders = [
        await shop.order(payment("boleto")),
        await shop.order(card("tok_declined")),
        await shop.order(card()),
    ]
    page = await open_page(viewport={"width": width, "height": 700})
    for order in orders:
        await page.goto(f"{path_of(order)}?lang={language}")
        await page.evaluate(
            "document.querySelectorAll('details').forEach((e) => { e.open = true; })"
        )
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        small = await page.evaluate(
            """(least) => [...document.querySelectorAll("a, button, summary, select, textarea, input")]
                  .filter((e) => e.type !== "hidden" && e.type !== "radio" && !e.matches(".skip"))
                  .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
                  .filter(([_, r]) => r.width && Math.min(r.width, r.height) < least)""",
            LEAST_TARGET_PX,
        )
        assert small == [], "a finger does not find it"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_page_says_the_same_without_a_script(
    shop: Shop, open_page: OpenPage, language: str
) -> None:
    order = await reviewable(shop)
    texts = []
    for has_script in (True, False):
        page = await open_page(java_script_enabled=has_script)
        await page.goto(f"{path_of(order)}?lang={language}")
        await expect(page.locator("#part-story li").first).to_be_visible()
        parts = page.locator(".track-what, .track-place, h1, h2, dd, .track-lead, tbody, tfoot")
        texts.append(await parts.all_inner_texts())
    assert texts[0] == texts[1]
    assert len(texts[0]) > 15


async def test_night_is_dark_and_day_is_light(shop: Shop, open_page: OpenPage) -> None:
    order = await shop.order(card())
    grounds = {}
    for scheme in ("light", "dark"):
        page = await open_page(color_scheme=scheme)
        await page.goto(path_of(order))
        shown = await page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", shown))
        grounds[scheme] = red + green + blue
    assert grounds["light"] > 600
    assert grounds["dark"] < 150
