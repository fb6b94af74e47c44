"""One order under test: placed, hit where its cell says, seen to its end, and checked there."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from ordersaga.keys import workflow_id
from tests.faults.acts import Gate
from tests.faults.lab import Lab
from tests.faults.table import COMPLETED, CONFIRMED, RETURNED, Cell, Ends
from tests.saga.shop import UNIT_PRICE, Books, Json, Shop

ENDS_WITHIN_S: Final = 75  # a client's 15 s, a few kills, and retries between them
POLL_S: Final = 0.15
REPEAT_S: Final = 0.3  # a client whose request failed asks again so soon
QUANTITY: Final = 2


class SharedShop(Shop):
    """A SKU of its own, with everybody's connections; and it bears parts that are away."""

    lab: Lab

    @classmethod
    async def open(cls, lab: Lab) -> SharedShop:
        shop = cls(lab.stack)
        shop.lab = lab
        shop.api, shop.provider, shop.carrier = lab.shop.api, lab.shop.provider, lab.shop.carrier
        await shop.put_stock(shop.sku, shop.on_hand)
        return shop

    async def books(self, order_id: str) -> Books:
        return await self.lab.books(order_id)


class Bench:
    """What every family of points does alike. `arrange` is called once the order's id is known."""

    def __init__(self, lab: Lab, cell: Cell, shop: SharedShop) -> None:
        self.lab = lab
        self.cell = cell
        self.point = cell.point
        self.shop = shop
        self.ends: Ends = cell.point.ends
        self.payments = cell.point.payments
        self.canceled_later = cell.point.canceled_later
        self.order_id = ""
        self.carrier = "sandbox" if cell.point.life in ("", "paid") else "merchant"
        self.key = uuid.uuid4().hex
        self.gate: Gate | None = None  # where the order waits while something is killed

    # --- An order's life as its buyer sees it ------------------------------------------------------

    async def post(self, path: str, body: Json, *, key: str) -> httpx.Response:
        """Again and again, with the same key, until it is answered."""
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while True:
            assert time.monotonic() < deadline_s, f"{path} is never answered"
            try:
                answer = await self.lab.front.post(
                    path, json=body, headers={"Idempotency-Key": key, "Prefer": "respond-async"}
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and (answer.status_code < 500 and answer.status_code != 409):
                return answer
            if answer is not None and answer.json().get("code") == "illegal_move":
                return answer
            await asyncio.sleep(REPEAT_S)

    async def place(self) -> Json:
        answer = await self.post("/v1/orders", self.body(), key=f"place-{self.key}")
        assert answer.status_code in (201, 202), answer.text
        order: Json = answer.json()
        return order

    def body(self) -> Json:
        return {
            "customer": {"id": f"c-{self.cell.name}"},
            "currency": "BRL",
            "lines": [
                {
                    "sku": self.shop.sku,
                    "quantity": QUANTITY,
                    "unit_price": {"amount": UNIT_PRICE, "currency": "BRL"},
                }
            ],
            "shipping_address": {"country": "BR"},
            "shipping": {"carrier": self.carrier, "service": self.point.service},
            "payments": list(self.payments),
        }

    async def cancel(self, *, key: str = "") -> httpx.Response:
        path = f"/v1/orders/{self.order_id}/cancel"
        return await self.post(path, {"reason": "changed my mind"}, key=key or f"cancel-{self.key}")

    async def until(self, is_so: Callable[[Json], bool]) -> Json:
        """The order once that holds of it, whoever is away meanwhile."""
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        order: Json = {}
        while True:
            try:
                answer = await self.shop.api.get(f"/v1/orders/{self.order_id}")
                order = answer.json() if answer.status_code == httpx.codes.OK else order
            except httpx.TransportError:
                pass
            if order and is_so(order):
                return order
            assert time.monotonic() < deadline_s, f"still {order.get('status')}: {order}"
            await asyncio.sleep(POLL_S)

    async def until_released(self) -> None:
        """Confirmed, and the carrier told to come, as our history has it."""
        await self.until(lambda order: order["status"] == "confirmed")
        await self.until_happened("parcel.released")

    async def until_happened(self, event: str) -> None:
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while not await self.has_happened(event):
            assert time.monotonic() < deadline_s, f"{event} never happened"
            await asyncio.sleep(POLL_S)

    async def has_happened(self, event: str) -> bool:
        try:
            return event in await self.shop.history(self.order_id)
        except (httpx.TransportError, KeyError):  # the API's own database is away
            return False

    # --- To its end, and what must hold there --------------------------------------------------------

    async def begin(self, arrange: Callable[[], Awaitable[None]]) -> None:
        """Places the order and hits it; a posted point does so in the other order."""
        self.order_id = (await self.place())["id"]
        await arrange()
        self.lab.desk.know(self.order_id)
        await self.live_on()
        if self.canceled_later:
            await self.until_released()
            await self.cancel()

    async def live_on(self) -> None:
        """What others do, that the order waits for."""

    async def end(self) -> Json:
        """The order as it ended, with its workflow at rest."""
        status, code = self.ends
        if self.ends == CONFIRMED:
            await self.until_released()
        under_way = ({"pending", "compensating", "confirmed", "shipped", "delivered"}) - {status}
        if self.ends == RETURNED:
            under_way.add("completed")
        order = await self.until(lambda order: order["status"] not in under_way)
        ended = (order["status"], order["failure"]["code"] if order["failure"] else None)
        assert ended == (status, code), f"it ended {ended}"
        if status != "confirmed":
            handle = self.lab.temporal.get_workflow_handle(workflow_id(self.order_id))
            async with asyncio.timeout(ENDS_WITHIN_S):
                outcome = await handle.result()
            assert outcome["status"] == ("completed" if self.ends == RETURNED else status)
        return order

    async def check(self) -> None:
        """All of it, or none of it; and history once, with an outbox row for each row of it."""
        order = await self.shop.get(self.order_id)
        assert order["status"] == self.ends[0]
        assert order["attention"] is None
        if self.ends in (CONFIRMED, COMPLETED):
            await self.shop.assert_all_of_it(order, quantity=QUANTITY)
            on_the_way = [] if self.ends == COMPLETED else ["released"]
            assert (await self.shop.books(self.order_id)).live_parcels == on_the_way
        else:
            await self.shop.assert_clean_slate(order)
        history = await self.shop.history(self.order_id)
        once = [e for e in history if e.startswith(("order.", "stock.", "parcel."))]
        assert len(once) == len(set(once)), f"something happened twice: {history}"
        told = await self.lab.tables.fetch(
            "select sequence from outbox where order_id = $1 order by sequence", self.order_id
        )
        assert [row["sequence"] for row in told] == list(range(1, len(history) + 1))

    async def assert_hit(self) -> None:
        """The fault really happened: a cell that was not hit proves nothing."""
        raise NotImplementedError

    async def afterwards(self) -> None:
        """What comes when all is over."""

    # --- The faults; each family has its own way ----------------------------------------------------

    async def fail_first(self) -> None:
        raise NotImplementedError

    async def lose_reply(self) -> None:
        raise NotImplementedError

    async def time_out(self) -> None:
        raise NotImplementedError

    async def duplicate(self) -> None:
        raise NotImplementedError

    async def come_late(self) -> None:
        raise NotImplementedError

    async def undo_first(self) -> None:
        raise NotImplementedError

    async def drop_at_commit(self) -> None:
        raise NotImplementedError

    async def slow_down(self) -> None:
        raise NotImplementedError

    async def poison(self) -> None:
        raise NotImplementedError

    async def wait_at(self, moment: str) -> None:
        """Makes the order wait at `self.gate`."""
        raise NotImplementedError
