"""Orders that wait for their merchant's word, or for somebody's who looks at large ones."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stack.stack import LocalStack
from tests.conftest import SHORT_PATIENCE
from tests.saga.shop import UNIT_PRICE, Shop, card

pytestmark = pytest.mark.slow  # a stack of their own
LARGE = 4  # units: more than what the rule lets through


@pytest.fixture(scope="module")
async def careful_stack() -> AsyncIterator[LocalStack]:
    """Each order waits for its merchant; and those of more than three units are looked at first."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-careful-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    rules = {"merchant_accepts": True, "review_above": {"BRL": 3 * UNIT_PRICE}}
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, settings={**SHORT_PATIENCE, **rules}
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture
async def merchant(careful_stack: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(careful_stack) as shop:
        yield shop


async def test_an_order_takes_no_money_until_its_merchant_accepts_it(merchant: Shop) -> None:
    order = await merchant.order(card(), prefer="wait=1")
    order = await merchant.until(order["id"], lambda o: o["payment_status"] == "authorized")
    assert (order["status"], order["hold"]["kind"]) == ("pending", "merchant")
    assert order["waiting_for"] == "merchant"
    assert {"accept", "decline"} <= set(order["allowed"])
    assert (await merchant.ask(order, "accept")).status_code in (200, 202)
    order = await merchant.until_final(order["id"])
    assert (order["status"], order["hold"]) == ("confirmed", None)
    await merchant.assert_all_of_it(order)


async def test_an_order_that_its_merchant_declines_leaves_nothing(merchant: Shop) -> None:
    order = await merchant.order(card(), carrier="sandbox", prefer="wait=1")
    assert (await merchant.ask(order, "decline")).status_code in (200, 202)
    order = await merchant.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "declined_by_merchant")
    await merchant.assert_clean_slate(order)


async def test_an_order_that_nobody_accepts_is_undone_in_time(merchant: Shop) -> None:
    order = await merchant.order(card(), prefer="wait=1")
    order = await merchant.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "hold_expired")
    assert order["failure"]["participant"] == "merchant"
    await merchant.assert_clean_slate(order)


async def test_a_large_order_is_looked_at_before_its_merchant_may_accept_it(
    merchant: Shop,
) -> None:
    order = await merchant.order(card(), quantity=LARGE, prefer="wait=1")
    assert order["hold"]["kind"] == "rule"
    assert (await merchant.ask(order, "accept")).status_code == 409
    assert (await merchant.ask(order, "release", {})).status_code in (200, 202)
    order = await merchant.until(order["id"], lambda o: o["hold"]["kind"] == "merchant")
    assert (await merchant.ask(order, "accept")).status_code in (200, 202)
    order = await merchant.until_final(order["id"])
    assert order["status"] == "confirmed"
    await merchant.assert_all_of_it(order, quantity=LARGE)


@pytest.mark.slow
async def test_a_word_in_time_counts_though_temporal_was_away_until_after_it(
    careful_stack: LocalStack, merchant: Shop
) -> None:
    """When it is back, the timer of the hold fires before the word is delivered."""
    order = await merchant.order(card(), prefer="wait=1")
    order = await merchant.until(order["id"], lambda o: o["payment_status"] == "authorized")
    await careful_stack.stop("worker")
    await careful_stack.kill("temporal")
    answer = await merchant.ask(order, "accept", Prefer="wait=0")
    assert answer.status_code == 202, answer.text
    await asyncio.sleep(SHORT_PATIENCE["hold_patience_s"] + 12)  # and what is on its way
    await careful_stack.start("temporal")
    await careful_stack.start("worker")
    order = await merchant.until_final(order["id"])
    assert order["status"] == "confirmed"
