"""Plays what happens to an order once it is confirmed, while parts die: parcels, receipts, returns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cli.chaos.courier import Courier, Request
from cli.chaos.lives import Life, Telling
from cli.chaos.visits import Visit
from cli.traffic.carrier import Carrier, CarrierSaysNo, Message
from cli.traffic.looking import look_until
from ordersaga.client import (
    ApiClient,
    AskForReturn,
    ConfirmReceipt,
    Money,
    Move,
    Order,
    Refund,
    ReturnLine,
    ReturnWord,
    Ship,
)
from ordersaga.errors import Unavailable
from ordersaga.lifecycle import FINAL, RETURNABLE, Status
from ordersaga.order import MERCHANT

AWAY_S: Final = 0.3  # a carrier that is dead is back within seconds
MOVE_WAITS_S: Final = 5
REFUNDED_PART: Final = 3  # the total by this


class Living:
    """`patient`: a client that bears an API that is away. Requests go by the courier, as all do."""

    def __init__(self, *, courier: Courier, patient: ApiClient, carrier: Carrier) -> None:
        self._courier = courier
        self._api = patient
        self._carrier = carrier

    async def live(self, order: Order, visit: Visit, life: Life, *, reference: str) -> None:
        """From its confirmation on; nothing, where it is not confirmed."""
        order = await look_until(self._api, order, lambda now: now.status != Status.PENDING)
        if order.status != Status.CONFIRMED:
            return
        asks = _Asks(self._courier, visit, life, reference, order.id)
        async with asyncio.TaskGroup() as group:
            if life.is_refunded:
                group.create_task(_refund(asks, visit))
            group.create_task(self._parcel(order, asks))

    async def _parcel(self, order: Order, asks: _Asks) -> None:
        life = asks.life
        if order.shipments[0].carrier == MERCHANT:
            arrives = await _ship(asks)
        else:
            arrives = life.arrives and await self._bring(order, life)
        if not (arrives and life.sends_back):
            return
        here = await look_until(
            self._api, order, lambda now: now.status in RETURNABLE or now.status in FINAL
        )
        if here.status in RETURNABLE:
            await _send_back(asks)

    async def _bring(self, order: Order, life: Life) -> bool:
        """Whether the carrier could say all that it had to say."""
        number = order.shipments[0].tracking_number
        assert number is not None, "a confirmed parcel is booked"
        confirmed_at = datetime.now(UTC)
        for telling in life.tellings:
            told_at = confirmed_at + timedelta(seconds=telling.told_after_s)
            await asyncio.sleep((told_at - datetime.now(UTC)).total_seconds())
            try:
                message = await self._see(number, telling, confirmed_at)
            except CarrierSaysNo:  # canceled meanwhile
                return False
            if telling.twice:
                with contextlib.suppress(Unavailable):
                    await self._carrier.tell_again(message)
        return True

    async def _see(self, number: str, telling: Telling, confirmed_at: datetime) -> Message:
        seen_at = confirmed_at + timedelta(seconds=telling.seen_after_s)
        while True:
            try:
                return await self._carrier.see(
                    number, telling.status, occurred_at=seen_at, estimated_at=None
                )
            except Unavailable:
                await asyncio.sleep(AWAY_S)


class _Asks:
    """What people ask of one order, each request by the courier."""

    def __init__(
        self, courier: Courier, visit: Visit, life: Life, reference: str, order_id: str
    ) -> None:
        self._courier = courier
        self._visit = visit
        self.life = life
        self.reference = reference
        self._order_id = order_id
        self._pauses_s = iter(life.pauses_s)

    @property
    def sku(self) -> str:
        return self._visit.order.body.lines[0].sku

    async def move(self, move: Move) -> Order | None:
        """None: refused, or its answer was lost and nobody waits for it."""

        async def ask(api: ApiClient) -> Order:
            return await api.move_order(
                self._order_id, move, key=self._key(move.path), wait_s=MOVE_WAITS_S
            )

        return await self._deliver(move.path, ask)

    async def say(self, return_id: str, word: ReturnWord) -> Order | None:
        """The seller's word on a return."""

        async def ask(api: ApiClient) -> Order:
            return await api.move_return(self._order_id, return_id, word, key=self._key(word))

        return await self._deliver(word, ask)

    async def _deliver(
        self, kind: str, ask: Callable[[ApiClient], Awaitable[Order]]
    ) -> Order | None:
        await asyncio.sleep(next(self._pauses_s))
        request = Request(self.reference, kind, ask)
        return await self._courier.deliver(request, self._visit.living)

    def _key(self, kind: str) -> str:
        return f"{self.reference}-{kind}"


async def _refund(asks: _Asks, visit: Visit) -> None:
    body = visit.order.body
    if amount := body.total // REFUNDED_PART:
        money = Money(amount=amount, currency=body.currency)
        await asks.move(Refund(amount=money, reason="a scratch"))


async def _ship(asks: _Asks) -> bool:
    """Whether its buyer says that he has it."""
    await asyncio.sleep(asks.life.ships_after_s)
    shipped = await asks.move(Ship(tracking_number=f"TRK-{asks.reference}"))
    if shipped is None or not asks.life.is_received:
        return False
    return await asks.move(ConfirmReceipt()) is not None


async def _send_back(asks: _Asks) -> None:
    life = asks.life
    lines = (ReturnLine(sku=asks.sku, quantity=1),) if life.sends_back == "a unit" else None
    asked = await asks.move(AskForReturn(reason="too small", lines=lines))
    if asked is None or not asked.returns:
        return
    return_id = asked.returns[-1].id
    words: tuple[ReturnWord, ...] = ("decline",) if life.is_declined else ("approve", "receive")
    for word in words:
        if await asks.say(return_id, word) is None:
            return
