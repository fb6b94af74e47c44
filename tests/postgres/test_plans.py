"""At 100,000 orders every statement of an order's way, of a sweep and of a list's page goes by an index."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from cli.stack.stack import LocalStack
from tests.postgres.plans import Connection, count_rows, faults, plan_of, statements

pytestmark = pytest.mark.long

FILL: Final = Path(__file__).with_name("hundred_thousand_orders.sql")

# Files of statements, or single ones (file.name), that may read everything, or that nobody waits for.
EXCLUDED: Final[Mapping[str, str]] = {
    "audit": "reads everything, by its purpose",
    "unrest": "reads everything, by its purpose: for tests and the demo",
    "analytics": "figures over a window of time, asked by people, with a time limit of their own",
    "customers": "an erasure, once in a customer's life",
    "limits.lock_open_orders": "no table",
    "outbox.count_locks": "PostgreSQL's own list of locks",
    "outbox.backlog": "for people: counts what is left, which is little unless a sink is away",
}


@pytest.fixture(scope="module")
async def shop() -> AsyncIterator[Connection]:
    """A database of its own, for it is full."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"postgres"}
    ) as stack:
        owner = await asyncpg.connect(stack.ready.database_owner)
        await owner.execute(await asyncio.to_thread(FILL.read_text))
        await owner.execute("vacuum analyze")
        yield owner
        await owner.close()
    await asyncio.to_thread(shutil.rmtree, home)


async def test_no_hot_statement_reads_or_sorts_all_of_a_large_table(shop: Connection) -> None:
    rows = await count_rows(shop)
    assert rows["orders"] == 100_000
    found = {
        name: faulty
        for name, sql, parameters in statements(EXCLUDED)
        if (faulty := faults(await plan_of(shop, sql, parameters), rows))
    }
    assert not found


async def test_a_statement_without_its_index_would_be_found(shop: Connection) -> None:
    sql = "select id from orders where metadata ->> 'other' = $1 order by updated_at limit 20"
    plan = await plan_of(shop, sql, ("reference",))
    assert faults(plan, await count_rows(shop)) == ["all of orders"]


def test_each_exclusion_is_of_a_statement_that_there_is() -> None:
    every = {name for name, _, _ in statements({})}
    files = {name.partition(".")[0] for name in every}
    assert files | every >= EXCLUDED.keys()
