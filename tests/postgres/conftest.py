"""A real PostgreSQL, once a session, reached as the service reaches it; a merchant for each test."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.pool import Pool, connect_pool
from cli.stack.ready import Ready
from cli.stack.stack import LocalStack
from tests.postgres.books import assert_books_are_true
from tests.postgres.merchant import Merchant

POOL_SIZE = 24  # sixteen orders at once, and those who watch them


@pytest.fixture(scope="session")
async def database() -> AsyncIterator[Ready]:
    """Where it is. Its tables belong to another role than the service's."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"postgres"}
    ) as stack:
        yield stack.ready
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture(scope="session")
async def pool(database: Ready) -> AsyncIterator[Pool]:
    """The service's own pool, with its timeouts, as its own role."""
    pool = await connect_pool(database.database, size=POOL_SIZE, application_name="tests")
    yield pool
    await pool.close()


@pytest.fixture
async def onlooker(database: Ready) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of its own, outside of the service's pool."""
    connection = await asyncpg.connect(database.database)
    yield connection
    await connection.close()


@pytest.fixture
async def merchant(pool: Pool) -> AsyncIterator[Merchant]:
    """A tenant of the test's own. Whatever the test did, its books must be true afterwards."""
    merchant = Merchant(pool)
    yield merchant
    await assert_books_are_true(merchant)
