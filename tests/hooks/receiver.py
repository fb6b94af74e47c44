"""A receiver of webhooks on loopback: keeps what comes, and answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """A message as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def order_id(self) -> str:
        order_id: str = self.event["data"]["order_id"]
        return order_id

    @property
    def sequence(self) -> int:
        return int(self.event["sequence"])


@dataclass(frozen=True)
class Reply:
    """What a receiver says. `after_s`: how long it thinks; `trickles`: its body never ends."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after_s: float = 0.0
    trickles: bool = False


@dataclass
class Receiver:
    """`answers`: told of each message; by default all are taken."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: Callable[[Received], Reply | Awaitable[Reply]] = lambda _: Reply()
    under_way: int = 0
    most_under_way: int = 0

    def of(self, order_id: str) -> list[int]:
        """The sequences that came of an order, as they came."""
        return [message.sequence for message in self.received if message.order_id == order_id]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._answer(await _read(reader), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender has left
        finally:
            self.under_way -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(
        self, message: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.received.append(message)
        answer = self.answers(message)
        reply = answer if isinstance(answer, Reply) else await answer
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(reply.after_s):
                await reader.read()  # until the sender leaves
        lines = [f"HTTP/1.1 {reply.status} Said", "connection: close"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
        while reply.trickles:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)
        await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """One on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield receiver
    finally:
        server.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(path=first.split(" ")[1], headers=headers, body=body)
