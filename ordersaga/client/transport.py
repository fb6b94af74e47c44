"""Requests that are sent until they are answered: a POST by the same Idempotency-Key, so it happens once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from ordersaga.client.answers import Answered
from ordersaga.client.errors import ApiProblem, ApiUnavailable

PATIENCE_S: Final = 60.0  # a killed part of a local stack is back within a few seconds
# Beyond the wait that was asked for; the API itself gives up earlier.
ANSWER_TIMEOUT_S: Final = 20.0
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 3.0
JITTER: Final = 0.5  # of each pause, so that callers do not come back all at once
IN_FLIGHT: Final = "request_in_flight"
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Params = Mapping[str, str | int | bool]
T = TypeVar("T", bound=Answered)


class Transport:
    """One API, one key. Every call raises `ApiProblem` or `ApiUnavailable`."""

    def __init__(
        self, *, base_url: str, key: str, connections: int, patience_s: float = PATIENCE_S
    ) -> None:
        self.patience_s = patience_s
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {key}"},
            timeout=ANSWER_TIMEOUT_S,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=httpx.URL(base_url).host not in LOOPBACK,  # no proxy leads back here
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def answers(self, path: str) -> bool:
        """Whether it says 200, asked once."""
        try:
            return (await self._http.get(path)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def get(self, path: str, params: Params | None = None) -> httpx.Response:
        return await self._send(self._http.build_request("GET", path, params=params))

    async def post(
        self, path: str, body: BaseModel, *, headers: Mapping[str, str], wait_s: int = 0
    ) -> httpx.Response:
        """`headers` have its Idempotency-Key."""
        request = self._http.build_request(
            "POST",
            path,
            content=body.model_dump_json(exclude_none=True).encode(),
            headers={
                "content-type": "application/json",
                "prefer": f"wait={wait_s}",
                **headers,
            },
            timeout=wait_s + ANSWER_TIMEOUT_S,
        )
        return await self._send(request)

    @asynccontextmanager
    async def lines(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        silence_s: float = ANSWER_TIMEOUT_S,
    ) -> AsyncIterator[AsyncIterator[str]]:
        """An answer of any length, as it comes. Not sent again: half of it may have been used."""
        timeout = httpx.Timeout(ANSWER_TIMEOUT_S, read=silence_s)
        try:
            async with self._http.stream(
                "GET", path, params=params, headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise _problem(response)
                yield response.aiter_lines()
        except httpx.TransportError as error:
            raise ApiUnavailable(f"{path}: {_said(error)}", is_lost=True) from error

    async def _send(self, request: httpx.Request) -> httpx.Response:
        gives_up_at_s = time.monotonic() + self.patience_s
        pause_s = FIRST_RETRY_S
        while True:
            reason, asked_s, is_lost = "", 0.0, False
            try:
                response = await self._http.send(request)
            except httpx.TransportError as error:
                reason = _said(error)
                is_lost = not isinstance(error, _NEVER_SENT)
            else:
                if response.is_success:
                    return response
                problem = _problem(response)
                if not is_passing(response.status_code, problem.code):
                    raise problem
                reason, asked_s = str(problem), _retry_after_s(response)
            if time.monotonic() > gives_up_at_s:
                raise ApiUnavailable(f"{request.url}: {reason}", is_lost=is_lost)
            await asyncio.sleep(max(asked_s, pause_s) * jittered())
            pause_s = min(pause_s * 2, LAST_RETRY_S)


def parse(response: httpx.Response, model: type[T]) -> T:
    """Raises `ApiUnavailable`: whoever answers this is not our API."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ApiUnavailable(f"{response.url} answers what it should not: {error}") from error


class _Problem(BaseModel):
    model_config = ConfigDict(frozen=True)

    code: str
    detail: str = ""
    allowed: tuple[str, ...] = ()


def _problem(response: httpx.Response) -> ApiProblem:
    try:
        told = _Problem.model_validate_json(response.content)
    except ValidationError:
        told = _Problem(code=f"http_{response.status_code}", detail=response.reason_phrase)
    return ApiProblem(
        status=response.status_code, code=told.code, detail=told.detail, allowed=told.allowed
    )


def is_passing(status: int, code: str) -> bool:
    """Whether the same request may succeed later, with nothing changed."""
    if status == httpx.codes.CONFLICT:
        return code == IN_FLIGHT
    return status in (
        httpx.codes.TOO_MANY_REQUESTS,
        httpx.codes.BAD_GATEWAY,
        httpx.codes.SERVICE_UNAVAILABLE,
        httpx.codes.GATEWAY_TIMEOUT,
    )


def _said(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _retry_after_s(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else 0.0


def jittered() -> float:
    """What to make a pause longer by."""
    return 1 + random.random() * JITTER  # noqa: S311  nothing secret
