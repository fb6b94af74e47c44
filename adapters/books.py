"""Reads the books of those we deal with, over HTTP: the payment provider's and the carrier's own.

These are the oracle of the audit: what they say of money and parcels counts, not our tables.
The provider speaks Stripe's wire protocol, so the same code reads a real account's books.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from ordersaga.audit.books import (
    BookedParcel,
    BookedPayment,
    BookedRefund,
    BookedSighting,
    Books,
    MoneyAtProvider,
)
from ordersaga.errors import ProviderUnavailable

PAYMENTS_PAGE: Final = 100  # Stripe's largest page
PARCELS_PAGE: Final = 1000  # the sandbox carrier's largest page
TIMEOUT_S: Final = 20.0  # a page of a busy program; nobody waits longer for an audit's question
TRIES: Final = 4  # a restarting program is back within a second or two
RETRY_AFTER_S: Final = 0.5  # doubled each time

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_STATES: Final[Mapping[str, MoneyAtProvider]] = {
    "requires_payment_method": "idle",
    "requires_confirmation": "idle",
    "requires_action": "payable",
    "processing": "payable",
    "requires_capture": "held",
    "succeeded": "taken",
    "canceled": "dead",
}
_REFUND_FAILED: Final = frozenset({"failed", "canceled"})
_PARCEL_GONE: Final = frozenset({"canceled"})


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)  # a book says more than we read: that is left out


class _Intent(_Wire):
    id: str
    status: str
    currency: str
    amount: int
    amount_received: int
    metadata: dict[str, str]


class _Refund(_Wire):
    id: str
    status: str | None
    payment_intent: str | None
    amount: int
    metadata: dict[str, str] | None


class _Sighting(_Wire):
    id: str
    status: str
    occurred_at: AwareDatetime


class _Parcel(_Wire):
    key: str
    status: str
    tracking_number: str | None
    events: tuple[_Sighting, ...] | None = None


T = TypeVar("T", bound=_Wire)


class _Page(_Wire, Generic[T]):
    data: list[T]
    has_more: bool


@dataclass(frozen=True)
class _List(Generic[T]):
    """A paged list: where it is, how its pages are asked for, and what names a row there."""

    path: str
    page: type[_Page[T]]
    limit: int
    after: str
    name: Callable[[T], str]
    expand: str | None = None  # what is to be shown with each row


_INTENTS: Final = _List(
    "/v1/payment_intents", _Page[_Intent], PAYMENTS_PAGE, "starting_after", lambda row: row.id
)
_REFUNDS: Final = _List(
    "/v1/refunds", _Page[_Refund], PAYMENTS_PAGE, "starting_after", lambda row: row.id
)
_PARCELS: Final = _List(
    "/parcels", _Page[_Parcel], PARCELS_PAGE, "after", lambda row: row.key, expand="events"
)


@dataclass(frozen=True)
class Address:
    """Where books are, and the bearer key to read them."""

    url: str
    key: str = field(repr=False)


class BookReader:
    """`async with BookReader(provider=…, carrier=…) as reader: await reader.read()`

    No `carrier`: nothing is shipped by one, so there are no books of it.
    """

    def __init__(self, *, provider: Address, carrier: Address | None) -> None:
        self._provider = _client(provider)
        self._carrier = _client(carrier) if carrier else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._provider.aclose()
        if self._carrier is not None:
            await self._carrier.aclose()

    async def read(self) -> Books:
        """All of both books. Raises `ProviderUnavailable` where one cannot be read."""
        intents = [intent async for intent in _rows(self._provider, _INTENTS)]
        refunds: dict[str, list[BookedRefund]] = defaultdict(list)
        async for refund in _rows(self._provider, _REFUNDS):
            if refund.payment_intent is not None and refund.status not in _REFUND_FAILED:
                refunds[refund.payment_intent].append(_booked_refund(refund, refund.payment_intent))
        parcels: list[_Parcel] = []
        if self._carrier is not None:
            parcels = [parcel async for parcel in _rows(self._carrier, _PARCELS)]
        return Books(
            payments=tuple(_booked_payment(i, tuple(refunds.get(i.id, ()))) for i in intents),
            parcels=tuple(_booked_parcel(p) for p in parcels),
        )


def _client(address: Address) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=address.url,
        headers={"authorization": f"Bearer {address.key}"},
        timeout=TIMEOUT_S,
        trust_env=httpx.URL(address.url).host not in LOOPBACK,  # no proxy leads back here
    )


def _booked_refund(refund: _Refund, reference: str) -> BookedRefund:
    key = (refund.metadata or {}).get("refund_key")
    return BookedRefund(refund.id, reference, refund.amount, key)


def _booked_payment(intent: _Intent, refunds: tuple[BookedRefund, ...]) -> BookedPayment:
    return BookedPayment(
        reference=intent.id,
        order_id=intent.metadata.get("order_id"),
        payment_id=intent.metadata.get("payment_id"),
        state=_STATES.get(intent.status, "payable"),  # an unknown word is no proof of its end
        currency=intent.currency.upper(),
        amount=intent.amount,
        received=intent.amount_received,
        refunds=refunds,
    )


def _booked_parcel(parcel: _Parcel) -> BookedParcel:
    return BookedParcel(
        key=parcel.key,
        tracking_number=parcel.tracking_number,
        state=parcel.status,
        is_live=parcel.status not in _PARCEL_GONE,
        sightings=None
        if parcel.events is None
        else tuple(BookedSighting(e.id, e.status, e.occurred_at) for e in parcel.events),
    )


async def _rows(client: httpx.AsyncClient, listed: _List[T]) -> AsyncIterator[T]:
    params: dict[str, str | int] = {"limit": listed.limit}
    if listed.expand is not None:
        params["expand"] = listed.expand
    while True:
        page = await _page(client, listed, params)
        for row in page.data:
            yield row
        if not page.has_more or not page.data:
            return
        params[listed.after] = listed.name(page.data[-1])


async def _page(
    client: httpx.AsyncClient, listed: _List[T], params: dict[str, str | int]
) -> _Page[T]:
    reason = ""
    for tries in range(TRIES):
        if tries:
            await asyncio.sleep(RETRY_AFTER_S * 2 ** (tries - 1))
        try:
            response = await client.get(listed.path, params=params)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            continue
        if response.status_code == httpx.codes.OK:
            return _parsed(response, listed)
        reason = f"HTTP {response.status_code}"
        if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
            break
    raise ProviderUnavailable(f"the books at {client.base_url}{listed.path} are closed: {reason}")


def _parsed(response: httpx.Response, listed: _List[T]) -> _Page[T]:
    try:
        return listed.page.model_validate_json(response.content)
    except ValidationError as error:
        raise ProviderUnavailable(f"{response.url} is no such list: {error}") from error
