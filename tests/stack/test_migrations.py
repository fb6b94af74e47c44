"""Migrations: once, all or nothing, also when two deployments start at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.migrate import MIGRATIONS, migrate
from cli.stack import LocalStack
from tests.stack.conftest import temporary_data_dir

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture(scope="module")
async def database_owner() -> AsyncIterator[str]:
    with temporary_data_dir() as path:
        async with LocalStack(data_dir=path, port=0, parts={"postgres"}) as stack:
            yield stack.ready.database_owner


@pytest.fixture
async def owner(database_owner: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connected to a database that is empty again."""
    connection = await asyncpg.connect(database_owner)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield connection
    await connection.close()


async def test_two_at_once_take_turns(
    database_owner: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    applied = await asyncio.gather(*(migrate(database_owner) for _ in range(2)))

    assert sorted(applied) == [[], sorted(path.stem[:4] for path in _migrations())]
    assert await owner.fetchval(TABLES) > len(_migrations())
    assert await migrate(database_owner) == []


async def test_one_that_fails_leaves_nothing(
    database_owner: str, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await owner.execute("CREATE TABLE orders (in_the_way int)")

    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(database_owner)

    assert await owner.fetchval(TABLES) == 1, "only what was there before"


def test_each_migration_is_a_script_beside_a_module_of_the_same_name() -> None:
    assert _migrations()
    for module in _migrations():
        assert module.with_suffix(".sql").exists(), module
        assert f'revision = "{module.stem[:4]}"' in module.read_text(encoding="utf-8")


def _migrations() -> list[Path]:
    return sorted((MIGRATIONS / "versions").glob("[0-9]*.py"))
