"""Listeners that cost little, so that one test has a thousand: a socket, and what came through it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

WITHIN_S: Final = 30.0
EVENTS: Final = "/v1/events/stream"


@dataclass(frozen=True)
class Heard:
    """One block of a stream; `data` is empty where no event was in it."""

    id: int | None
    type: str
    data: dict[str, Any]


@dataclass
class Stream:
    """An answer that comes bit by bit. `last_id`: what to resume after."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    last_id: int | None = None
    is_whole: bool = False  # it ended as an answer ends: nobody broke it off
    beats: int = 0
    heard: list[Heard] = field(default_factory=list)
    _came: list[bytes] = field(
        default_factory=list
    )  # blocks of a chunk that were not looked at yet
    _rest: bytes = b""

    async def blocks(self) -> AsyncIterator[Heard]:
        """Until it ends, or breaks."""
        while self._came or (chunk := await self._chunk()):
            if not self._came:
                *self._came, self._rest = (self._rest + chunk).split(b"\n\n")
            while self._came:
                yield self._note(self._came.pop(0).decode())

    async def listen(self) -> None:
        """Keeps all events, until it ends or breaks."""
        async for block in self.blocks():
            if block.data:
                self.heard.append(block)

    async def next(self) -> Heard:
        """The next event; raises `TimeoutError`, or `EOFError` where it ended."""
        async with asyncio.timeout(WITHIN_S):
            async for block in self.blocks():
                if block.data:
                    self.heard.append(block)
                    return block
        raise EOFError

    async def read(self) -> bytes:
        """A short answer's body."""
        return await self.reader.readexactly(int(self.headers["content-length"]))

    def cut(self) -> None:
        """Breaks off, with all that is on its way."""
        self.writer.transport.abort()

    async def _chunk(self) -> bytes:
        try:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            chunk = await self.reader.readexactly(size + 2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.is_whole = not size
        return chunk[:-2]

    def _note(self, block: str) -> Heard:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        heard = Heard(
            int(fields["id"]) if "id" in fields else None,
            fields.get("event", ""),
            json.loads(fields.get("data", "{}")),
        )
        self.beats += ":" in block.split("\n")
        if heard.id is not None:
            self.last_id = heard.id
        return heard


@asynccontextmanager
async def stream(
    url: str, path: str, key: str, *, after: int | None = None, buffer: int | None = None
) -> AsyncIterator[Stream]:
    """Connected, and its headers read. `buffer`: bytes that come although nobody reads them."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    line = socket.socket()
    line.setblocking(False)
    if buffer is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    await asyncio.get_running_loop().sock_connect(line, (host, port))
    reader, writer = await asyncio.open_connection(sock=line, limit=buffer or 2**16)
    try:
        resumed = "" if after is None else f"last-event-id: {after}\r\n"
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
            f"{resumed}\r\n".encode()
        )
        async with asyncio.timeout(WITHIN_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest)
        yield Stream(int(first.split(" ")[1]), headers, reader, writer)
    finally:
        writer.transport.abort()


async def until(is_so: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """Raises `TimeoutError`."""
    async with asyncio.timeout(within_s):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.02)
