"""Killed in the middle: what was decided stands, what was begun is finished or taken back, once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from cli.stack.stack import LocalStack
from ordersaga import keys
from tests.conftest import SHORT_PATIENCE
from tests.saga.shop import Shop, card, payment, until_true

DIES_WITHIN_S = 20
STEPS = [
    "hold_own_site",
    "authorize_payment",
    "book_parcel",
    "charge_payment",
    "capture_payment",
    "decide_order",
]


ANY_ORDER = "ord_" + "0" * keys.ULID_CHARS  # less than any


async def new_voucher(shop: Shop) -> str:
    """Good for one order."""
    code = f"D-{shop.sku}"
    await shop.post("/v1/vouchers", {"code": code, "amount": {"amount": 1000, "currency": "BRL"}})
    return code


@asynccontextmanager
async def doomed_worker(
    stack: LocalStack, when: str, activity: str, *, older: str | None = None
) -> AsyncIterator[None]:
    """In place of the stack's worker, until it has died; then the stack's own comes back.

    It dies for orders that are younger than `older`: unless told, for those placed from now on.
    """
    await stack.stop("worker")
    ready = stack.ready
    settings = {f"ORDERSAGA_{name.upper()}": str(value) for name, value in SHORT_PATIENCE.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.saga.doomed_worker",
        when,
        activity,
        older or keys.new_id("ord"),
        env={
            **os.environ,
            **settings,
            "TEMPORAL_ADDRESS": ready.temporal,
            "ORDERSAGA_DATABASE_URL": ready.database,
            "ORDERSAGA_PAYMENT_PROVIDER_URL": ready.payment_provider,
            "ORDERSAGA_PAYMENT_PROVIDER_KEY": ready.payment_provider_key,
            "ORDERSAGA_CARRIER_URL": ready.carrier,
            "ORDERSAGA_CARRIER_KEY": ready.carrier_key,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        async with asyncio.timeout(DIES_WITHIN_S):
            assert await process.wait() == -9, "it should have met its doom"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await stack.start("worker")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("activity", STEPS)
async def test_a_worker_killed_at_any_step_costs_nobody_anything(
    stack: LocalStack, shop: Shop, activity: str, when: str
) -> None:
    async with doomed_worker(stack, when, activity):
        order = await shop.order(
            card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
        )
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    await shop.assert_all_of_it(order)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
async def test_killed_at_the_one_transaction_that_holds_and_decides_it_is_confirmed_once(
    stack: LocalStack, shop: Shop, when: str
) -> None:
    code = await new_voucher(shop)
    async with doomed_worker(stack, when, "decide_order"):
        order = await shop.order(payment("voucher", code), prefer="respond-async")
    order = await shop.until(order["id"], lambda o: o["status"] == "confirmed")
    assert (await shop.history(order["id"])).count("payment.captured") == 1
    await shop.assert_all_of_it(order)


async def test_killed_after_the_decision_then_canceled_the_decision_stands(
    stack: LocalStack, shop: Shop
) -> None:
    async with doomed_worker(stack, "after", "decide_order"):
        order = await shop.order(card(), carrier="sandbox", prefer="respond-async")
        await shop.until(order["id"], lambda o: o["status"] == "confirmed")
        answer = await shop.cancel(order["id"], prefer="wait=0")
        assert answer.status_code == 202, "stored, and nobody there to answer it yet"
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    history = await shop.history(order["id"])
    assert "order.confirmed" in history, "confirmed once and for all: what follows is a reversal"
    assert "order.reversing" in history
    assert history.count("payment.captured") == history.count("payment.refunded") == 1
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_a_cancel_that_took_effect_and_was_forgotten_by_temporal_is_seen_through(
    stack: LocalStack, shop: Shop
) -> None:
    """An update is not durable before its task is done: its effect in our tables can be older."""
    async with doomed_worker(stack, "after", "open_reversal"):
        order = await shop.order(card(), prefer="respond-async")
        await shop.until(order["id"], lambda o: o["status"] == "confirmed")
        await shop.cancel(order["id"], prefer="wait=0")
        await shop.until(order["id"], lambda o: o["status"] == "compensating")
        await stack.kill("temporal")
        await stack.start("temporal")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_the_workflow_of_a_cancel_that_was_done_and_forgotten_ends(
    stack: LocalStack, shop: Shop, temporal: Client
) -> None:
    """All of it took effect within the task that is lost: nothing would ever wake its workflow again."""
    code = await new_voucher(shop)
    async with doomed_worker(stack, "after", "reverse_own_site"):
        order = await shop.order(payment("voucher", code), prefer="respond-async")
        await shop.until(order["id"], lambda o: o["status"] == "confirmed")
        await shop.cancel(order["id"], prefer="wait=0")
        order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
        await stack.kill("temporal")
        await stack.start("temporal")
    workflow = temporal.get_workflow_handle(keys.workflow_id(order["id"]))

    async def has_ended() -> bool:
        return (await workflow.describe()).status == WorkflowExecutionStatus.COMPLETED

    await until_true(has_ended)
    await shop.assert_clean_slate(order)


@pytest.mark.slow
@pytest.mark.parametrize("activity", ["undo_payment", "cancel_parcel", "close_order"])
async def test_a_worker_killed_while_undoing_finishes_the_undo(
    stack: LocalStack, shop: Shop, activity: str
) -> None:
    async with doomed_worker(stack, "after", activity):
        order = await shop.order(
            card("tok_ok", 400),
            card("tok_capture_declined"),
            carrier="sandbox",
            prefer="respond-async",
        )
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "capture_declined")
    await shop.assert_clean_slate(order)


@pytest.mark.slow
@pytest.mark.parametrize("activity", ["refund_payment", "open_reversal", "reverse_own_site"])
async def test_a_worker_killed_while_giving_back_gives_back_once(
    stack: LocalStack, shop: Shop, activity: str
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    assert order["status"] == "confirmed"
    async with doomed_worker(stack, "after", activity):
        await shop.cancel(order["id"], prefer="wait=0")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert order["payment_status"] == "refunded"
    await shop.assert_clean_slate(order)


async def test_an_order_accepted_while_temporal_is_down_is_decided_when_it_is_back(
    stack: LocalStack, shop: Shop
) -> None:
    await stack.stop("temporal")
    try:
        order = await shop.order(card(), carrier="sandbox", prefer="wait=0")
        assert order["status"] == "pending"
    finally:
        await stack.start("temporal")
    order = await shop.until_final(order["id"])
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_a_cancel_while_temporal_is_down_is_answered_when_it_is_back(
    stack: LocalStack, shop: Shop
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await stack.stop("temporal")
    try:
        answer = await shop.cancel(order["id"], prefer="wait=0")
        assert answer.status_code == 202, answer.text
    finally:
        await stack.start("temporal")
    order = await shop.until(order["id"], lambda o: o["status"] == "canceled")
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_an_order_canceled_before_temporal_ever_heard_of_it_costs_nothing(
    stack: LocalStack, shop: Shop
) -> None:
    await stack.stop("temporal")
    try:
        order = await shop.order(card(), carrier="sandbox", prefer="wait=0")
        await shop.cancel(order["id"], prefer="wait=0")
    finally:
        await stack.start("temporal")
    order = await shop.until_final(order["id"])
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)
