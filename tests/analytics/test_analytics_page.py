"""The console's page of figures: a table with the number in each cell, and colours by classes alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import httpx
import pytest

from adapters.postgres.analytics import import_past_orders
from adapters.postgres.pool import transaction
from api.pages.analytics import (
    BAR_WIDTH,
    HEATS,
    find_forecast,
    funnel_view,
    matrix_view,
    percent,
)
from ordersaga.analytics.fit import STATES, fit
from ordersaga.analytics.past_orders import course_of
from ordersaga.lifecycle import STATUS
from tests.analytics.conftest import ALL_SCOPES
from tests.analytics.timelines import invented_past
from tests.api.calls import fresh, placed
from tests.api.lives import confirmed
from tests.api.running import RunningApi, make_key

PAST: Final = invented_past(600, seed=9)
PAGE: Final = "/console/analytics"
CSS: Final = Path(__file__).resolve().parents[2] / "api" / "pages" / "static" / "analytics.css"


class Tables(HTMLParser):
    """What somebody reads in a page's tables, cell by cell; and all attributes of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[tuple[str, str]] = []  # class, text
        self.attributes: list[str] = []
        self._is_in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [name for name, _ in attrs]
        if tag in ("td", "th"):
            self.cells.append((dict(attrs).get("class") or "", ""))
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_in_cell:
            style, text = self.cells[-1]
            self.cells[-1] = style, f"{text} {data.strip()}".strip()


@pytest.fixture
async def operator(api: RunningApi, tenant: str) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in to the console."""
    key = await make_key(api, tenant=tenant, scopes=ALL_SCOPES)
    async with api.client() as client:
        answer = await client.post("/console/login", data={"operator": "Ana", "key": key})
        assert answer.status_code == 303, answer.text
        yield client


async def test_the_heat_map_has_its_numbers_in_its_cells(
    api: RunningApi, operator: httpx.AsyncClient, tenant: str
) -> None:
    async with transaction(api.pool) as connection:
        await import_past_orders(connection, tenant=tenant, past=PAST)

    page = await operator.get(PAGE)
    assert page.status_code == 200
    tables = Tables(page.text)
    found = fit(STATUS, own=[], imported=[course_of(one) for one in PAST])
    for row in found.matrix.probabilities.values():
        for share in row.values():
            assert any(text.startswith(percent(share)) for _, text in tables.cells), share
    assert f"{len(PAST):,} imported" in page.text
    assert "style" not in tables.attributes
    assert not [name for name in tables.attributes if name.startswith("on")]


@pytest.mark.parametrize("machine", STATES)
async def test_each_machine_has_its_page(
    api: RunningApi, operator: httpx.AsyncClient, tenant: str, machine: str
) -> None:
    async with api.client(await make_key(api, tenant=tenant, scopes=ALL_SCOPES)) as shop:
        await placed(shop)

    page = await operator.get(PAGE, params={"machine": machine})
    assert page.status_code == 200
    assert f'href="{PAGE}?machine={machine}" aria-current="true"' in page.text


async def test_a_shop_without_orders_has_a_page_too(operator: httpx.AsyncClient) -> None:
    page = await operator.get(PAGE, params={"machine": "no-such-one"})

    assert page.status_code == 200
    assert "There are no orders yet" in page.text


async def test_what_is_overdue_is_on_the_page_of_its_own_shop_alone(
    api: RunningApi, operator: httpx.AsyncClient, tenant: str
) -> None:
    at_once = tuple(one.model_copy(update={"approved_at": one.purchased_at}) for one in PAST)
    async with transaction(api.pool) as connection:
        await import_past_orders(connection, tenant=tenant, past=at_once)
    async with api.client(await make_key(api, tenant=tenant, scopes=ALL_SCOPES)) as shop:
        late = await placed(shop)
    async with api.client(
        await make_key(api, tenant=fresh("other"), scopes=ALL_SCOPES)
    ) as elsewhere:
        theirs = await placed(elsewhere)

    page = (await operator.get(PAGE)).text
    assert f"/console/orders/{late}" in page
    assert theirs not in page


async def test_the_forecast_of_an_order_says_when_and_how(
    api: RunningApi, tenant: str, operator: httpx.AsyncClient
) -> None:
    async with transaction(api.pool) as connection:
        await import_past_orders(connection, tenant=tenant, past=PAST)
    async with api.client(await make_key(api, tenant=tenant, scopes=ALL_SCOPES)) as shop:
        order = str((await confirmed(shop, api.pool))["id"])

    found = await find_forecast(api.services, tenant=tenant, order_id=order)
    assert found is not None
    assert found.p50 is not None
    assert found.p90 is not None
    assert datetime.now(UTC) < found.p50 < found.p90
    assert found.endings[0][0] == "delivered"
    page = (await operator.get(f"/console/orders/{order}")).text
    assert f"Half of {found.sample_size:,} past orders like it" in page
    assert f"<strong>delivered</strong> {found.endings[0][1]}" in page
    assert await find_forecast(api.services, tenant="nobody", order_id=order) is None


async def test_nobody_sees_figures_who_is_not_signed_in(api: RunningApi) -> None:
    async with api.client() as nobody:
        answer = await nobody.get(PAGE)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


def test_every_class_that_a_cell_can_have_is_in_the_stylesheet() -> None:
    styled = set(re.findall(r"\.(heat-\d+)", CSS.read_text("utf-8")))
    view = matrix_view(fit(STATUS, own=[], imported=[course_of(one) for one in PAST]))

    assert styled == {f"heat-{n}" for n in range(HEATS + 1)}
    assert {cell.heat for row in view.rows for cell in row.cells} <= set(range(HEATS + 1))


def test_the_funnel_s_bars_are_as_wide_as_its_shares() -> None:
    found = fit(STATUS, own=[], imported=[course_of(one) for one in PAST])
    widths = [step.width for step in funnel_view(found.funnel)]

    assert widths == [round(step.of_all * BAR_WIDTH) for step in found.funnel]
    assert widths[0] == BAR_WIDTH > widths[1] > widths[2] > widths[4] == 0


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (1, "100 %"), (0.0004, "< 0.1 %"), (0.9996, "> 99.9 %"), (0.986, "98.6 %")],
)
def test_what_is_almost_all_or_almost_nothing_is_not_called_so(share: float, said: str) -> None:
    assert percent(share) == said


# --- Colours: WCAG's contrast of text on each heat -------------------------------------------------


def _luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_every_heat(theme: str) -> None:
    common = CSS.with_name("style.css").read_text("utf-8").partition("@media")
    dark_common = common[2].partition("\n}")[0]
    light, _, dark = CSS.read_text("utf-8").partition("@media (prefers-color-scheme: dark)")
    is_dark = theme == "dark"
    colours = dict(re.findall(r"--(\w+): (#\w{6})", dark_common if is_dark else common[0]))
    mixed = re.findall(r"\.heat-(\d+) .*?accent\) (\d+)%", dark if is_dark else light)
    accent, surface, text = (_rgb(colours[name]) for name in ("accent", "surface", "text"))

    assert len(mixed) == HEATS
    for _, share in mixed:
        part = int(share) / 100
        ground = tuple(a * part + s * (1 - part) for a, s in zip(accent, surface, strict=True))
        assert _contrast(text, ground) >= 4.5
