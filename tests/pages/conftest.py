"""Pages as people have them: a real Chromium on a running stack, and nothing in its console at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, Response, async_playwright

from cli.stack.stack import LocalStack
from tests.api.conftest import api, database, postgres, temporal_away, tenant
from tests.saga.shop import Shop

__all__ = [
    "api",
    "database",
    "postgres",
    "temporal_away",
    "tenant",
]  # fixtures of the API without an engine

NEEDED: Final = (
    "ORDERSAGA_TESTS_NEED_CHROMIUM"  # set where skipping these tests would hide something
)
PATIENCE_MS: Final = 15_000  # for anything to be on a page; two cores are shared with a whole stack
LEFT: Final = "net::ERR_ABORTED"  # whoever leaves a page ends its live stream
# Says each violation of the policy in the console, where a test sees it.
_TELLS_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Watch:
    """What a page should not have said. `expects`: parts of what it says because of the test itself."""

    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expects(self, part: str) -> None:
        """A complaint with this in it is meant: a 404 that was looked for."""
        self.expected.append(part)

    def follow(self, page: Page) -> None:
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("requestfailed", self._note_failed)
        page.on("response", self._note_response)

    def check(self) -> None:
        """Raises `AssertionError` where something was said that nobody expected."""
        found = [c for c in self.complaints if not any(part in c for part in self.expected)]
        assert not found, "\n".join(found)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "")
            self.complaints.append(f"console {message.type}: {message.text} ({where})")

    def _note_failed(self, request: Request) -> None:
        if request.failure != LEFT:
            self.complaints.append(f"failed: {request.method} {request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.request.method} {response.url}")


OpenPage: TypeAlias = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium; without one these tests are skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        assert not os.environ.get(NEEDED), f"{NEEDED}: there is no chromium"
        pytest.skip("no chromium is installed")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=found, args=as_root)
        yield running
        await running.close()


@pytest.fixture
def watch() -> Watch:
    """What the pages of a test complain of."""
    return Watch()


@pytest.fixture
async def open_page(browser: Browser, stack: LocalStack, watch: Watch) -> AsyncIterator[OpenPage]:
    """`await open_page(locale="zh-CN", **devices["Pixel 7"])`: a browser of its own, without cookies.

    Its addresses are the API's: `page.goto("/console")`. At the end nothing was said in any console,
    no policy violated, no request failed, but for what `watch.expects`.
    """
    contexts = []

    async def open_one(**options: Any) -> Page:
        context = await browser.new_context(base_url=stack.ready.api, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(_TELLS_VIOLATIONS)
        page = await context.new_page()
        watch.follow(page)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    watch.check()


@pytest.fixture
async def page(open_page: OpenPage) -> Page:
    """A desktop's browser, in English."""
    return await open_page(locale="en-US")


@pytest.fixture
async def shop(stack: LocalStack) -> AsyncIterator[Shop]:
    """The storefront whose orders are looked at, its staff, its carrier."""
    async with Shop(stack) as shop:
        yield shop
