"""A stack whose books and tables may be spoiled: nobody else's tests run on it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from cli.stack import LocalStack
from tests.saga.shop import Shop


@pytest.fixture(scope="session")
async def spoiled_stack() -> AsyncIterator[LocalStack]:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(data_dir=home / "data", port=0, keep_data=False) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture
async def shop(spoiled_stack: LocalStack) -> AsyncIterator[Shop]:
    async with Shop(spoiled_stack) as shop:
        yield shop


@pytest.fixture
async def owner(
    spoiled_stack: LocalStack,
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The database as its owner has it: he alone can rewrite history."""
    connection = await asyncpg.connect(spoiled_stack.ready.database_owner)
    yield connection
    await connection.close()
