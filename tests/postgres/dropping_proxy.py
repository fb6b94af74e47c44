"""A line to PostgreSQL that breaks at the worst moment: the COMMIT arrives, its answer does not."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

COMMIT: Final = b"COMMIT;"  # as the driver sends it, in clear
CHUNK: Final = 65_536  # bytes


class DroppingProxy:
    """`async with DroppingProxy(database_url) as proxy: connect(proxy.url)`

    `drop_next_commit`: the next transaction is committed, and nobody is told.
    `keep_line_open`: the line outlives the server's end of it; `server_left` says when.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self.drop_next_commit = False
        self.dropped = 0
        self.keep_line_open = False
        self.server_left = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The same database, through here."""
        port = self._server.sockets[0].getsockname()[1]
        account = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{account}@127.0.0.1:{port}"))

    async def _serve(self, client_in: StreamReader, client_out: StreamWriter) -> None:
        server_in, server_out = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        commit_sent = asyncio.Event()
        asks = asyncio.create_task(self._ask(client_in, server_out, commit_sent))
        try:
            while chunk := await server_in.read(CHUNK):
                if commit_sent.is_set():  # this is PostgreSQL's word that it is committed
                    self.dropped += 1
                    break
                client_out.write(chunk)
                await client_out.drain()
            self.server_left.set()
            if self.keep_line_open:
                await asyncio.wait([asks])
        finally:
            asks.cancel()
            for line in (client_out, server_out):
                line.close()
                with suppress(ConnectionError):
                    await line.wait_closed()

    async def _ask(
        self, client_in: StreamReader, server_out: StreamWriter, commit_sent: asyncio.Event
    ) -> None:
        while chunk := await client_in.read(CHUNK):
            if self.drop_next_commit and COMMIT in chunk:
                self.drop_next_commit = False
                commit_sent.set()
            server_out.write(chunk)
            await server_out.drain()
        server_out.close()
