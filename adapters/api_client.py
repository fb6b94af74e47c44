"""A small typed client of our own HTTP API, safe against lost replies.

A POST is sent again with the same Idempotency-Key when its answer is lost, when the service is away
(503), too busy (429), or still at the same request (409 `request_in_flight`): it happens once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Annotated, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictInt, ValidationError

from ordersaga.errors import OrdersagaError, Unavailable

PATIENCE_S: Final = 60.0  # a killed part of a local stack is back within a few seconds
ANSWER_TIMEOUT_S: Final = (
    20.0  # beyond the wait that was asked for; the API itself gives up earlier
)
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 3.0
JITTER: Final = 0.5  # of each pause, so that callers do not come back all at once
IN_FLIGHT: Final = "request_in_flight"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class ApiUnavailable(Unavailable):
    """The API did not answer usefully for too long. What was asked may still have happened.

    `is_lost`: the last time it was sent, and no answer came at all.
    """

    def __init__(self, message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.is_lost = is_lost


class ApiProblem(OrdersagaError):
    """The API said no. `code` is for programs; `detail` is for people."""

    def __init__(self, *, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


# --- What is sent. Ranges are the API's to judge: a client that checks them cannot show its no. ---


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Money(_Sent):
    """Minor units of an ISO 4217 currency."""

    amount: StrictInt
    currency: str


class Customer(_Sent):
    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None


class OrderLine(_Sent):
    sku: str
    quantity: StrictInt
    unit_price: Money
    tax: Money | None = None


class Address(_Sent):
    country: str
    name: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None


class Shipping(_Sent):
    carrier: str = "merchant"
    service: str = "standard"


class Payment(_Sent):
    method: str
    amount: Money | None = None
    token: str | None = None


Sequenced = TypeVar("Sequenced")
Listed = Annotated[tuple[Sequenced, ...], Field(strict=False)]  # JSON has lists only


class NewOrder(_Sent):
    """The body of `POST /v1/orders`."""

    customer: Customer
    currency: str
    lines: Listed[OrderLine]
    shipping_address: Address
    shipping: Shipping | None = None
    shipping_fee: Money | None = None
    payments: Listed[Payment] = ()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def total(self) -> int:
        """Minor units, as the API reckons them."""
        lines = sum(
            line.quantity * line.unit_price.amount + (line.tax.amount if line.tax else 0)
            for line in self.lines
        )
        return lines + (self.shipping_fee.amount if self.shipping_fee else 0)


class StockItem(_Sent):
    sku: str
    on_hand: StrictInt


# --- What is answered: what callers need of it. ---


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class Failure(_Answered):
    """Why an order did not go through."""

    participant: str
    code: str
    detail: str = ""


class PaymentView(_Answered):
    id: str
    method: str
    status: str


class Order(_Answered):
    """An order as it was when it was read."""

    id: str
    status: str
    payment_status: str
    fulfillment_status: str
    payments: tuple[PaymentView, ...]
    failure: Failure | None
    attention: dict[str, JsonValue] | None
    deadline: datetime | None
    version: int
    allowed: tuple[str, ...]


class Stock(_Answered):
    sku: str
    on_hand: int
    available: int
    reserved: int


class _Problem(_Answered):
    code: str
    detail: str = ""


T = TypeVar("T", bound=_Answered)


class ApiClient:
    """`async with ApiClient(base_url=…, key=…) as api: order = await api.create_order(…)`

    Every method raises `ApiProblem` where the API says no, `ApiUnavailable` where it is away.
    `connections`: how many requests may be under way at once. `patience_s`: how long one is
    tried again before it counts as away.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: str,
        connections: int = 100,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {key}"},
            timeout=ANSWER_TIMEOUT_S,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=httpx.URL(base_url).host not in LOOPBACK,  # no proxy leads back here
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def is_ready(self) -> bool:
        """Whether the API has all that it needs, asked once."""
        try:
            response = await self._http.get("/readyz")
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK

    async def create_order(self, order: NewOrder, *, key: str, wait_s: int) -> Order:
        """The order as soon as it is decided or waits for its payer, or after `wait_s`."""
        return _parse(await self._post("/v1/orders", order, key=key, wait_s=wait_s), Order)

    async def get_order(self, order_id: str) -> Order:
        return _parse(await self._send("GET", f"/v1/orders/{order_id}"), Order)

    async def cancel_order(self, order_id: str, *, reason: str, key: str, wait_s: int) -> Order:
        """The order when its cancel was answered, or after `wait_s`."""
        path = f"/v1/orders/{order_id}/cancel"
        return _parse(await self._post(path, _Cancel(reason=reason), key=key, wait_s=wait_s), Order)

    async def set_stock(self, items: Sequence[StockItem], *, key: str) -> None:
        """All of these SKUs, or none of them."""
        await self._post("/v1/stock", _StockItems(items=tuple(items)), key=key)

    async def get_stock(self, sku: str) -> Stock | None:
        """None: there is no such SKU."""
        try:
            return _parse(await self._send("GET", f"/v1/stock/{quote(sku, safe='')}"), Stock)
        except ApiProblem as problem:
            if problem.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def issue_voucher(self, code: str, amount: Money, *, key: str) -> None:
        await self._post("/v1/vouchers", _Voucher(code=code, amount=amount), key=key)

    async def credit_account(
        self, customer_id: str, amount: Money, *, reason: str, key: str
    ) -> None:
        path = f"/v1/accounts/{quote(customer_id, safe='')}/credits"
        await self._post(path, _Credit(amount=amount, reason=reason), key=key)

    async def _post(self, path: str, body: _Sent, *, key: str, wait_s: int = 0) -> httpx.Response:
        return await self._send(
            "POST",
            path,
            content=body.model_dump_json(exclude_none=True).encode(),
            headers={
                "content-type": "application/json",
                "idempotency-key": key,
                "prefer": f"wait={wait_s}",
            },
            timeout_s=wait_s + ANSWER_TIMEOUT_S,
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> httpx.Response:
        gives_up_at_s = time.monotonic() + self._patience_s
        pause_s = FIRST_RETRY_S
        while True:
            reason, asked_s, is_lost = "", 0.0, False
            try:
                response = await self._http.request(
                    method, path, content=content, headers=headers, timeout=timeout_s
                )
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
                is_lost = not isinstance(error, _NEVER_SENT)
            else:
                if response.is_success:
                    return response
                problem = _problem(response)
                if not _is_passing(response.status_code, problem.code):
                    raise problem
                reason, asked_s = str(problem), _retry_after_s(response)
            if time.monotonic() > gives_up_at_s:
                raise ApiUnavailable(f"{self._http.base_url}{path}: {reason}", is_lost=is_lost)
            await asyncio.sleep(max(asked_s, pause_s) * _jittered())
            pause_s = min(pause_s * 2, LAST_RETRY_S)


class _Cancel(_Sent):
    reason: str


class _StockItems(_Sent):
    items: tuple[StockItem, ...]


class _Voucher(_Sent):
    code: str
    amount: Money


class _Credit(_Sent):
    amount: Money
    reason: str


def _is_passing(status: int, code: str) -> bool:
    """Whether the same request may succeed later, with nothing changed."""
    if status == httpx.codes.CONFLICT:
        return code == IN_FLIGHT
    return status in (
        httpx.codes.TOO_MANY_REQUESTS,
        httpx.codes.BAD_GATEWAY,
        httpx.codes.SERVICE_UNAVAILABLE,
        httpx.codes.GATEWAY_TIMEOUT,
    )


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        told = _Problem.model_validate_json(response.content)
    except ValidationError:
        told = _Problem(code=f"http_{response.status_code}", detail=response.reason_phrase)
    return ApiProblem(status=response.status_code, code=told.code, detail=told.detail)


def _parse(response: httpx.Response, model: type[T]) -> T:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiUnavailable(f"{response.url} answers what it should not: {error}") from error


def _retry_after_s(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else 0.0


def _jittered() -> float:
    return 1 + random.random() * JITTER  # noqa: S311  nothing secret
