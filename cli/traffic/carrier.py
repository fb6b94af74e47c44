"""Plays the sandbox carrier's people: they see parcels, and now and then a message comes twice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ordersaga.config import standard_key
from ordersaga.errors import OrdersagaError, Unavailable
from ordersaga.messages import TRACKING_UPDATED
from ordersaga.order import SANDBOX
from ordersaga.tracking import TrackingStatus

TIMEOUT_S: Final = 10.0
WEBHOOK: Final = f"/v1/webhooks/carriers/{SANDBOX}"
NOT_ITS_PARCEL: Final = frozenset({httpx.codes.NOT_FOUND, httpx.codes.CONFLICT})


class CarrierSaysNo(OrdersagaError):
    """The carrier cannot have seen that: it does not have the parcel, or not any more."""


@dataclass(frozen=True)
class Message:
    """What the carrier tells, before it is signed."""

    id: str
    body: bytes


class Carrier:
    """`async with Carrier(…)`. `secret`: what the carrier signs its messages with.

    Every method raises `Unavailable` where somebody does not answer as he should.
    """

    def __init__(self, *, carrier_url: str, api_url: str, secret: str) -> None:
        self._carrier_url = carrier_url
        self._webhook_url = api_url + WEBHOOK
        self._key = standard_key(secret)
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def see(
        self,
        tracking_number: str,
        status: TrackingStatus,
        *,
        occurred_at: datetime,
        estimated_at: datetime | None,
    ) -> Message:
        """The carrier has seen the parcel, and tells it. Raises `CarrierSaysNo`."""
        seen = {
            "status": status.value,
            "occurred_at": _written(occurred_at),
            "location": None,
            "detail": None,
            "estimated_at": None if estimated_at is None else _written(estimated_at),
        }
        path = f"/test/parcels/{tracking_number}/events"
        answer = await self._ask("POST", self._carrier_url + path, body=_json(seen))
        if answer.status_code in NOT_ITS_PARCEL:
            raise CarrierSaysNo(answer.text)
        told = {"type": TRACKING_UPDATED, "data": {"tracking_number": tracking_number, **seen}}
        return Message(_parse(answer, _Told).id, _json(told))

    async def tell_again(self, message: Message) -> None:
        """The same message once more, signed as the carrier signs."""
        timestamp = str(int(time.time()))
        signed = f"{message.id}.{timestamp}.".encode() + message.body
        signature = base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        answer = await self._ask("POST", self._webhook_url, body=message.body, headers=headers)
        if not answer.is_success:
            raise Unavailable(f"{self._webhook_url}: {answer.status_code} {answer.text}")

    async def count_untold(self) -> int:
        """How many of its messages nobody has taken yet."""
        answer = await self._ask("GET", f"{self._carrier_url}/test/deliveries")
        return _parse(answer, _Deliveries).waiting

    async def _ask(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        given = {"content-type": "application/json", **(headers or {})}
        try:
            return await self._http.request(method, url, content=body, headers=given)
        except httpx.HTTPError as error:
            raise Unavailable(f"{url}: {str(error) or type(error).__name__}") from error


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Told(_Answered):
    id: str


class _Deliveries(_Answered):
    waiting: int = Field(ge=0)


T = TypeVar("T", bound=_Answered)


def _parse(answer: httpx.Response, model: type[T]) -> T:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise Unavailable(f"{answer.url} answers what it should not: {error}") from error


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _written(moment: datetime) -> str:
    """As the carrier writes it: in UTC, with milliseconds."""
    written = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")
