"""Orders of every ending, placed by one customer whose every field is a canary."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from tests.privacy.canaries import ADDRESS, CUSTOMER, PERSON, canary
from tests.saga.shop import UNIT_PRICE, Json, Shop, card, payment

UNKNOWN_TOKEN = canary("token")


class Lives:
    """The customer's orders, each a method that leads it to its end and returns it."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def all(self) -> Sequence[Json]:
        gift = {"amount": _brl(10 * UNIT_PRICE), "reason": canary("gift")}
        (await self._shop.post(f"/v1/accounts/{CUSTOMER}/credits", gift)).raise_for_status()
        code = {"code": canary("voucher"), "amount": _brl(2 * UNIT_PRICE)}
        (await self._shop.post("/v1/vouchers", code)).raise_for_status()
        return await asyncio.gather(
            self.bought_and_sent_back(),
            self.declined(),
            self.unknown_means(),
            self.outage(),
            self.held_and_released(),
            self.confirmed_and_canceled(),
            self.in_attention(),
            self.of_our_own_money(),
            self.given_some_back(),
        )

    async def bought_and_sent_back(self) -> Json:
        order = await self._received(await self._order(card()))
        id_ = await self._asks_return(order)
        for word in ("approve", "receive"):
            (await self._shop.ask(order, f"returns/{id_}/{word}")).raise_for_status()
        return await self._ends(order, "returned")

    async def declined(self) -> Json:
        return await self._ends(await self._order(card("tok_declined")), "rejected")

    async def unknown_means(self) -> Json:
        return await self._ends(await self._order(card(UNKNOWN_TOKEN)), "rejected")

    async def outage(self) -> Json:
        return await self._ends(await self._order(card("tok_unavailable")), "canceled")

    async def held_and_released(self) -> Json:
        order = await self._order(prefer="wait=0")
        await self._asks(order, "hold", {"reason": canary("hold")})
        held = await self._shop.get(order["id"])
        assert held["hold"]["reason"] == canary("hold"), "operators see why"
        await self._asks(order, "release", {"reason": canary("release")})
        await self._asks(order, "pay", {"payments": [card("tok_capture_declined")]})
        return await self._ends(order, "rejected")

    async def confirmed_and_canceled(self) -> Json:
        order = await self._ends(await self._order(card()), "confirmed")
        await self._asks(order, "cancel", {"reason": canary("cancel")})
        return await self._ends(order, "canceled")

    async def in_attention(self) -> Json:
        order = await self._ends(await self._order(card("tok_refund_unavailable")), "confirmed")
        await self._asks(order, "cancel", {"reason": canary("cancel")})
        order = await self._shop.until(order["id"], lambda o: o["attention"] is not None)
        word = {"step": order["attention"]["step"], "action": "skip", "note": canary("note")}
        await self._asks(order, "attention", word)
        return await self._ends(order, "canceled")

    async def of_our_own_money(self) -> Json:
        both = payment("voucher", canary("voucher"), UNIT_PRICE), payment("balance", None)
        order = await self._ends(await self._order(*both, carrier="merchant"), "confirmed")
        await self._asks(order, "cancel", {"reason": canary("cancel")})
        return await self._ends(order, "canceled")

    async def given_some_back(self) -> Json:
        order = await self._received(await self._order(card()))
        review = {"rating": 2, "comment": canary("review")}
        await self._asks(order, "review", review)
        await self._asks(order, "refunds", {"amount": _brl(100), "reason": canary("refund")})
        id_ = await self._asks_return(order)
        (await self._shop.ask(order, f"returns/{id_}/decline")).raise_for_status()
        return await self._shop.until(
            order["id"], lambda o: o["payment_status"] == "partially_refunded"
        )

    async def _order(
        self, *payments: Json, carrier: str = "sandbox", prefer: str = "wait=20"
    ) -> Json:
        body = {
            "customer": PERSON,
            "currency": "BRL",
            "lines": [{"sku": self._shop.sku, "quantity": 2, "unit_price": _brl(UNIT_PRICE)}],
            "shipping_address": ADDRESS,
            "shipping": {"carrier": carrier, "service": "standard"},
            "payments": list(payments),
            "metadata": {"greeting": canary("metadata")},
        }
        key = f"{canary('key')}-{uuid.uuid4().hex[:8]}"
        answer = await self._shop.post("/v1/orders", body, key=key, Prefer=prefer)
        assert answer.status_code in (201, 202), answer.text
        order: Json = answer.json()
        return order

    async def _asks(self, order: Json, move: str, body: Json) -> None:
        answer = await self._shop.ask(order, move, body, Prefer="wait=20")
        assert answer.status_code in (200, 201, 202), answer.text

    async def _asks_return(self, order: Json) -> str:
        answer = await self._shop.ask(order, "returns", {"reason": canary("return")})
        assert answer.is_success, answer.text
        id_: str = answer.json()["returns"][0]["id"]
        return id_

    async def _received(self, order: Json) -> Json:
        await self._ends(order, "confirmed")
        await self._shop.until_released(order["id"])
        seen: dict[str, Any] = {"location": canary("location"), "detail": canary("sentence")}
        await self._shop.carrier_says(order, "picked_up", **seen)
        await self._shop.carrier_says(order, "delivered", **seen)
        await self._tells_of_money(order)
        await self._shop.until(order["id"], lambda o: o["delivered_at"] is not None)
        await self._asks(order, "confirm-receipt", {})
        return await self._ends(order, "completed")

    async def _tells_of_money(self, order: Json) -> None:
        paid = (await self._shop.get(order["id"]))["payments"][0]["id"]
        data = {"payment_id": paid, "reason": canary("bank")}
        told = {"type": "payment.captured", "data": data}
        message = uuid.uuid4().hex
        answer = await self._shop.webhook("payments/sandbox", told, message_id=message)
        assert answer.status_code == 200, answer.text

    async def _ends(self, order: Json, status: str) -> Json:
        return await self._shop.until(order["id"], lambda o: o["status"] == status, within_s=60)


def _brl(amount: int) -> Json:
    return {"amount": amount, "currency": "BRL"}
