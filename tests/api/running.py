"""The API in this process, started and stopped as a server does it; a PostgreSQL of its own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from adapters.postgres.api_keys import create_api_key
from adapters.postgres.pool import Pool
from api.app import create_app
from api.openapi import EVENT_STREAM
from api.services import Services
from cli.stack import LocalStack
from ordersaga.config import Settings


@asynccontextmanager
async def postgres_alone() -> AsyncIterator[LocalStack]:
    """An embedded PostgreSQL, migrated, and nothing else."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-api-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, it runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"postgres"}
    ) as stack:
        yield stack
    await asyncio.to_thread(shutil.rmtree, home)


class HangsUp:
    """Goes away as soon as a live stream has begun: httpx.ASGITransport reads every answer to its end."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun, is_asked, is_over = asyncio.Event(), False, False

        async def listen() -> Message:
            nonlocal is_asked
            if is_asked:
                await has_begun.wait()
                return {"type": "http.disconnect"}
            message = await receive()
            is_asked = not message.get("more_body")
            return message

        async def tell(message: Message) -> None:
            nonlocal is_over
            is_over = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)
            if message["type"] == "http.response.start":
                said = Headers(raw=message["headers"]).get("content-type", "")
                if said.startswith(EVENT_STREAM):
                    has_begun.set()

        await self._app(scope, listen, tell)
        if has_begun.is_set() and not is_over:
            await send({"type": "http.response.body"})


@dataclass(frozen=True)
class RunningApi:
    """An API that was started, and the inside of it."""

    app: FastAPI

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    @property
    def pool(self) -> Pool:
        return self.services.pool

    def client(self, key: str = "") -> httpx.AsyncClient:
        """Somebody who calls it; without a key where none is given."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(HangsUp(self.app), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)


LIMITLESS: Final = {
    "requests_per_s_per_key": 0,
    "requests_per_s_per_tenant": 0,
    "open_orders_per_key": 0,
    "open_orders_per_tenant": 0,
    "refused_keys_per_min": 0,
}


@asynccontextmanager
async def running_api(settings: Settings, *, is_limited: bool = False) -> AsyncIterator[RunningApi]:
    """Started and stopped as a server does it; without limits, but where they are what is tested."""
    app = create_app(settings if is_limited else settings.model_copy(update=LIMITLESS))
    async with app.router.lifespan_context(app):
        yield RunningApi(app)


async def make_key(api: RunningApi, *, tenant: str, scopes: list[str]) -> str:
    async with api.pool.acquire() as connection:
        return await create_api_key(connection, tenant=tenant, scopes=scopes)
