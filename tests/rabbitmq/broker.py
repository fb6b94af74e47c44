"""A RabbitMQ of a test's own, which can be stopped and started; and a line to one that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from asyncio import StreamReader, StreamWriter
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

# The wrapper on the path becomes another user; this one is run as who we are.
SCRIPTS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server")
STARTS_WITHIN_S: Final = 90
STOPS_WITHIN_S: Final = 30
CHUNK: Final = 65_536  # bytes


def installed() -> str | None:
    """The program of a broker, where there is one."""
    return next((s for s in SCRIPTS if Path(s).exists()), shutil.which("rabbitmq-server"))


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
        self._home = home
        self._config = config
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"amqp://127.0.0.1:{self._port}/"

    async def __aenter__(self) -> Self:
        (self._home / "rabbitmq.conf").write_text(self._config, encoding="utf-8")
        (self._home / "enabled_plugins").write_text("[].", encoding="utf-8")
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises `TimeoutError`."""
        program = installed()
        assert program is not None
        home = str(self._home)
        with (self._home / "out.log").open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                program,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={
                    "PATH": os.environ["PATH"],
                    "LANG": "C.UTF-8",
                    "HOME": home,
                    "RABBITMQ_NODENAME": f"ordersaga-{self._port}@localhost",
                    "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                    "RABBITMQ_NODE_PORT": str(self._port),
                    "RABBITMQ_DIST_PORT": str(free_port()),
                    "RABBITMQ_MNESIA_BASE": f"{home}/db",
                    "RABBITMQ_LOG_BASE": f"{home}/log",
                    "RABBITMQ_PID_FILE": f"{home}/pid",
                    "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
                    "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",  # one scheduler is enough
                },
            )
        async with asyncio.timeout(STARTS_WITHIN_S):
            while not await answers(self._port):
                assert self._process.returncode is None, "it ended: see its out.log"
                await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """As a service manager does: it ends what is under way."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOPS_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


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
