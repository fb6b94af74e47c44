"""Runs one sandbox program: uvicorn on loopback, one ready line, a clean stop on SIGTERM.

Also the one thing no ASGI server offers: closing a connection without a single byte of reply.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LOOPBACK = "127.0.0.1"
BACKLOG = 512  # connections waiting to be accepted; a burst of a bench fits
STOP_AFTER_S = 1  # running requests get this long on SIGTERM; slow tokens are cut off
KEEP_ALIVE_S = 75  # longer than clients keep idle connections, so that the client closes first
_CLOSE_KEY = "sandbox.close"


class ConnectionDropped(Exception):
    """Raised by an endpoint whose reply must be lost: the socket closes with no bytes sent."""


class _ClosableProtocol(HttpToolsProtocol):
    """Puts a way to close the connection into each request's scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        close: Callable[[], None] = self.transport.close
        self.scope[_CLOSE_KEY] = close  # type: ignore[literal-required]  # a key of ours


def dropping(app: ASGIApp) -> ASGIApp:
    """Wrap an app so that ConnectionDropped closes the connection in place of a reply."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except ConnectionDropped:
            scope[_CLOSE_KEY]()
            message = await receive()
            while message["type"] != "http.disconnect":  # else uvicorn would still answer 500
                message = await receive()

    return wrapped


class _Server(uvicorn.Server):
    """uvicorn that says one line when ready and ends with exit code 0 on SIGTERM and SIGINT."""

    def __init__(self, config: uvicorn.Config, *, ready_line: str) -> None:
        super().__init__(config)
        self._ready_line = ready_line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(self._ready_line, flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def listen(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes a free one. Raises OSError when the port is taken."""
    return socket.create_server((LOOPBACK, port), backlog=BACKLOG)


def serve(*, app: ASGIApp, name: str, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then return."""
    config = uvicorn.Config(
        dropping(app),
        http=_ClosableProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_AFTER_S,
    )
    ready_line = f"{name} ready on http://{LOOPBACK}:{listener.getsockname()[1]}"
    _Server(config, ready_line=ready_line).run(sockets=[listener])


def base_parser(*, program: str, description: str) -> argparse.ArgumentParser:
    """The options that both programs take."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--books", required=True, help="SQLite file, made when it is not there")
    parser.add_argument("--key", required=True, help="the bearer key that callers must send")
    parser.add_argument("--webhook-url", help="where events are sent; without it none are")
    parser.add_argument("--webhook-secret", help="signs the events; needed with --webhook-url")
    return parser
