"""A stack whose payers are waited for long enough to be looked at, and what an engineer has of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from cli.stack.stack import LocalStack
from tests.conftest import SHORT_PATIENCE
from tests.saga.shop import Json, Shop, card, payment
from tests.stack.conftest import temporary_data_dir
from tests.temporal_ui.page import Engineer

PATIENCE = {**SHORT_PATIENCE, "payer_patience_s": 3600, "hold_patience_s": 3600}


@pytest.fixture(scope="session")
async def patient() -> AsyncIterator[LocalStack]:
    with temporary_data_dir() as path:
        async with LocalStack(data_dir=path, port=0, settings=PATIENCE) as stack:
            yield stack


@pytest.fixture(scope="session")
async def shop(patient: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(patient) as shop:
        yield shop


@pytest.fixture(scope="session")
async def engineer(patient: LocalStack) -> Engineer:
    client = await Client.connect(
        patient.ready.temporal, data_converter=pydantic_data_converter, lazy=True
    )
    return Engineer(client, patient.ready.temporal)


@pytest.fixture(scope="session")
async def lives(shop: Shop) -> dict[str, Json]:
    """By what became of it: orders that nobody touches any more."""
    orders = {
        "payer": shop.order(card("tok_ok", 400), payment("boleto"), prefer="wait=0"),
        "buyer": shop.order(prefer="wait=0"),
        "held": shop.order(card("tok_requires_action"), prefer="wait=0"),
        "confirmed": shop.order(card(), carrier="sandbox"),
        "out_of_stock": shop.order(card(), quantity=shop.on_hand * 10),
        "declined": shop.order(card("tok_declined")),
        "canceled": shop.order(card(), carrier="sandbox"),
        "undoing": shop.order(
            card("tok_refund_unavailable", 400),
            card("tok_capture_declined", 600),
            prefer="respond-async",
        ),
    }
    placed = await asyncio.gather(*orders.values())
    lives = dict(zip(orders, placed, strict=True))
    await shop.cancel(lives["canceled"]["id"])
    await _hold(shop, lives["held"])
    awaited = {
        "payer": lambda o: o["payments"][1]["status"] == "requires_action",
        "held": lambda o: o["payments"][0]["status"] == "authorized",
        "canceled": lambda o: o["status"] == "canceled",
        "undoing": lambda o: o["attention"] is not None,
    }
    for name, is_so in awaited.items():
        lives[name] = await shop.until(lives[name]["id"], is_so, within_s=60)
    return lives


async def _hold(shop: Shop, order: Json) -> None:
    """Its payer pays, and an operator finds it odd."""
    await shop.until(order["id"], lambda o: o["payments"][0]["status"] == "requires_action")
    (await shop.ask(order, "hold", {"reason": "odd"})).raise_for_status()
    await shop.play_payer(order["id"], "pay")
