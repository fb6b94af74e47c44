"""A carrier over plain HTTP, as the sandbox carrier speaks it: parcels by our own key.

What a carrier has to give: a cancel of an unknown key is kept, and refuses a later booking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from ordersaga.errors import ProviderAnswerWrong, ProviderUnavailable
from ordersaga.order import WITHDRAWALS, Refusal
from ordersaga.ports import Booking

REQUEST_TIMEOUT_S: Final = 15  # three of them fit into the 50 s that one try may take
REFUSED: Final = "shipping_refused"
LONGEST_DETAIL: Final = 200  # characters
_REFUSING: Final = (409, 422)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class _Parcel(BaseModel):
    key: str
    status: str
    tracking_number: str | None = None


class _Problem(BaseModel):
    code: str
    message: str = ""


class _Refused(BaseModel):
    error: _Problem


class HttpCarrier:
    """Fills the port `ordersaga.ports.Carrier`."""

    def __init__(self, *, base_url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=REQUEST_TIMEOUT_S,
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def book(
        self, key: str, *, service: str, reference: str, country: str
    ) -> Booking | Refusal:
        body = {"service": service, "reference": reference, "ship_to": {"country": country}}
        answer = await self._ask("PUT", key, "", body)
        if isinstance(answer, Refusal):
            return answer
        if not answer.tracking_number:
            raise ProviderAnswerWrong(f"{key} was booked without a tracking number")
        return Booking(answer.tracking_number)

    async def release(self, key: str) -> Refusal | None:
        answer = await self._ask("POST", key, "/release")
        return answer if isinstance(answer, Refusal) else None

    async def cancel(self, key: str) -> Refusal | None:
        answer = await self._ask("POST", key, "/cancel")
        return answer if isinstance(answer, Refusal) else None

    async def _ask(
        self, method: str, key: str, verb: str, body: Mapping[str, object] | None = None
    ) -> _Parcel | Refusal:
        """Raises `ProviderUnavailable`; and `ProviderAnswerWrong` for what makes no sense."""
        try:
            response = await self._http.request(
                method, f"/parcels/{quote(key, safe='')}{verb}", json=body
            )
        except httpx.TransportError as error:
            raise ProviderUnavailable(type(error).__name__) from error
        if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise ProviderUnavailable(f"HTTP {response.status_code}")
        try:
            if response.status_code in _REFUSING:
                problem = _Refused.model_validate_json(response.content).error
                return _refusal(problem)
            parcel = _Parcel.model_validate_json(response.content)
        except ValidationError:  # which quotes what it cannot read
            what = f"{method} {verb or 'parcel'}"
            raise ProviderAnswerWrong(f"{what}: an answer that cannot be read") from None
        if not response.is_success or parcel.key != key:
            raise ProviderAnswerWrong(f"HTTP {response.status_code} for {key}")
        return parcel


def _refusal(problem: _Problem) -> Refusal:
    """A code of ours or in the form of one, and no more words than a line has: both travel far.

    `canceled` and the like are our own words for why an order ends.
    """
    is_usable = _CODE.fullmatch(problem.code) and problem.code not in WITHDRAWALS
    code = problem.code if is_usable else REFUSED
    words = "".join(filter(str.isprintable, problem.message))[:LONGEST_DETAIL]
    return Refusal("parcel", code, words or code)
