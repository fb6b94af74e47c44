"""The API in this process, on a PostgreSQL of its own; Temporal is away, so that orders stay as they are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.calls import fresh
from tests.api.running import RunningApi, make_key, postgres_alone, running_api

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
    async with running_api(Settings(database_url=postgres.ready.database)) as running:
        yield running


@pytest.fixture
def tenant() -> str:
    """One of its own for each test: what others left is not there."""
    return fresh("analysed")


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
