"""`python -m tests.pages.console_shots docs/images`: the console's pictures, from a stack of its own.

Takes as long as the line of the last five minutes needs to have something to show.
"""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from cli.stack.stack import LocalStack
from tests.saga.shop import Json, Shop, card, payment

FLOW_S: Final = 290
LEAST_PER_S: Final = 0.4
MOST_PER_S: Final = 1.3
SWING_S: Final = 30
SIZES: Final = {
    "overview": {"width": 1280, "height": 1060},
    "order": {"width": 1280, "height": 1180},
    "attention": {"width": 1280, "height": 640},
}
SETTLED_MS: Final = 1_000
MOST_BYTES: Final = 250_000
SKUS: Final = ("tea-green", "tea-oolong", "mug-blue")


async def _troubled(shop: Shop) -> Json:
    """Its carrier refuses it, and one of its payments is not given back."""
    await shop.post(
        "/v1/vouchers", {"code": "gift-1", "amount": {"amount": 2_000, "currency": "BRL"}}
    )
    order = await shop.order(
        payment("voucher", "gift-1", 300),
        card("tok_refund_unavailable"),
        carrier="sandbox",
        service="ship_refused",
        customer="c-1042",
        lines=[("mug-blue", 3)],
        prefer="respond-async",
    )
    return await shop.until(order["id"], lambda o: o["attention"] is not None, within_s=90)


async def _kept_by_its_carrier(shop: Shop) -> Json:
    order = await shop.order(
        card(), carrier="sandbox", service="ship_cancel_unavailable", lines=[("tea-green", 1)]
    )
    await shop.ask(order, "cancel", {"reason": "too late for the party"}, Prefer="wait=0")
    return await shop.until(order["id"], lambda o: o["attention"] is not None, within_s=90)


async def _sell(shop: Shop) -> None:
    """A morning of a small shop, in five minutes."""
    begun_s, placed = time.monotonic(), set()
    mean, swing = (MOST_PER_S + LEAST_PER_S) / 2, (MOST_PER_S - LEAST_PER_S) / 2
    while (passed_s := time.monotonic() - begun_s) < FLOW_S:
        order = shop.order(
            card(random.choice(["tok_ok"] * 14 + ["tok_declined"])),
            carrier=random.choice(["merchant", "sandbox"]),
            lines=[(random.choice(SKUS), random.randint(1, 3))],
            prefer="wait=0",
        )
        placed.add(asyncio.create_task(order))
        await asyncio.sleep(1 / (mean + swing * math.sin(passed_s / SWING_S)))
    await asyncio.gather(*placed)


async def _take(
    browser: Browser, stack: LocalStack, target: Path, scheme: str, paths: dict[str, str]
) -> None:
    context = await browser.new_context(
        base_url=stack.ready.api,
        color_scheme=scheme,  # type: ignore[arg-type]
        locale="en-US",
    )
    page = await context.new_page()
    await page.goto("/console")
    await page.get_by_label("Who are you?").fill("Ana Souza")
    await page.get_by_label("API key").fill(stack.ready.keys.ops)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/console")
    for name, path in paths.items():
        await page.set_viewport_size(SIZES[name])  # type: ignore[arg-type]
        await page.goto(path)
        await page.wait_for_timeout(SETTLED_MS)
        file = target / f"console-{name}{'' if scheme == 'light' else '-dark'}.png"
        await page.screenshot(path=file)
        size_bytes = file.stat().st_size
        print(f"{file}: {size_bytes / 1000:.0f} kB")
        assert size_bytes < MOST_BYTES
    await context.close()


async def main(target: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-shots-"))
    home.chmod(0o711)  # noqa: ASYNC240
    try:
        async with (
            LocalStack(data_dir=home / "data", port=0, keep_data=False) as stack,
            Shop(stack, sku=SKUS[0]) as shop,
            async_playwright() as playwright,
        ):
            for sku in SKUS[1:]:
                await shop.put_stock(sku, 1_000)
            troubled = await _troubled(shop)
            await _kept_by_its_carrier(shop)
            for _ in range(3):
                await shop.order(payment("boleto"))
            await _sell(shop)
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            paths = {
                "overview": "/console",
                "order": f"/console/orders/{troubled['id']}",
                "attention": "/console/attention",
            }
            for scheme in ("light", "dark"):
                await _take(browser, stack, target, scheme, paths)
            await browser.close()
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
