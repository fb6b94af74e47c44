"""The line to a provider or a carrier, as a small HTTP proxy: it can lose, delay, garble and hold."""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit

from tests.faults.acts import Act, Kind, Rules

_LENGTH: Final = re.compile(rb"content-length:\s*(\d+)", re.I)
_ORDER: Final = re.compile(rb"ord_[0-9A-Z]{26}")
_INTENT: Final = re.compile(rb"pi_\w+")
AWAY: Final = b"HTTP/1.1 503 Away\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


class HttpLine:
    """`async with HttpLine(url) as line: … line.url …`

    `calls`: rules by what is in a request: its first line, its body, and the id of its order, which is
    known of a payment from when it was made through here.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self.calls = Rules()
        self._order_of: dict[bytes, bytes] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    @property
    def url(self) -> str:
        """The same program, through here."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, client_in: StreamReader, client_out: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    request = await _read_message(client_in)
                    answer = await self._pass_on(request, client_in)
                    if answer is None:
                        return
                    client_out.write(answer)
                    await client_out.drain()
        finally:
            client_out.close()

    async def _pass_on(self, request: bytes, client_in: StreamReader) -> bytes | None:
        """The answer; None: the line is to be cut."""
        act = self.calls.meet(request + self._known_of(request)) or Act(Kind.DELAY)
        match act.kind:
            case Kind.REFUSE:
                return AWAY
            case Kind.DELAY:
                await asyncio.sleep(act.seconds)
        answer = await self._ask(request)
        match act.kind:
            case Kind.LOSE_ANSWER:
                return None
            case Kind.SWALLOW_ANSWER:
                await client_in.read(1)  # until who waits gives up
                return None
            case Kind.HOLD_ANSWER:
                assert act.gate is not None
                return answer if await act.gate.wait_for(client_in) else None
            case Kind.GARBLE_ANSWER:
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                return head + b"content-length: %d\r\n\r\n" % len(act.body) + act.body
        return answer

    async def _ask(self, request: bytes) -> bytes:
        server_in, server_out = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        try:
            server_out.write(request)
            await server_out.drain()
            answer = await _read_message(server_in)
        finally:
            server_out.close()
        self._learn(request, answer)
        return answer

    def _learn(self, request: bytes, answer: bytes) -> None:
        if request.startswith(b"POST /v1/payment_intents "):
            intent, order = _INTENT.search(answer), _ORDER.search(request)
            if intent and order:
                self._order_of[intent[0]] = order[0]

    def _known_of(self, request: bytes) -> bytes:
        intent = _INTENT.search(request)
        return self._order_of.get(intent[0], b"") if intent else b""


async def _read_message(reader: StreamReader) -> bytes:
    """One request or answer. Raises `IncompleteReadError` at the line's end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")
