"""A shop, the tests' own worker, and our own site alone: what the families of conformance stand on."""

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
from cli.stack.stack import ALL_PARTS, LocalStack
from tests.conformance.meddling import Meddler, meddling_worker
from tests.conftest import SHORT_PATIENCE
from tests.postgres.books import assert_books_are_true
from tests.postgres.concurrency import Onlooker
from tests.postgres.merchant import Merchant
from tests.saga.shop import Shop

POOL_SIZE = 16  # connections: eight rivals at once, and those who watch them


@pytest.fixture(scope="session")
async def workshop() -> AsyncIterator[LocalStack]:
    """A stack without a worker: whoever works here is the tests' own, and nobody sweeps."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data",
        port=0,
        keep_data=False,
        settings=SHORT_PATIENCE,
        parts=ALL_PARTS - {"worker"},
    ) as stack:
        yield stack
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture(scope="session")
async def worker_of_ours(workshop: LocalStack) -> AsyncIterator[Meddler]:
    async with meddling_worker(workshop.ready) as meddler:
        yield meddler


@pytest.fixture
def meddler(worker_of_ours: Meddler) -> Meddler:
    """Undisturbed, until the test says otherwise."""
    worker_of_ours.reset()
    return worker_of_ours


@pytest.fixture
async def shop(workshop: LocalStack, meddler: Meddler) -> AsyncIterator[Shop]:
    """On the workshop, its orders driven by the tests' worker."""
    async with Shop(workshop) as shop:
        yield shop


@pytest.fixture
async def real_shop(stack: LocalStack) -> AsyncIterator[Shop]:
    """On the session's stack, with its worker, to be killed."""
    async with Shop(stack) as shop:
        yield shop


@pytest.fixture(scope="session")
async def site(workshop: LocalStack) -> Ready:
    """PostgreSQL, provider and carrier alone: what happens is what the test asks for."""
    return workshop.ready


@pytest.fixture(scope="session")
async def pool(site: Ready) -> AsyncIterator[Pool]:
    # Named as tests/postgres/concurrency.py looks for it.
    pool = await connect_pool(site.database, size=POOL_SIZE, application_name="tests")
    yield pool
    await pool.close()


@pytest.fixture
async def onlooker(site: Ready) -> AsyncIterator[Onlooker]:
    """A connection of its own, outside of the service's pool."""
    connection = await asyncpg.connect(site.database)
    yield connection
    await connection.close()


@pytest.fixture
async def merchant(pool: Pool) -> AsyncIterator[Merchant]:
    """A tenant of the test's own. Whatever the test did, its books must be true afterwards."""
    merchant = Merchant(pool)
    yield merchant
    await assert_books_are_true(merchant)
