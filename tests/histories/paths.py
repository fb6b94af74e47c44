"""The ways an order can go, each driven on a running stack; `PATHS` names them all.

A path places an order, takes it where its name says, and returns its id: or that of a workflow about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from cli.stack.stack import LocalStack
from tests.histories.driving import (
    RUN_AGAIN_WITHIN_S,
    TO,
    Path,
    answer,
    confirmed,
    ended,
    in_attention,
    intent_of,
    parcel_of,
    pick_up,
    place,
    placed_and_left,
    until_asks_payer,
    workflow_of,
)
from tests.histories.paths_outside import OUTSIDE
from tests.saga.shop import Shop, card, payment, until_true
from tests.saga.test_crashes import doomed_worker

# --- All yes ----------------------------------------------------------------------------------


async def one_phase_confirmed(shop: Shop) -> str:
    code = f"V-{shop.sku}"
    money = {"amount": 1000, "currency": "BRL"}
    await shop.post("/v1/vouchers", {"code": code, "amount": money})
    return await ended(shop, await place(shop, payment("voucher", code)))


async def card_confirmed(shop: Shop) -> str:
    order = await confirmed(shop, card(), carrier="sandbox")
    await shop.until_released(order["id"])
    return str(order["id"])


async def split_tender_confirmed(shop: Shop) -> str:
    code = f"S-{shop.sku}"
    money = {"amount": 300, "currency": "BRL"}
    await shop.post("/v1/vouchers", {"code": code, "amount": money})
    tender = (payment("voucher", code, 300), card("tok_ok", 200), payment("alipay"))
    order = await confirmed(shop, *tender, carrier="sandbox")
    await shop.until_released(order["id"])
    return str(order["id"])


async def boleto_paid(shop: Shop) -> str:
    order = await place(shop, payment("boleto"), carrier="sandbox")
    await until_asks_payer(shop, order)
    await shop.play_payer(order["id"], "pay")
    return await ended(shop, order)


async def payer_acted(shop: Shop) -> str:
    order = await place(shop, card("tok_requires_action"))
    await until_asks_payer(shop, order)
    await shop.play_payer(order["id"], "pay")
    return await ended(shop, order)


async def pay_later(shop: Shop) -> str:
    order = await place(shop, carrier="sandbox")
    await shop.until(order["id"], lambda o: o["version"] > 1)
    await shop.post(f"/v1/orders/{order['id']}/pay", {"payments": [card()]})
    return await ended(shop, order)


# --- A no -------------------------------------------------------------------------------------


async def payer_failed(shop: Shop) -> str:
    order = await place(shop, card("tok_requires_action"), carrier="sandbox")
    await until_asks_payer(shop, order)
    await shop.play_payer(order["id"], "fail")
    return await ended(shop, order)


async def slip_failed(shop: Shop) -> str:
    order = await place(shop, card("tok_ok", 400), payment("boleto"))
    await shop.until(order["id"], lambda o: o["payments"][1]["status"] == "requires_action")
    await shop.play_payer(order["id"], "fail")
    return await ended(shop, order)


# --- A changed mind ---------------------------------------------------------------------------


async def cancel_while_holding(shop: Shop) -> str:
    order = await place(shop, card("tok_slow_2000"), carrier="sandbox")
    await shop.until(order["id"], lambda o: o["fulfillment_status"] == "booked")
    await shop.cancel(order["id"])
    return await ended(shop, order)


async def cancel_while_taking(shop: Shop) -> str:
    order = await place(shop, card("tok_ok", 400), payment("alipay", "tok_slow_2000"))
    await shop.until(order["id"], lambda o: o["payments"][0]["status"] == "authorized")
    await shop.cancel(order["id"])
    return await ended(shop, order)


async def cancel_while_payer_is_awaited(shop: Shop) -> str:
    order = await place(shop, card("tok_requires_action"), carrier="sandbox")
    await until_asks_payer(shop, order)
    await shop.cancel(order["id"])
    return await ended(shop, order)


async def cancel_while_buyer_is_awaited(shop: Shop) -> str:
    order = await place(shop)
    await shop.until(order["id"], lambda o: o["version"] > 1)
    await shop.cancel(order["id"])
    return await ended(shop, order)


async def cancel_after_confirm(shop: Shop) -> str:
    order = await confirmed(shop, card("tok_ok", 400), payment("alipay"), carrier="sandbox")
    await shop.cancel(order["id"])
    return await ended(shop, order, "canceled")


async def cancel_after_confirm_merchant(shop: Shop) -> str:
    order = await confirmed(shop, payment("alipay"))
    await shop.cancel(order["id"])
    return await ended(shop, order, "canceled")


async def cancel_refused_by_carrier(shop: Shop) -> str:
    order = await confirmed(shop, card(), carrier="sandbox")
    await shop.until_released(order["id"])
    await pick_up(shop, order)
    assert (await shop.cancel(order["id"])).status_code == 409
    return str(order["id"])


async def temporal_cancel(shop: Shop) -> str:
    order = await place(shop, card("tok_slow_2000"), carrier="sandbox")
    await shop.until(order["id"], lambda o: o["fulfillment_status"] == "booked")
    await (await workflow_of(shop, order)).cancel()
    return await ended(shop, order)


async def temporal_cancel_after_confirm(shop: Shop) -> str:
    order = await confirmed(shop, card(), carrier="sandbox")
    await (await workflow_of(shop, order)).cancel()
    return await ended(shop, order, "canceled")


async def temporal_cancel_while_undoing(shop: Shop) -> str:
    order = await place(shop, card("tok_refund_flaky_3"), carrier="sandbox", service="ship_refused")
    await shop.until(order["id"], lambda o: o["status"] == "compensating")
    await (await workflow_of(shop, order)).cancel()
    return await ended(shop, order)


# --- What keeps failing -----------------------------------------------------------------------


def undo_that_keeps_failing(action: str) -> Path:
    async def path(shop: Shop) -> str:
        tender = (card("tok_refund_unavailable", 400), card("tok_capture_declined", 600))
        order = await in_attention(shop, await place(shop, *tender))
        await answer(shop, order, action)
        if action == "retry":
            await shop.provider.post("/test/refunds/restore", json=await intent_of(shop, order))
        return await ended(shop, order)

    return path


def release_that_keeps_failing(action: str) -> Path:
    async def path(shop: Shop) -> str:
        service = {"carrier": "sandbox", "service": "ship_release_unavailable"}
        order = await in_attention(shop, await place(shop, card(), **service))
        await answer(shop, order, action)
        if action == "retry":
            await shop.carrier.post("/test/releases/restore", json=await parcel_of(shop, order))
        await shop.until(order["id"], lambda o: o["attention"] is None)
        return str(order["id"])

    return path


def refund_that_keeps_failing(action: str) -> Path:
    async def path(shop: Shop) -> str:
        order = await confirmed(shop, card("tok_refund_unavailable"), carrier="sandbox")
        await shop.cancel(order["id"], prefer="wait=0")
        order = await in_attention(shop, order)
        await answer(shop, order, action)
        if action == "retry":
            await shop.provider.post("/test/refunds/restore", json=await intent_of(shop, order))
        return await ended(shop, order, "canceled")

    return path


def cancel_that_keeps_failing(action: str) -> Path:
    async def path(shop: Shop) -> str:
        service = {"carrier": "sandbox", "service": "ship_cancel_unavailable"}
        order = await confirmed(shop, card(), **service)
        await shop.cancel(order["id"], prefer="wait=0")
        order = await in_attention(shop, order)
        await answer(shop, order, action)
        if action == "retry":
            await shop.carrier.post("/test/cancels/restore", json=await parcel_of(shop, order))
            return await ended(shop, order, "canceled")
        await asyncio.sleep(1)
        assert "cancel.refused" in await shop.history(order["id"])
        return str(order["id"])

    return path


# --- A workflow that was lost, and another in its place --------------------------------------------


async def run_again_while_undoing(shop: Shop) -> str:
    tender = (card("tok_refund_unavailable", 400), card("tok_capture_declined", 600))
    order = await in_attention(shop, await place(shop, *tender, **TO))
    await (await workflow_of(shop, order)).terminate("for a history")
    await shop.provider.post("/test/refunds/restore", json=await intent_of(shop, order))
    await shop.until(order["id"], lambda o: o["status"] == "rejected", within_s=RUN_AGAIN_WITHIN_S)
    return str(order["id"])


async def run_again_and_canceled(shop: Shop) -> str:
    order = await place(shop, card("tok_ok", 400), card("tok_requires_action"), **TO)
    await shop.until(order["id"], lambda o: o["payments"][0]["status"] == "authorized")
    await (await workflow_of(shop, order)).terminate("for a history")
    await shop.cancel(order["id"], prefer="wait=0")
    await shop.until(order["id"], lambda o: o["status"] == "canceled", within_s=RUN_AGAIN_WITHIN_S)
    return str(order["id"])


async def run_again_after_confirm(shop: Shop) -> str:
    order = await confirmed(shop, card(), **TO)
    await shop.until_released(order["id"])
    await (await workflow_of(shop, order)).terminate("for a history")
    await shop.cancel(order["id"], prefer="wait=0")
    await shop.until(order["id"], lambda o: o["status"] == "canceled", within_s=RUN_AGAIN_WITHIN_S)
    return str(order["id"])


# --- Parts that die; one after the other, for they are the others' parts too ----------------------


async def canceled_before_its_workflow(shop: Shop) -> str:
    await shop.stack.stop("temporal")
    try:
        order = await place(shop, card(), carrier="sandbox", prefer="wait=0")
        await shop.cancel(order["id"], prefer="wait=0")
    finally:
        await shop.stack.start("temporal")
    return await ended(shop, order)


def worker_killed(stack: LocalStack, when: str, activity: str) -> Path:
    async def path(shop: Shop) -> str:
        async with doomed_worker(stack, when, activity):
            order = await place(shop, card("tok_ok", 400), payment("alipay"), carrier="sandbox")
        return await ended(shop, order)

    return path


async def worker_killed_after_decision(shop: Shop) -> str:
    order_id = await worker_killed(shop.stack, "after", "decide_order")(shop)
    await shop.until_released(order_id)
    return order_id


async def worker_killed_while_capturing(shop: Shop) -> str:
    order_id = await worker_killed(shop.stack, "after", "capture_payment")(shop)
    await shop.until_released(order_id)
    return order_id


async def carrier_neither_comes_nor_lets_go(shop: Shop) -> str:
    async with doomed_worker(shop.stack, "before", "release_parcel"):
        service = {"carrier": "sandbox", "service": "ship_release_refused"}
        placed = await confirmed(shop, card(), **service)
        await pick_up(shop, placed)

    async def is_refused() -> bool:
        return "parcel.refused" in await shop.history(placed["id"])

    await until_true(is_refused)
    return str(placed["id"])


SIDE_BY_SIDE: Final[Mapping[str, Path]] = {
    "one_phase_confirmed": one_phase_confirmed,
    "one_phase_refused": placed_and_left(payment("voucher", "NONE")),
    "card_confirmed": card_confirmed,
    "wallet_confirmed": placed_and_left(payment("alipay")),
    "split_tender_confirmed": split_tender_confirmed,
    "boleto_paid": boleto_paid,
    "boleto_expired": placed_and_left(payment("boleto"), **TO),
    "payer_acted": payer_acted,
    "payer_failed": payer_failed,
    "payer_never_came": placed_and_left(card("tok_requires_action"), **TO),
    "pay_later": pay_later,
    "pay_later_expired": placed_and_left(),
    "hiccups_confirmed": placed_and_left(
        card("tok_flaky_3"), carrier="sandbox", service="ship_flaky_3"
    ),
    "out_of_stock": placed_and_left(card(), quantity=100_000),
    "unknown_voucher": placed_and_left(payment("voucher", "NONE"), **TO),
    "card_declined": placed_and_left(card("tok_declined"), **TO),
    "wallet_declined": placed_and_left(card("tok_ok", 400), payment("alipay", "tok_declined")),
    "slip_failed": slip_failed,
    "parcel_refused": placed_and_left(card(), carrier="sandbox", service="ship_refused"),
    "parcel_refused_after_charge": placed_and_left(
        payment("alipay", "tok_refund_flaky_3"), carrier="sandbox", service="ship_refused"
    ),
    "capture_declined": placed_and_left(
        card("tok_ok", 400), card("tok_capture_declined", 600), **TO
    ),
    "undo_flaky": placed_and_left(
        card("tok_refund_flaky_3", 400),
        card("tok_capture_declined"),
        carrier="sandbox",
        service="ship_cancel_flaky_3",
    ),
    "provider_outage": placed_and_left(card("tok_unavailable"), **TO),
    "carrier_outage": placed_and_left(card(), carrier="sandbox", service="ship_unavailable"),
    "cancel_while_holding": cancel_while_holding,
    "cancel_while_taking": cancel_while_taking,
    "cancel_while_payer_is_awaited": cancel_while_payer_is_awaited,
    "cancel_while_buyer_is_awaited": cancel_while_buyer_is_awaited,
    "cancel_after_confirm": cancel_after_confirm,
    "cancel_after_confirm_merchant": cancel_after_confirm_merchant,
    "cancel_refused_by_carrier": cancel_refused_by_carrier,
    "temporal_cancel": temporal_cancel,
    "temporal_cancel_after_confirm": temporal_cancel_after_confirm,
    "temporal_cancel_while_undoing": temporal_cancel_while_undoing,
    "release_refused": placed_and_left(card(), carrier="sandbox", service="ship_release_refused"),
    "undo_retried": undo_that_keeps_failing("retry"),
    "undo_skipped": undo_that_keeps_failing("skip"),
    "release_retried": release_that_keeps_failing("retry"),
    "release_skipped": release_that_keeps_failing("skip"),
    "refund_retried": refund_that_keeps_failing("retry"),
    "refund_skipped": refund_that_keeps_failing("skip"),
    "cancel_retried": cancel_that_keeps_failing("retry"),
    "cancel_skipped": cancel_that_keeps_failing("skip"),
    "run_again_while_undoing": run_again_while_undoing,
    "run_again_and_canceled": run_again_and_canceled,
    "run_again_after_confirm": run_again_after_confirm,
}
ONE_BY_ONE: Final[Mapping[str, Path]] = {
    "canceled_before_its_workflow": canceled_before_its_workflow,
    "worker_killed_after_decision": worker_killed_after_decision,
    "worker_killed_while_capturing": worker_killed_while_capturing,
    "carrier_neither_comes_nor_lets_go": carrier_neither_comes_nor_lets_go,
}
PATHS: Final = {**SIDE_BY_SIDE, **OUTSIDE, **ONE_BY_ONE}

# Of orders that were begun before a change: replayed while any of them may run, and not recorded again.
OLDER: Final = ("own_site_confirmed",)  # held in one transaction, decided in a second
RECORDED: Final = (*PATHS, *OLDER)
