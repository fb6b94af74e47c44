"""Asked again, restarted, late: an order goes on from where it was, or is over and stays so."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

import pytest

from adapters.postgres.orders import read_launch
from adapters.postgres.pool import Pool, reading
from adapters.temporal import OrderWorkflows
from cli.stack.stack import LocalStack
from ordersaga.config import Settings
from tests.conformance.engine import engine_of
from tests.conformance.meddling import Meddler
from tests.saga.shop import UNIT_PRICE, Json, Shop, card, payment
from tests.saga.test_crashes import doomed_worker

HOLD_AND_TAKE = ["hold_own_site", "authorize_payment", "charge_payment", "book_parcel"]
TAKE_AND_DECIDE = ["capture_payment", "decide_order"]
UNDO = ["undo_payment", "cancel_parcel", "close_order"]
AFTER_CONFIRM = ["release_parcel", "open_reversal", "refund_payment", "reverse_own_site"]


async def test_resubmit_while_running(shop: Shop, meddler: Meddler) -> None:
    body, key = asked(shop, card("tok_slow_300")), uuid.uuid4().hex
    first = await shop.post("/v1/orders", body, key=key, Prefer="respond-async")
    again = await shop.post("/v1/orders", body, key=key, Prefer="respond-async")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    order = await shop.until_final(first.json()["id"])
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


async def test_resubmit_when_final(shop: Shop, meddler: Meddler, pool: Pool) -> None:
    body, key = asked(shop, card("tok_declined")), uuid.uuid4().hex
    order = (await shop.post("/v1/orders", body, key=key, Prefer="wait=20")).json()
    assert (await shop.until_final(order["id"]))["status"] == "rejected"
    runs = len(meddler.runs)
    again = await shop.post("/v1/orders", body, key=key)
    assert (again.json()["id"], again.json()["status"]) == (order["id"], "rejected")
    settings = Settings(database_url=shop.stack.ready.database)
    workflows = OrderWorkflows(await engine_of(shop.stack.ready), settings)
    async with reading(pool) as connection:
        launch = await read_launch(connection, order["id"], settings)
    assert await workflows.start(launch) == "already_started", "nor does it run a second time"
    assert len(meddler.runs) == runs
    await shop.assert_clean_slate(await shop.get(order["id"]))


@pytest.mark.slow
async def test_deadline_passes_while_the_worker_is_down(stack: LocalStack, real_shop: Shop) -> None:
    order = await real_shop.order(card("tok_requires_action"), carrier="sandbox")
    await stack.kill("worker")
    try:
        await deadline_of(real_shop, order)
    finally:
        await stack.start("worker")
    order = await real_shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("canceled", "payment_expired")
    await real_shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_long_wait_survives_restart(stack: LocalStack, real_shop: Shop) -> None:
    order = await real_shop.order(payment("boleto"), carrier="sandbox")
    (slip,) = (await real_shop.books(order["id"])).payable
    for part in ("worker", "temporal"):
        await stack.kill(part)
    await real_shop.provider.post(f"/test/payers/{slip}/pay")
    for part in ("temporal", "worker"):
        await stack.start(part)
    order = await real_shop.until_final(order["id"])
    assert (order["status"], order["fulfillment_status"]) == ("confirmed", "booked")
    await real_shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_message_after_the_deadline_refused(shop: Shop, meddler: Meddler) -> None:
    page = await shop.order(card("tok_requires_action"), prefer="wait=0")
    page = await shop.until(page["id"], lambda o: o["payment_status"] == "requires_action")
    (payable,) = (await shop.books(page["id"])).payable
    unpaid = await shop.order(prefer="wait=0")
    for order_id in (page["id"], unpaid["id"]):
        order = await shop.until_final(order_id)
        assert (order["status"], order["failure"]["code"]) == ("canceled", "payment_expired")
    late = await shop.provider.post(f"/test/payers/{payable}/pay")
    assert late.status_code >= 400, "it cannot be paid any more"
    for path, body in (
        (f"/v1/orders/{unpaid['id']}/pay", {"payments": [card()]}),
        (f"/v1/orders/{unpaid['id']}/cancel", {"reason": "too late"}),
    ):
        refused = await shop.post(path, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    await shop.assert_clean_slate(await shop.get(page["id"]))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [*HOLD_AND_TAKE, *TAKE_AND_DECIDE])
async def test_resume_in_each_phase(
    stack: LocalStack, real_shop: Shop, step: str, when: str
) -> None:
    async with doomed_worker(stack, when, step):
        order = await real_shop.order(
            card("tok_ok", 400), payment("alipay"), carrier="sandbox", prefer="respond-async"
        )
    order = await real_shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    await real_shop.assert_all_of_it(order)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", UNDO)
async def test_resume_in_the_middle_of_undoing(
    stack: LocalStack, real_shop: Shop, step: str, when: str
) -> None:
    async with doomed_worker(stack, when, step):
        order = await real_shop.order(
            card("tok_ok", 400),
            card("tok_capture_declined"),
            carrier="sandbox",
            prefer="respond-async",
        )
    order = await real_shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "capture_declined")
    await real_shop.assert_clean_slate(order)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", AFTER_CONFIRM)
async def test_resume_after_confirm(
    stack: LocalStack, real_shop: Shop, step: str, when: str
) -> None:
    async with doomed_worker(stack, when, step):
        order = await real_shop.order(card(), carrier="sandbox", prefer="respond-async")
        await real_shop.until(order["id"], lambda o: o["status"] == "confirmed")
        await real_shop.cancel(order["id"], prefer="wait=0")
    order = await real_shop.until(order["id"], lambda o: o["status"] == "canceled")
    assert order["payment_status"] == "refunded"
    await real_shop.assert_clean_slate(order)


def asked(shop: Shop, *payments: Json) -> Json:
    """An order's body, to be sent more than once."""
    price = {"amount": UNIT_PRICE, "currency": "BRL"}
    return {
        "customer": {"id": "c-1"},
        "currency": "BRL",
        "lines": [{"sku": shop.sku, "quantity": 2, "unit_price": price}],
        "shipping_address": {"country": "BR"},
        "shipping": {"carrier": "merchant", "service": "standard"},
        "payments": list(payments),
    }


async def deadline_of(shop: Shop, order: Json) -> None:
    """Until it has passed."""
    left = datetime.fromisoformat(order["deadline"]) - datetime.now(UTC)
    await asyncio.sleep(max(left.total_seconds(), 0) + 1)
