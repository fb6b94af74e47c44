"""The fence of a long-final order is gone: zombies that wake then find nobody who lets them act."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.steps import Because, Decide, HoldOwnSite, ParcelStep, PaymentStep
from adapters.postgres.pool import connect_pool
from cli.stack.stack import LocalStack
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.order import PaymentPlan, Refusal
from tests.saga.shop import Json, Shop, card
from worker.main import activities_of

COMMAND_TIMEOUT_S = 30


@asynccontextmanager
async def zombie_worker(stack: LocalStack) -> AsyncIterator[dict[str, Callable[..., Any]]]:
    """The activities of a worker that was frozen for a month: its real ones, by name."""
    ready = stack.ready
    settings = Settings(
        database_url=ready.database,
        payment_provider_url=ready.payment_provider,
        payment_provider_key=ready.payment_provider_key,
        carrier_url=ready.carrier,
        carrier_key=ready.carrier_key,
    )
    pool = await connect_pool(settings.database_url, size=2, application_name="zombie")
    async with activities_of(settings, pool) as activities:
        yield {activity.__name__: activity for activity in activities}
    await pool.close()


def asks_of(order: Json) -> dict[str, object]:
    """Every activity of an order with what its workflow would ask it."""
    (paid,) = order["payments"]
    payment = PaymentStep(
        order["id"], PaymentPlan(paid["id"], paid["method"], paid["amount"]["amount"])
    )
    parcel = ParcelStep(order["id"], order["shipments"][0]["id"])
    why = Because(order["id"], Refusal("customer", "canceled", "late"))
    return {
        "hold_own_site": HoldOwnSite(order["id"], (keys.STOCK,)),
        "authorize_payment": payment,
        "charge_payment": payment,
        "book_parcel": parcel,
        "capture_payment": payment,
        "decide_order": Decide(order["id"], None, False, holding=(keys.STOCK,)),
        "undo_payment": payment,
        "cancel_parcel": parcel,
        "close_order": order["id"],
        "release_parcel": parcel,
        "open_reversal": why,
        "refund_payment": payment,
        "reverse_own_site": order["id"],
        "refuse_cancel": why,
    }


def sweep_fences(stack: LocalStack) -> str:
    ended = subprocess.run(
        (sys.executable, "-m", "cli.main", "sweep", "fences", "--older-than-days", "0"),
        env={**os.environ, "ORDERSAGA_DATABASE_URL": stack.ready.database},
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=True,
    )
    return ended.stdout


async def test_every_step_that_wakes_after_the_clean_up_changes_nothing_with_anybody(
    stack: LocalStack, shop: Shop
) -> None:
    declined = await shop.order(card("tok_capture_declined"), carrier="sandbox")
    rejected = await shop.until_final(declined["id"])
    assert rejected["status"] == "rejected"
    sold = await shop.order(card(), carrier="sandbox")
    canceled = (await shop.cancel(sold["id"])).json()
    assert canceled["status"] == "canceled"
    hasty = await shop.order(card("tok_slow_2000"), carrier="sandbox", prefer="respond-async")
    never_made = (await shop.cancel(hasty["id"])).json()
    assert never_made["status"] == "canceled"
    assert "removed 0" not in sweep_fences(stack)
    async with zombie_worker(stack) as zombies:
        for order in (rejected, canceled, never_made):
            before = await shop.books(order["id"])
            for name, ask in asks_of(order).items():
                await ActivityEnvironment().run(zombies[name], ask)
                assert await shop.books(order["id"]) == before, name
                assert (await shop.get(order["id"]))["version"] == order["version"], name
            await shop.assert_clean_slate(order)
