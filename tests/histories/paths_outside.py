"""The ways an order can go that begin outside: parcels, late money, holds, and goods that come back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from ordersaga import keys
from tests.histories.driving import Path, confirmed, ended, place, until_asks_payer
from tests.saga.shop import Json, Shop, card, payment


def parcel_that(*statuses: str, ends: str) -> Path:
    """An order whose carrier says these things of its parcel, one after the other."""

    async def path(shop: Shop) -> str:
        order = await confirmed(shop, card(), carrier="sandbox")
        await shop.until_released(order["id"])
        for status in statuses:
            await shop.carrier_says(order, status)
            await shop.until(order["id"], partial(_is_seen, status))
        return await ended(shop, order, ends)

    return path


def _is_seen(status: str, order: Json) -> bool:
    return bool(order["shipments"][0]["tracking_status"] == status)


async def received(shop: Shop) -> str:
    order = await _received(shop, card())
    return str(order["id"])


async def canceled_while_carrier_is_on_its_way(shop: Shop) -> str:
    order = await confirmed(shop, card(), carrier="sandbox")
    await shop.until_released(order["id"])
    await shop.carrier_says(order, "pre_transit")
    await shop.cancel(order["id"])
    return await ended(shop, order, "canceled")


async def canceled_after_a_refund(shop: Shop) -> str:
    order = await confirmed(shop, card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    await shop.ask(order, "refunds", some)
    await shop.until(order["id"], lambda o: o["payment_status"] == "partially_refunded")
    await shop.cancel(order["id"])
    return await ended(shop, order, "canceled")


def held_and(*moves: str, ends: str) -> Path:
    """Held by an operator before its money is taken."""

    async def path(shop: Shop) -> str:
        order = await place(shop, card("tok_requires_action"))
        await until_asks_payer(shop, order)
        (await shop.ask(order, "hold", {"reason": "odd"})).raise_for_status()
        await shop.play_payer(order["id"], "pay")
        await shop.until(order["id"], lambda o: o["payment_status"] == "authorized")
        for move in moves:
            (await shop.ask(order, move)).raise_for_status()
        return await ended(shop, order, ends)

    return path


async def disputed(shop: Shop) -> str:
    order = await confirmed(shop, payment("alipay"))
    (intent,) = (await shop.books(order["id"])).intents
    await shop.provider.post(f"/test/disputes/{intent['id']}", json={})
    await shop.until(order["id"], lambda o: o["attention"] is not None)
    return str(order["id"])


async def paid_too_late(shop: Shop) -> str:
    """The workflow that looks at a payment whose order is over."""
    order = await place(shop, payment("boleto"))
    await ended(shop, order, "canceled")
    (intent,) = (await shop.books(order["id"])).intents
    (await shop.provider.post(f"/test/payers/{intent['id']}/pay", json={})).raise_for_status()
    await shop.until(order["id"], lambda o: o["payment_status"] == "refunded")
    return await shop.newest_workflow("PaymentNewsWorkflow", about=order)


async def goods_returned(shop: Shop) -> str:
    order = await _received(shop, card(amount=700), payment("alipay"))
    return_id = await _return_of(shop, order)
    for verb in ("approve", "receive"):
        (await shop.ask(order, f"returns/{return_id}/{verb}")).raise_for_status()
    await ended(shop, order, "returned")
    return keys.return_workflow_id(return_id)


async def return_declined(shop: Shop) -> str:
    order = await _received(shop, card())
    return_id = await _return_of(shop, order)
    (await shop.ask(order, f"returns/{return_id}/decline")).raise_for_status()
    return keys.return_workflow_id(return_id)


async def refunded_without_return(shop: Shop) -> str:
    """The workflow of an operator's refund."""
    order = await confirmed(shop, card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    await shop.ask(order, "refunds", some)
    await shop.until(order["id"], lambda o: o["payment_status"] == "partially_refunded")
    return await shop.newest_workflow("RefundWorkflow", about=order)


async def _received(shop: Shop, *payments: Json) -> Json:
    order = await confirmed(shop, *payments)
    await shop.ask(order, "ship", {"tracking_number": f"TRK-{order['id']}"})
    (await shop.ask(order, "confirm-receipt")).raise_for_status()
    await ended(shop, order, "completed")
    return order


async def _return_of(shop: Shop, order: Json) -> str:
    answer = await shop.ask(order, "returns", {"reason": "too small"})
    return str(answer.json()["returns"][0]["id"])


OUTSIDE: Final[Mapping[str, Path]] = {
    "delivered_and_completed": parcel_that(
        "picked_up", "in_transit", "delivered", ends="completed"
    ),
    "delivered_at_once": parcel_that("delivered", ends="completed"),
    "parcel_lost": parcel_that("picked_up", "lost", ends="returned"),
    "parcel_returned_to_sender": parcel_that("picked_up", "return_to_sender", ends="returned"),
    "received": received,
    "canceled_while_carrier_is_on_its_way": canceled_while_carrier_is_on_its_way,
    "canceled_after_a_refund": canceled_after_a_refund,
    "held_and_released": held_and("release", ends="confirmed"),
    "held_and_canceled": held_and("cancel", ends="canceled"),
    "held_for_too_long": held_and(ends="canceled"),
    "disputed": disputed,
    "paid_too_late": paid_too_late,
    "goods_returned": goods_returned,
    "return_declined": return_declined,
    "refunded_without_return": refunded_without_return,
}
