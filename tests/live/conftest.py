"""An API that really listens on a socket, in this process or in one of its own; a PostgreSQL; a relay."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
import uvicorn

from adapters.postgres.api_keys import ORDERS_READ, create_api_key
from adapters.postgres.pool import Pool, connect_pool
from api.aborting import AbortableProtocol
from api.app import create_app
from api.live import Hub
from api.services import Services
from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.running import LIMITLESS, postgres_alone
from tests.live.listening import until
from tests.postgres.merchant import Merchant
from tests.relay.conftest import relaying

HOST: Final = "127.0.0.1"
SEND_BUFFER: Final = 8_192  # bytes; small, so that it soon shows who does not read
NO_TEMPORAL: Final = {"TEMPORAL_ADDRESS": f"{HOST}:9", "TEMPORAL_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="session")
async def live_stack() -> AsyncIterator[LocalStack]:
    async with postgres_alone() as stack:
        yield stack


@pytest.fixture(scope="session")
async def pool(live_stack: LocalStack) -> AsyncIterator[Pool]:
    pool = await connect_pool(live_stack.ready.database, size=16, application_name="tests")
    yield pool
    await pool.close()


@pytest.fixture
async def merchant(pool: Pool) -> Merchant:
    return Merchant(pool)


@pytest.fixture(scope="session")
async def relay(live_stack: LocalStack, pool: Pool) -> AsyncIterator[None]:
    """Gives events their positions."""
    async with relaying(live_stack, pool):
        yield


@pytest.fixture(scope="session")
def settings(live_stack: LocalStack) -> Settings:
    return Settings.model_validate({"database_url": live_stack.ready.database, **LIMITLESS})


async def key_of(pool: Pool, tenant: str) -> str:
    async with pool.acquire() as connection:
        return await create_api_key(connection, tenant=tenant, scopes=[ORDERS_READ])


# --- In a process of its own --------------------------------------------------------------------


@dataclass(frozen=True)
class ApiProcess:
    url: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        self.process.terminate()
        await self.process.wait()


@asynccontextmanager
async def api_process(settings: Settings) -> AsyncIterator[ApiProcess]:
    """`python -m api`, as it is served."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api"),
        env={**os.environ, **NO_TEMPORAL, **settings.to_env(), "ORDERSAGA_API_PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    api = ApiProcess(f"http://{HOST}:{port}", process)
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{api.url}/healthz")).is_success:
                        break
                await asyncio.sleep(0.05)
        yield api
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


# --- In this process ----------------------------------------------------------------------------


@dataclass(frozen=True)
class ApiHere:
    url: str
    services: Services

    @property
    def hub(self) -> Hub:
        return self.services.live

    @property
    def pool(self) -> Pool:
        return self.services.pool


class _Server(uvicorn.Server):
    """Signals are for who runs the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def api_here(settings: Settings) -> AsyncIterator[ApiHere]:
    """The same, within reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in NO_TEMPORAL.items():
            patch.setenv(name, value)
        app = create_app(settings)
        config = uvicorn.Config(app, http=AbortableProtocol, ws="none", log_config=None)
        server = _Server(config)
        listener = socket.create_server((HOST, 0), backlog=512)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
    try:
        here = ApiHere(f"http://{HOST}:{listener.getsockname()[1]}", app.state.services)
        yield here
        here.hub.closing.set()
    finally:
        server.should_exit = True
        await serving
