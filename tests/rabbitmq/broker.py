"""A RabbitMQ of a test's own, which can be stopped and started; and a line to one that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from cli.chaos.broker import broker_program, find_broker
from cli.stack.pids import PidFile
from cli.stack.processes import Child

CHUNK: Final = 65_536  # bytes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Broker:
    """`async with Broker(home) as broker:`; `home`: its databases, logs and cookie, nobody else's."""

    def __init__(self, home: Path, *, config: str = "") -> None:
        script = find_broker()
        assert script is not None
        self._port = free_port()
        program = broker_program(
            script,
            home=home,
            port=self._port,
            nodes_port=free_port(),
            log=home / "out.log",
            config=config,
        )
        self._child = Child(program, pids=PidFile(home), say=print)

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self._port}/"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises `StackError`."""
        await self._child.start()

    async def stop(self) -> None:
        """As a service manager does: it ends what is under way."""
        await self._child.stop()

    async def kill(self) -> None:
        """SIGKILL: it ends nothing."""
        await self._child.kill()


class Line:
    """`async with Line(amqp_url) as line: connect(line.url)`: the same broker, through here.

    `is_mute`: what is asked arrives, and no answer comes back.
    """

    def __init__(self, amqp_url: str) -> None:
        target = urlsplit(amqp_url)
        self._host, self._port = target.hostname, target.port or 5672
        self.is_mute = False
        self._writers: set[StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    def cut(self) -> None:
        """Whoever is connected is so no more; who comes next is served."""
        self.is_mute = False
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, client_in: StreamReader, client_out: StreamWriter) -> None:
        try:
            server_in, server_out = await asyncio.open_connection(self._host, self._port)
        except OSError:
            client_out.close()
            return
        ends = {client_out, server_out}
        self._writers |= ends
        try:
            await asyncio.gather(
                self._pass(client_in, server_out, is_answer=False),
                self._pass(server_in, client_out, is_answer=True),
            )
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _pass(self, reader: StreamReader, writer: StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if not (is_answer and self.is_mute):
                    writer.write(chunk)
                    await writer.drain()
        writer.close()
