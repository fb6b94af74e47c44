"""The API in this process, started and stopped as a server does it; a PostgreSQL of its own."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi import FastAPI

from adapters.postgres.api_keys import create_api_key
from adapters.postgres.pool import Pool
from api.app import create_app
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
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[RunningApi]:
    """Started and stopped as a server does it."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield RunningApi(app)


async def make_key(api: RunningApi, *, tenant: str, scopes: list[str]) -> str:
    async with api.pool.acquire() as connection:
        return await create_api_key(connection, tenant=tenant, scopes=scopes)
