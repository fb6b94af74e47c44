"""A program in front of a provider or a carrier that rewrites its replies as a test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

LOOPBACK: Final = "127.0.0.1"
UPSTREAM_TIMEOUT_S: Final = 15  # as long as our own clients wait
STARTS_WITHIN_S: Final = 10  # milliseconds, but on a busy machine
LOOK_EVERY_S: Final = 0.01
METHODS: Final = ["GET", "POST", "PUT", "DELETE"]
_NOT_PASSED_ON: Final = frozenset({"host", "connection", "content-length", "accept-encoding"})


@dataclass(frozen=True)
class Reply:
    """What the caller gets in place of the truth."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Call:
    """A request that was answered upstream: its effect is there, whatever the caller is told."""

    method: str
    path: str
    answered: Reply


Rewrite = Callable[[Call], Reply]


def truthful(call: Call) -> Reply:
    return call.answered


class MisbehavingFront:
    """`async with MisbehavingFront(url) as front: …` and then ask `front.url`.

    `rewrite` is asked for every reply; `lies` counts those that it changed.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.rewrite: Rewrite = truthful
        self.lies = 0

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(base_url=self._upstream, timeout=UPSTREAM_TIMEOUT_S)
        self._socket = socket.socket()
        self._socket.bind((LOOPBACK, 0))
        app = Starlette(routes=[Route("/{path:path}", self._pass_on, methods=METHODS)])
        config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        async with asyncio.timeout(STARTS_WITHIN_S):
            while True:
                if self._server.started:
                    return self
                await asyncio.sleep(LOOK_EVERY_S)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        await self._serving
        self._socket.close()
        await self._http.aclose()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"

    async def _pass_on(self, request: Request) -> Response:
        headers = [(k, v) for k, v in request.headers.items() if k not in _NOT_PASSED_ON]
        path = request.scope["raw_path"].decode()
        query = request.url.query
        try:
            upstream = await self._http.request(
                request.method,
                f"{path}?{query}" if query else path,
                headers=headers,
                content=await request.body(),
            )
        except httpx.TransportError:  # a lost reply stays an outage
            return Response(status_code=502)
        answered = Reply(upstream.status_code, upstream.content)
        told = self.rewrite(Call(request.method, path, answered))
        self.lies += told != answered
        return Response(told.body, status_code=told.status, media_type="application/json")
