"""Sends the orders over HTTP and follows each until it is decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from cli.traffic.looking import look_until
from cli.traffic.orders import PlayedOrder
from cli.traffic.stage import Payers, Stage
from cli.traffic.tally import Result, outcome_of
from ordersaga.client import ApiClient, ApiProblem, Order
from ordersaga.lifecycle import FINAL, UNDECIDED, PaymentStatus

WAIT_S: Final = 30  # the longest that the API holds an answer back

# Orders that wait for their payers cost nobody anything, so they may be many more than are sent at
# once; but each is kept in memory.
MOST_WAITING: Final = 200


class Driver:
    """`concurrency`: how many orders are with the API at once, but for those that await payers."""

    def __init__(
        self, *, api: ApiClient, stage: Stage, payers: Payers, run: str, concurrency: int
    ) -> None:
        self._api = api
        self._stage = stage
        self._payers = payers
        self._run = run
        self._sending = asyncio.Semaphore(concurrency)
        self._open = asyncio.Semaphore(concurrency + MOST_WAITING)

    async def drive(self, orders: Iterable[PlayedOrder], tell: Callable[[Result], None]) -> None:
        """All of them; `tell` hears what became of each. Raises `ApiUnavailable` in a group."""
        async with asyncio.TaskGroup() as group:
            for order in orders:
                await self._open.acquire()
                group.create_task(self._one(order, tell))

    async def _one(self, order: PlayedOrder, tell: Callable[[Result], None]) -> None:
        try:
            tell(await self._follow(order))
        finally:
            self._open.release()

    async def _follow(self, order: PlayedOrder) -> Result:
        key = f"{self._run}-{order.name.replace(' ', '-')}"
        async with self._sending:
            body = await self._stage.prepare(order)
            began_s = time.monotonic()
            try:
                found = await self._api.create_order(body, key=key, wait_s=WAIT_S)
            except ApiProblem as problem:
                return Result.of_refusal(order.name, problem)
        waited_for_payer = found.payment_status == PaymentStatus.REQUIRES_ACTION
        if found.status in UNDECIDED:
            found = await self._until_decided(found, order, key=key)
        took_s = time.monotonic() - began_s
        if order.story.changes_mind and outcome_of(found.status) == "confirmed":
            found = await self._change_mind(found, key=key)
        return Result.of_order(order.name, found, took_s=took_s, waited_for_payer=waited_for_payer)

    async def _until_decided(self, found: Order, order: PlayedOrder, *, key: str) -> Order:
        self._payers.expect(found.id, order.story.payer)
        try:
            if order.story.payer == "leaves":
                with suppress(ApiProblem):  # too late: it was decided meanwhile
                    found = await self._cancel(found, "given up", key=key)
            return await look_until(self._api, found, lambda now: now.status not in UNDECIDED)
        finally:
            self._payers.forget(found.id)

    async def _change_mind(self, found: Order, *, key: str) -> Order:
        try:
            found = await self._cancel(found, "changed my mind", key=key)
        except ApiProblem:  # the parcel is on its way: the order stays
            return await self._api.get_order(found.id)
        return await look_until(self._api, found, lambda now: now.status in FINAL)

    async def _cancel(self, found: Order, reason: str, *, key: str) -> Order:
        return await self._api.cancel_order(
            found.id, reason=reason, key=f"{key}-cancel", wait_s=WAIT_S
        )
