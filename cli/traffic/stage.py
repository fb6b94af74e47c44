"""Sets the stage: goods on the shelf, money on vouchers and accounts; and plays the payers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from cli.traffic.orders import Payer, PlayedOrder
from ordersaga.client import ApiClient, ApiProblem, Money, NewOrder, Payment, StockItem

STOCK_BATCH: Final = 1000  # SKUs a call: 100 kB
STOCK_RESERVED: Final = "stock_reserved"  # the API's word for: more is reserved than that
INVALID: Final = "invalid_request"
LOOK_FOR_PAYERS_EVERY_S: Final = 0.2  # as quick as people are who have the slip before them
PROVIDER_TIMEOUT_S: Final = 10.0


class Stage:
    """What has to be there before an order comes. `run`: makes its names unique."""

    def __init__(self, api: ApiClient, *, run: str) -> None:
        self._api = api
        self._run = run

    async def fill_shelves(self, stock: Mapping[str, int]) -> None:
        """Sets how many units of each SKU there are. Raises `ApiProblem`.

        A SKU that the API does not take is left out: it refuses the order with it, too.
        """
        items = [StockItem(sku=sku, on_hand=units) for sku, units in stock.items()]
        for start in range(0, len(items), STOCK_BATCH):
            await self._put(items[start : start + STOCK_BATCH], key=f"{self._run}-stock-{start}")

    async def _put(self, items: Sequence[StockItem], *, key: str) -> None:
        try:
            await self._api.set_stock(items, key=key)
        except ApiProblem as problem:
            if problem.code == STOCK_RESERVED:
                await self._api.set_stock(await self._beyond_reserved(items), key=f"{key}-more")
            elif problem.code != INVALID:
                raise
            elif len(items) > 1:
                half = len(items) // 2
                await self._put(items[:half], key=f"{key}-a")
                await self._put(items[half:], key=f"{key}-b")

    async def prepare(self, order: PlayedOrder) -> NewOrder:
        """The order as it is sent: its vouchers are issued, its buyer's store credit is there."""
        payments = [
            await self._fund(order, position, payment)
            for position, payment in enumerate(order.body.payments)
        ]
        return order.body.model_copy(update={"payments": tuple(payments)})

    async def _fund(self, order: PlayedOrder, position: int, payment: Payment) -> Payment:
        if payment.method not in ("voucher", "balance") or payment.amount is None:
            return payment
        name = f"{self._run}-{order.name.replace(' ', '-')}-{position}"
        amount = Money(
            amount=payment.amount.amount - order.story.short_by, currency=payment.amount.currency
        )
        # Money that the API does not issue it does not take either: the order will say so.
        with contextlib.suppress(ApiProblem):
            if payment.method == "voucher":
                await self._api.issue_voucher(name, amount, key=f"{name}-issue")
            else:
                await self._api.credit_account(
                    order.body.customer.id, amount, reason="played", key=f"{name}-credit"
                )
        if payment.method == "voucher":
            return payment.model_copy(update={"token": name})
        return payment

    async def _beyond_reserved(self, items: Sequence[StockItem]) -> list[StockItem]:
        """The same units, besides what open orders of earlier runs hold."""
        raised = []
        for item in items:
            known = await self._api.get_stock(item.sku)
            held = known.reserved if known else 0
            raised.append(StockItem(sku=item.sku, on_hand=item.on_hand + held))
        return raised


class _Waiting(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    metadata: dict[str, str]


class _WaitingList(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: tuple[_Waiting, ...]


class Payers:
    """Plays whoever has to pay at the sandbox provider, for the orders that it was told of."""

    def __init__(self, provider_url: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=provider_url, timeout=PROVIDER_TIMEOUT_S, trust_env=False
        )
        self._acts: dict[str, str] = {}  # order id → what its payer does there

    def expect(self, order_id: str, payer: Payer) -> None:
        """From now on, this order's payer acts."""
        if payer != "leaves":
            self._acts[order_id] = "pay" if payer == "pays" else "fail"

    def forget(self, order_id: str) -> None:
        self._acts.pop(order_id, None)

    async def play(self) -> None:
        """Until canceled. A provider that is away is asked again."""
        async with self._http:
            while True:
                if self._acts:
                    with contextlib.suppress(httpx.HTTPError, ValidationError):
                        await self._act_once()
                await asyncio.sleep(LOOK_FOR_PAYERS_EVERY_S)

    async def _act_once(self) -> None:
        response = await self._http.get("/test/payers/waiting")
        for intent in _WaitingList.model_validate_json(response.content).data:
            act = self._acts.get(intent.metadata.get("order_id", ""))
            if act is not None:
                await self._http.post(f"/test/payers/{intent.id}/{act}")
