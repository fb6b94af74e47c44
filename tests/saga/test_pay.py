"""A buyer who pays before his order's goods are even held pays once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from tests.conformance.meddling import Meddled, Meddler, Run, meddling_worker
from tests.saga.shop import Json, Shop, card, payment, until_true

HOLD = "hold_own_site"
CREDIT = 1000
BY_BALANCE = 400
# The sixth pause is longer than a local step waits within its task: the workflow listens again.
TRIES_WITHIN_A_TASK = 6
WORKER_AWAY_S = 0.5  # time enough for Temporal to have both, the start and the request


async def buyer(shop: Shop) -> str:
    """With store credit."""
    customer = f"c-{shop.sku}"
    credit = {"amount": {"amount": CREDIT, "currency": "BRL"}, "reason": "a gift"}
    (await shop.post(f"/v1/accounts/{customer}/credits", credit)).raise_for_status()
    return customer


async def pay(shop: Shop, order: Json, *, prefer: str) -> None:
    body = {"payments": [payment("balance", None, BY_BALANCE), card()]}
    answer = await shop.post(f"/v1/orders/{order['id']}/pay", body, Prefer=prefer)
    assert answer.status_code in (200, 202), answer.text


async def assert_paid_once(shop: Shop, order_id: str, customer: str) -> None:
    order = await shop.until_final(order_id)
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    history = await shop.history(order_id)
    assert history.count("stock.reserved") == 1
    assert history.count("payment.authorized") == history.count("payment.captured") == 2
    account = (await shop.api.get(f"/v1/accounts/{customer}")).json()
    assert [b["amount"] for b in account["balances"]] == [CREDIT - BY_BALANCE]
    books = await shop.books(order_id)
    assert (books.kept, books.held) == (order["total"]["amount"] - BY_BALANCE, 0)
    await shop.assert_all_of_it(order)


@asynccontextmanager
async def worker_of_ours(stack: LocalStack) -> AsyncIterator[Meddler]:
    """In place of the stack's worker."""
    await stack.stop("worker")
    try:
        async with meddling_worker(stack.ready) as meddler:
            yield meddler
    finally:
        await stack.start("worker")


async def until_heard(temporal: Client, order: Json) -> None:
    """Until the order's workflow has taken a request."""
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    taken = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED

    async def has_heard() -> bool:
        return any(e.event_type == taken for e in (await handle.fetch_history()).events)

    await until_true(has_heard)


async def has_failed_within_a_task(meddler: Meddler, order: Json) -> bool:
    return meddler.tries(order["id"], HOLD) >= TRIES_WITHIN_A_TASK


@pytest.mark.slow
async def test_a_payment_that_comes_while_the_goods_are_still_being_held_is_taken_once(
    stack: LocalStack, shop: Shop, temporal: Client
) -> None:
    customer = await buyer(shop)
    heard = asyncio.Event()

    async def fails_until_heard(run: Run) -> Any:
        if run.name == HOLD and not heard.is_set():
            raise Meddled("our own site is away")
        return await run.act()

    async with worker_of_ours(stack) as meddler:
        meddler.around = fails_until_heard
        order = await shop.order(customer=customer, prefer="respond-async")
        await until_true(partial(has_failed_within_a_task, meddler, order))
        await pay(shop, order, prefer="wait=0")
        await until_heard(temporal, order)
        assert "stock.reserved" not in await shop.history(order["id"])
        heard.set()
        await assert_paid_once(shop, order["id"], customer)


async def test_a_payment_that_comes_before_the_workflow_has_begun_is_taken_once(
    stack: LocalStack, shop: Shop
) -> None:
    customer = await buyer(shop)
    await stack.stop("worker")
    try:
        order = await shop.order(customer=customer, prefer="respond-async")
        paying = asyncio.create_task(pay(shop, order, prefer="wait=20"))
        await asyncio.sleep(WORKER_AWAY_S)
    finally:
        await stack.start("worker")
    await paying
    await assert_paid_once(shop, order["id"], customer)
