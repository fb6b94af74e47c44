"""A small typed client of ordersaga's HTTP API, safe against lost answers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import quote

import httpx

from ordersaga.client import bodies
from ordersaga.client.answers import (
    Account,
    Event,
    EventList,
    LiveEvent,
    Order,
    OrderPage,
    Stock,
)
from ordersaga.client.bodies import Money, Move, NewOrder, StockItem
from ordersaga.client.errors import ApiProblem
from ordersaga.client.live import follow
from ordersaga.client.transport import PATIENCE_S, Params, Transport, parse

DEFAULT_WAIT_S: Final = 5  # for a decision, as the API itself has it
PAGE: Final = 100  # orders a request of a listing

ReturnWord = Literal["approve", "decline", "receive"]


class ApiClient:
    """`async with ApiClient(base_url=…, key=…) as api: order = await api.create_order(…)`

    Every method raises `ApiProblem` where the API says no, `ApiUnavailable` where it is away. What
    creates or moves something takes an idempotency `key`: keep one of your own (an order number) to
    be safe when your program dies as well; without one, a new one is made for the call.
    `connections`: how many requests may be under way at once. `patience_s`: how long one is
    tried again before the API counts as away.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: str,
        connections: int = 100,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._transport = Transport(
            base_url=base_url, key=key, connections=connections, patience_s=patience_s
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.aclose()

    async def is_ready(self) -> bool:
        """Whether the API has all that it needs, asked once."""
        return await self._transport.answers("/readyz")

    # --- Orders -----------------------------------------------------------------------------------

    async def create_order(
        self, order: NewOrder, *, key: str | None = None, wait_s: int = DEFAULT_WAIT_S
    ) -> Order:
        """The order as soon as it is decided or waits for its payer, or after `wait_s`."""
        return parse(await self._post("/v1/orders", order, key=key, wait_s=wait_s), Order)

    async def get_order(self, order_id: str) -> Order:
        return parse(await self._transport.get(f"/v1/orders/{_part(order_id)}"), Order)

    async def list_orders(self, **filters: str | int | bool) -> AsyncIterator[Order]:
        """All that fit, newest first, page by page: `status`, `customer_id`, `attention`, …"""
        params = {"limit": PAGE, **_params(filters)}
        while True:
            page = parse(await self._transport.get("/v1/orders", params), OrderPage)
            for order in page.orders:
                yield order
            if page.next_cursor is None:
                return
            params = {**params, "cursor": page.next_cursor}

    async def export_orders(self, **filters: str | int | bool) -> AsyncIterator[Order]:
        """All that fit, in one answer that is read as it comes: for whole shops."""
        async with self._transport.lines("/v1/orders/export", _params(filters)) as lines:
            async for line in lines:
                if line:
                    yield Order.model_validate_json(line)

    async def get_events(self, order_id: str) -> tuple[Event, ...]:
        """The order's whole history."""
        path = f"/v1/orders/{_part(order_id)}/events"
        return parse(await self._transport.get(path), EventList).events

    def stream_order(self, order_id: str, after: int = 0) -> AsyncGenerator[LiveEvent]:
        """Each event of the order after this sequence, as it happens. Without end: it resumes by itself."""
        return follow(self._transport, f"/v1/orders/{_part(order_id)}/stream", after)

    def stream_events(self, after: int | None = None) -> AsyncGenerator[LiveEvent]:
        """Each event of any order, from now on, or after a `last_event_id`. It resumes by itself.

        `ApiProblem` (410) where what came after it is not kept any more.
        """
        return follow(self._transport, "/v1/events/stream", after)

    async def cancel_order(
        self, order_id: str, *, reason: str, key: str | None = None, wait_s: int = DEFAULT_WAIT_S
    ) -> Order:
        """The order when its cancel was answered, or after `wait_s`."""
        path = f"/v1/orders/{_part(order_id)}/cancel"
        body = bodies.Cancel(reason=reason)
        return parse(await self._post(path, body, key=key, wait_s=wait_s), Order)

    async def move_order(
        self,
        order_id: str,
        move: Move,
        *,
        key: str | None = None,
        wait_s: int = 0,
        if_version: int | None = None,
    ) -> Order:
        """The order after its move, or after `wait_s` where others have to act first.

        `if_version`: only if nothing has changed since; else `ApiProblem` (412).
        """
        path = f"/v1/orders/{_part(order_id)}/{move.path}"
        given = {} if if_version is None else {"if-match": f'"{if_version}"'}
        return parse(await self._post(path, move, key=key, wait_s=wait_s, headers=given), Order)

    async def move_return(
        self, order_id: str, return_id: str, word: ReturnWord, *, key: str | None = None
    ) -> Order:
        """The order after the seller's word on one of its returns."""
        path = f"/v1/orders/{_part(order_id)}/returns/{_part(return_id)}/{word}"
        return parse(await self._post(path, bodies.Nothing(), key=key), Order)

    # --- Stock, store credit, vouchers --------------------------------------------------------------

    async def set_stock(self, items: Sequence[StockItem], *, key: str | None = None) -> None:
        """All of these SKUs, or none of them."""
        await self._post("/v1/stock", bodies.StockItems(items=tuple(items)), key=key)

    async def get_stock(self, sku: str) -> Stock | None:
        """None: there is no such SKU."""
        try:
            return parse(await self._transport.get(f"/v1/stock/{_part(sku)}"), Stock)
        except ApiProblem as problem:
            if problem.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def issue_voucher(self, code: str, amount: Money, *, key: str | None = None) -> None:
        await self._post("/v1/vouchers", bodies.Voucher(code=code, amount=amount), key=key)

    async def credit_account(
        self, customer_id: str, amount: Money, *, reason: str, key: str | None = None
    ) -> None:
        path = f"/v1/accounts/{_part(customer_id)}/credits"
        await self._post(path, bodies.Credit(amount=amount, reason=reason), key=key)

    async def get_account(self, customer_id: str) -> Account:
        """A customer's store credit."""
        return parse(await self._transport.get(f"/v1/accounts/{_part(customer_id)}"), Account)

    async def _post(
        self,
        path: str,
        body: bodies.Sent,
        *,
        key: str | None,
        wait_s: int = 0,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        given = {"idempotency-key": key or str(uuid.uuid4()), **(headers or {})}
        return await self._transport.post(path, body, headers=given, wait_s=wait_s)


def _part(of_path: str) -> str:
    return quote(of_path, safe="")


def _params(filters: dict[str, str | int | bool]) -> Params:
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in filters.items()
    }
