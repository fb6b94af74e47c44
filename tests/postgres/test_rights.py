"""The service's own role adds to history and rewrites none of it."""

from __future__ import annotations

import asyncpg
import pytest

from adapters.postgres.pool import Pool
from cli.stack.ready import Ready
from tests.postgres.merchant import Merchant, voucher

FOR_GOOD = {  # table → a column of it
    "order_events": "type",
    "decisions": "decision",
    "ledger_entries": "amount",
    "tracking_events": "status",
    "return_lines": "quantity",
}
NEVER_DELETED = [
    *FOR_GOOD,
    *("orders", "order_lines", "payments", "reservations", "ledger_accounts", "returns", "refunds"),
]
OWNER_ONLY = [
    "truncate {table}",
    "drop table {table}",
    "alter table {table} add column extra text",
    "create trigger quiet before insert on {table} for each row "
    "execute function suppress_redundant_updates_trigger()",
]


@pytest.fixture
async def history(merchant: Merchant) -> Merchant:
    """One with a row in each table, so that a right would have something to act on."""
    await merchant.put_stock(mug=1)
    await merchant.put_voucher("V", 500)
    order = await merchant.sent_order(voucher("V", 500))
    await merchant.sees(order, "delivered")
    await merchant.answer_return(order, await merchant.ask_return(order), "approve", "receive")
    for table in NEVER_DELETED:
        async with merchant.pool.acquire() as connection:
            assert await connection.fetchval(f"select count(*) from {table}") > 0  # noqa: S608
    return merchant


async def refused(pool: Pool, statement: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


@pytest.mark.parametrize("table", FOR_GOOD)
async def test_what_happened_cannot_be_changed_by_the_service(
    history: Merchant, table: str
) -> None:
    column = FOR_GOOD[table]
    await refused(history.pool, f"update {table} set {column} = {column}")  # noqa: S608


@pytest.mark.parametrize("table", NEVER_DELETED)
async def test_what_happened_cannot_be_deleted_by_the_service(
    history: Merchant, table: str
) -> None:
    await refused(history.pool, f"delete from {table}")  # noqa: S608


@pytest.mark.parametrize("table", FOR_GOOD)
@pytest.mark.parametrize("statement", OWNER_ONLY)
async def test_the_service_cannot_go_around_the_rights_it_lacks(
    history: Merchant, table: str, statement: str
) -> None:
    await refused(history.pool, statement.format(table=table))


@pytest.mark.parametrize("table", FOR_GOOD)
async def test_the_service_cannot_give_itself_the_rights_it_lacks(pool: Pool, table: str) -> None:
    async with pool.acquire() as connection:
        for right in ("update", "delete", "truncate"):
            assert not await connection.fetchval(
                "select has_table_privilege(current_user, $1, $2)", table, right
            )
            assert not await connection.fetchval(
                "select has_table_privilege(current_user, $1, $2 || ' with grant option')",
                *(table, right),
            )


async def test_the_service_cannot_become_the_tables_owner(pool: Pool) -> None:
    await refused(pool, "set role ordersaga_owner")


async def test_the_tables_belong_to_the_role_that_migrates(database: Ready, pool: Pool) -> None:
    async with pool.acquire() as connection:
        owners = await connection.fetch(
            "select distinct tableowner from pg_tables where schemaname = 'public'"
        )
        me = await connection.fetchval("select current_user")
    assert [row["tableowner"] for row in owners] == ["ordersaga_owner"]
    assert me == "ordersaga_app"
