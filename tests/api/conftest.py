"""The API in this process, on a real PostgreSQL; Temporal is away, so that orders stay as they are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.calls import Database, fresh
from tests.api.running import RunningApi, make_key, postgres_alone, running_api
from tests.api.senders import CARRIER_SECRET, PROVIDER_SECRET, SECRETS, Sender

CLOSED_PORT = "127.0.0.1:9"  # discard: nobody listens
ALL_SCOPES = ["orders:read", "orders:write", "ops"]


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[LocalStack]:
    async with postgres_alone() as stack:
        yield stack


@pytest.fixture(scope="session")
def temporal_away() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", CLOSED_PORT)
        patch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
async def api(postgres: LocalStack, temporal_away: None) -> AsyncIterator[RunningApi]:
    settings = Settings(
        database_url=postgres.ready.database, temporal_ui_url="http://127.0.0.1:8233"
    )
    async with running_api(settings) as running:
        yield running


@pytest.fixture
async def tenant() -> str:
    """One of its own for each test: what others left is not there."""
    return fresh("tenant")


@pytest.fixture
async def shop(api: RunningApi, tenant: str) -> AsyncIterator[httpx.AsyncClient]:
    """The tenant's storefront and its staff in one: every scope."""
    async with api.client(await make_key(api, tenant=tenant, scopes=ALL_SCOPES)) as client:
        yield client


@pytest.fixture
async def stranger(api: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    """Another tenant, with every scope."""
    async with api.client(
        await make_key(api, tenant=fresh("stranger"), scopes=ALL_SCOPES)
    ) as client:
        yield client


@pytest.fixture
async def database(postgres: LocalStack) -> AsyncIterator[Database]:
    """A look into the tables, as the service's role."""
    connection = await asyncpg.connect(postgres.ready.database)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def open_api(postgres: LocalStack, temporal_away: None) -> AsyncIterator[RunningApi]:
    """An API that listens to some senders."""
    settings = Settings.model_validate({"database_url": postgres.ready.database, **SECRETS})
    async with running_api(settings) as running:
        yield running


@pytest.fixture
async def outside(open_api: RunningApi) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with open_api.client() as client:
        yield client


@pytest.fixture
def provider(open_api: RunningApi, outside: httpx.AsyncClient) -> Sender:
    """A payment provider that signs by Standard Webhooks."""
    return Sender(outside, "/v1/webhooks/payments/acme", PROVIDER_SECRET, open_api.pool)


@pytest.fixture
def carrier(open_api: RunningApi, outside: httpx.AsyncClient) -> Sender:
    """The carrier that comes with the product."""
    return Sender(outside, "/v1/webhooks/carriers/sandbox", CARRIER_SECRET, open_api.pool)
