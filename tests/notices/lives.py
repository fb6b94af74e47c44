"""Orders that come to every ending, and give cause for every notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import Pool, transaction
from ordersaga.history import Happening
from ordersaga.lifecycle import MERCHANT_ACCEPTS
from ordersaga.order import SANDBOX, Hold, NewOrder, NewPayment, Refusal
from ordersaga.tracking import PARCEL_LOST
from tests.notices.conftest import buy, place
from tests.postgres.merchant import (
    CHANGED_MIND,
    Merchant,
    answer,
    card,
    payment,
    sighting,
    step_of,
    voucher,
)

SLIP_URL = "https://pay.example/slip/1?a=1&b=2"
PAYABLE_UNTIL = datetime.now(UTC) + timedelta(days=3)
SAYS = ("delayed", "exception", "delivery_attempted", "available_for_pickup", "delivered")

Customer = dict[str, JsonValue]


async def happen(pool: Pool, order: NewOrder, type_: str, **data: JsonValue) -> None:
    async with transaction(pool) as connection:
        await record(
            connection, await lock_order(connection, order.id), Happening.of(type_, **data)
        )


class Lives:
    """`await lives.all()`: the orders by what becomes of them."""

    def __init__(self, merchant: Merchant, pool: Pool, customer: Customer) -> None:
        self._merchant = merchant
        self._pool = pool
        self._customer = customer

    async def all(self) -> dict[str, NewOrder]:
        await self._merchant.put_stock(mug=100)
        return {
            "rejected": await self.rejected(),
            "canceled": await self.canceled(),
            "waits for its payer": await self.waits_for_its_payer(),
            "waits for its merchant": await self.waits_for_its_merchant(),
            "delivered": await self.delivered(),
            "lost": await self.lost(),
            "sent back": await self.sent_back(),
            "kept": await self.kept(),
            "in need": await self.in_need(),
        }

    async def rejected(self) -> NewOrder:
        order = await place(self._merchant, customer=self._customer, lines=[("mug", 1_000)])
        await self._merchant.buy(order)
        return order

    async def canceled(self) -> NewOrder:
        order = await place(self._merchant, customer=self._customer)
        await self._merchant.undo(order, CHANGED_MIND)
        return order

    async def waits_for_its_payer(self) -> NewOrder:
        asked = payment("boleto", 123_456)
        order = await place(self._merchant, asked, customer=self._customer)
        records, step = self._merchant.records, step_of(order, asked)
        await records.begin(step)
        await records.keep_reference(step, asked.plan.id, f"pi_{order.id}")
        kind = "boleto_display_details"
        slip: JsonValue = {
            "hosted_voucher_url": SLIP_URL,
            "expires_at": int(PAYABLE_UNTIL.timestamp()),
        }
        await records.payment_answered(
            step,
            asked.plan.id,
            replace(
                answer("requires_action", asked, reference=f"pi_{order.id}"),
                next_action={"type": kind, kind: slip},
                expires_at=PAYABLE_UNTIL,
            ),
        )
        return order

    async def waits_for_its_merchant(self) -> NewOrder:
        until = datetime.now(UTC) + timedelta(days=1)
        hold = Hold(MERCHANT_ACCEPTS, "to be accepted", "merchant_accepts", until=until)
        return await place(self._merchant, customer=self._customer, hold=hold)

    async def delivered(self) -> NewOrder:
        order = await self._sent(card(5_000))
        for hour, status in enumerate(["picked_up", *SAYS]):
            await self._merchant.own_site.follow_parcel(order.id, sighting(order, status, hour))
        return order

    async def lost(self) -> NewOrder:
        order = await self._sent(card(7_000))
        opened = await self._merchant.own_site.open_reversal(order.id, PARCEL_LOST)
        for plan in opened.refunds:
            await self._merchant.refund(order, plan)
        await self._merchant.own_site.reverse(order.id)
        return order

    async def sent_back(self) -> NewOrder:
        """Goods by goods: one return is paid back, the other declined."""
        code = f"V-{self._merchant.tenant}"
        await self._merchant.put_voucher(code, 2_500)
        order = await buy(self._merchant, voucher(code, 2_500), customer=self._customer)
        await self._merchant.happens(order, "parcel.shipped", "order.shipped")
        await self._merchant.happens(order, "parcel.delivered", "order.delivered")
        declined = await self._merchant.ask_return(order)
        await self._merchant.answer_return(order, declined, "decline")
        agreed = await self._merchant.ask_return(order)
        await self._merchant.answer_return(order, agreed, "approve", "receive")
        await self._merchant.own_site.settle_return(agreed)
        return order

    async def kept(self) -> NewOrder:
        order = await self._sent(card(3_000))
        await self._merchant.ask_to_cancel(order)
        no = Refusal("parcel", "already_shipped", "the carrier has it")
        await self._merchant.own_site.refuse_cancel(order.id, no)
        return order

    async def in_need(self) -> NewOrder:
        order = await self._sent(card(4_000))
        paid = order.payments[0].plan.id
        await happen(self._pool, order, "payment.disputed", payment_id=paid)
        await self._merchant.records.raise_attention(order.id, "release", "nobody answers", 5)
        return order

    async def _sent(self, *payments: NewPayment) -> NewOrder:
        """A confirmed one that a carrier brings; its cards are captured."""
        order = await place(self._merchant, *payments, customer=self._customer, carrier=SANDBOX)
        await self._merchant.hold(order)
        await self._merchant.book(order)
        for asked in payments:
            await self._merchant.authorize(order, asked)
            await self._merchant.capture(order, asked)
        assert (await self._merchant.confirm(order)).verdict == "confirm"
        return order
