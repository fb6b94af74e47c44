"""`python -m tests.pages.shots docs/images`: the pictures of orders' pages, from a stack of its own."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from adapters.postgres.analytics import import_past_orders
from adapters.postgres.pool import connect_pool, transaction
from cli.stack.stack import DEMO_TENANT, LocalStack
from ordersaga.analytics.past_orders import PastOrder, RecordedStatus
from tests.saga.shop import Json, Shop, card, payment

PHONE: Final = {"width": 390, "height": 844}
DESKTOP: Final = {"width": 1180, "height": 860}
DAY: Final = timedelta(days=1)
PAST: Final = 200
SETTLED_MS: Final = 1_000
MOST_BYTES: Final = 200_000
SETTINGS: Final = {"shop_name": "Casa Verde"}


async def _bring_a_past(stack: LocalStack) -> None:
    """Orders of the shop's, before it came to us: handed over after two days, here after three to nine."""
    begun = datetime(2026, 3, 2, 12, tzinfo=UTC)
    past = tuple(
        PastOrder(
            reference=f"past-{number}",
            status=RecordedStatus.DELIVERED,
            purchased_at=begun,
            approved_at=begun,
            handed_to_carrier_at=begun + 2 * DAY,
            delivered_at=begun + 3 * DAY + 6 * DAY * number / PAST,
        )
        for number in range(PAST)
    )
    pool = await connect_pool(stack.ready.database, size=1, application_name="shots")
    async with transaction(pool) as connection:
        await import_past_orders(connection, tenant=DEMO_TENANT, past=past)
    await pool.close()


async def _on_its_way(shop: Shop) -> Json:
    order = await shop.order(
        card(), carrier="sandbox", lines=[("mug-blue", 2), ("tea-oolong-250g", 1)]
    )
    await shop.until_released(order["id"])
    promised = (datetime.now(UTC) + 4 * DAY).isoformat()
    await shop.carrier_says(order, "picked_up", location="São Paulo", estimated_at=promised)
    await shop.carrier_says(order, "in_transit", location="Salvador")
    return await shop.until(
        order["id"], lambda o: o["shipments"][0]["tracking_status"] == "in_transit"
    )


async def _delivered(shop: Shop) -> Json:
    order = await _on_its_way(shop)
    await shop.carrier_says(order, "delivered", location="Recife")
    await shop.until(order["id"], lambda o: o["status"] == "delivered")
    await shop.ask(order, "confirm-receipt")
    return await shop.until(order["id"], lambda o: o["status"] == "completed")


async def _to_pay(shop: Shop) -> Json:
    return await shop.order(payment("boleto"), lines=[("mug-blue", 2), ("tea-oolong-250g", 1)])


async def _declined(shop: Shop) -> Json:
    return await shop.order(card("tok_declined"), lines=[("mug-blue", 2)])


# Name → whose page, how wide, by day or night, in which language, and where it is scrolled to.
SHOTS: Final[dict[str, tuple[Callable[[Shop], Awaitable[Json]], dict[str, int], str, str, str]]] = {
    "track-desktop-light-en": (_on_its_way, DESKTOP, "light", "en", ""),
    "track-desktop-dark-zh": (_on_its_way, DESKTOP, "dark", "zh", ""),
    "track-phone-light-zh": (_on_its_way, PHONE, "light", "zh", ""),
    "track-phone-dark-en": (_on_its_way, PHONE, "dark", "en", ""),
    "track-phone-pay-light-en": (_to_pay, PHONE, "light", "en", ""),
    "track-phone-review-dark-en": (_delivered, PHONE, "dark", "en", "#form-review"),
    "track-desktop-declined-light-en": (_declined, DESKTOP, "light", "en", ""),
}


async def _take(browser: Browser, shop: Shop, target: Path, name: str) -> None:
    place, size, scheme, language, at = SHOTS[name]
    order = await place(shop)
    page = await browser.new_page(
        viewport=size,  # type: ignore[arg-type]
        color_scheme=scheme,  # type: ignore[arg-type]
        locale=language,
    )
    await page.goto(f"{order['links']['track']}?lang={language}")
    await page.wait_for_timeout(SETTLED_MS)
    if at:
        await page.locator(at).evaluate("(e) => e.scrollIntoView({block: 'start'})")
    file = target / f"{name}.png"
    await page.screenshot(path=file)
    await page.close()
    size_bytes = file.stat().st_size
    print(f"{file}: {size_bytes / 1000:.0f} kB")
    assert size_bytes < MOST_BYTES


async def main(target: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-shots-"))
    home.chmod(0o711)  # noqa: ASYNC240
    found = shutil.which("chromium")
    try:
        async with (
            LocalStack(data_dir=home / "data", port=0, keep_data=False, settings=SETTINGS) as stack,
            Shop(stack, sku="mug-blue") as shop,
            async_playwright() as playwright,
        ):
            await shop.put_stock("tea-oolong-250g", 1_000)
            await _bring_a_past(stack)
            browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            for name in SHOTS:
                await _take(browser, shop, target, name)
            await browser.close()
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
