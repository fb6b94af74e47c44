"""The line to PostgreSQL, as a small TCP proxy: it can be cut, slowed and held at each COMMIT."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Final, Self
from urllib.parse import urlsplit, urlunsplit

from tests.faults.acts import Act, Kind, Rules

BEGIN: Final = b"BEGIN;"  # as the driver sends them, in clear
COMMIT: Final = b"COMMIT;"
CHUNK: Final = 65_536  # bytes


class DatabaseLine:
    """`async with DatabaseLine(database_url) as line: connect(line.url)`

    `commits`: rules for transactions, by what their statements said before the COMMIT.
    `statements`: rules for what is sent, by itself.
    """

    def __init__(self, database_url: str) -> None:
        self._target = urlsplit(database_url)
        self.commits = Rules()
        self.statements = Rules()
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
        """The same database, through here."""
        port = self._server.sockets[0].getsockname()[1]
        account = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{account}@127.0.0.1:{port}"))

    async def _serve(self, client_in: StreamReader, client_out: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            server_in, server_out = await asyncio.open_connection(
                self._target.hostname, self._target.port
            )
        except OSError:  # PostgreSQL is away
            client_out.close()
            return
        connection = _Connection(self, client_in, client_out, server_in, server_out)
        pumps = [asyncio.create_task(connection.ask()), asyncio.create_task(connection.answer())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for line in (client_out, server_out):
                line.close()
                with suppress(OSError):
                    await line.wait_closed()


class _Connection:
    def __init__(
        self,
        line: DatabaseLine,
        client_in: StreamReader,
        client_out: StreamWriter,
        server_in: StreamReader,
        server_out: StreamWriter,
    ) -> None:
        self._line = line
        self._client_in, self._client_out = client_in, client_out
        self._server_in, self._server_out = server_in, server_out
        self._said = b""  # since BEGIN
        self._answer_meets: Act | None = None

    async def ask(self) -> None:
        """Ends when the client is gone, or the line is to be cut."""
        with suppress(OSError):
            while chunk := await self._client_in.read(CHUNK):
                act = self._met_by(chunk)
                if act is not None and not await self._before(act):
                    return
                self._answer_meets = act
                self._server_out.write(chunk)
                await self._server_out.drain()

    async def answer(self) -> None:
        """Ends when the server is gone, or the line is to be cut."""
        with suppress(OSError):
            while chunk := await self._server_in.read(CHUNK):
                act, self._answer_meets = self._answer_meets, None
                if act is not None and act.kind == Kind.LOSE_ANSWER:
                    return
                if act is not None and act.kind == Kind.HOLD_ANSWER:
                    assert act.gate is not None
                    await act.gate.wait()
                self._client_out.write(chunk)
                await self._client_out.drain()

    def _met_by(self, chunk: bytes) -> Act | None:
        if BEGIN in chunk:
            self._said = b""
        self._said += chunk
        if COMMIT in chunk:
            said, self._said = self._said, b""
            return self._line.commits.meet(said)
        return self._line.statements.meet(chunk)

    async def _before(self, act: Act) -> bool:
        """False: it shall not arrive."""
        match act.kind:
            case Kind.REFUSE:
                return False
            case Kind.DELAY:
                await asyncio.sleep(act.seconds)
            case Kind.HOLD:
                assert act.gate is not None
                return await act.gate.wait_for(self._client_in)
        return True
