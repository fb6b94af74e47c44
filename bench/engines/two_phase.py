"""Textbook two-phase commit: stock, ledger and order in three databases, PREPARE TRANSACTION in each.

The coordinator is the caller's process: it prepares all three side by side, writes its decision to a log
of its own, then commits all three. Nothing is held for later, so it has fewer statements and rows than a
saga. A bank does not PREPARE: there is no card mix.
Durability: PostgreSQL's, in each database; the decision in the coordinator's log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiosql
import asyncpg
from pydantic import JsonValue

from adapters.postgres import history
from adapters.postgres.history import record
from adapters.postgres.pool import Connection, Pool, connect_pool, load_queries
from bench.engines.calling import NotConfirmed
from bench.engines.flow import CURRENCY, MOST_CLIENTS, TENANT, Ask
from bench.engines.participants import POOL, Participants
from bench.engines.where import Where
from ordersaga.history import Happening
from ordersaga.order import MERCHANT, NewOrder

ORDERS, STOCK, LEDGER = DATABASES = ("two_phase", "two_phase_stock", "two_phase_ledger")

_sql = aiosql.from_path(
    Path(__file__).with_name("two_phase.sql"), "asyncpg", mandatory_parameters=False
)
_ledger_sql = load_queries("ledger")
_saga_sql = load_queries("saga")

# PostgreSQL prepares no transaction that has said NOTIFY, and `record` does: here it says nothing.
_ORDERS_SETUP = """
    create table coordinator_log (gid text primary key);
    grant insert on coordinator_log to public;
    create schema silent;
    grant usage on schema silent to public;
    create function silent.pg_notify(text, text) returns void language sql immutable as '';
    do $$ begin
        execute format('alter database %I set search_path = silent, public, pg_catalog',
                       current_database());
    end $$;
"""

# Who waits for somebody else's lock waits: the product's own time-outs would only have it ask again.
_BEGIN = "begin; set local lock_timeout = 0; set local statement_timeout = 0"


class Coordinator:
    """Places orders: all of one, in all three, or nothing."""

    def __init__(self, participants: Participants, pools: dict[str, Pool], sales: int) -> None:
        self._participants = participants
        self._pools = pools
        self._sales = sales  # the account of the house that is paid

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await self._participants.accept(order)
        async with AsyncExitStack() as held:
            sites = {
                name: await held.enter_async_context(pool.acquire())
                for name, pool in self._pools.items()
            }
            works = {ORDERS: self._move_order, STOCK: self._take_stock, LEDGER: self._take_credit}
            votes = await asyncio.gather(
                *(_prepare(name, sites[name], work, order) for name, work in works.items()),
                return_exceptions=True,
            )
            if any(votes):
                prepared = [name for name, vote in zip(works, votes, strict=True) if not vote]
                for name in prepared:
                    await sites[name].execute(f"rollback prepared '{gid(order.id, name)}'")
                raise NotConfirmed(repr(votes))
            await _sql.log_decision(sites[ORDERS], gid=order.id)
            await asyncio.gather(
                *(
                    site.execute(f"commit prepared '{gid(order.id, name)}'")
                    for name, site in sites.items()
                )
            )

    async def _take_stock(self, site: Connection, order: NewOrder) -> None:
        line = order.lines[0]
        row = await _sql.take_units(
            site,
            order_id=order.id,
            tenant=TENANT,
            skus=[line.sku],
            quantities=[line.quantity],
        )
        if row["skus"] != 1:
            raise NotConfirmed(f"{line.sku} is not known")

    async def _take_credit(self, site: Connection, order: NewOrder) -> None:
        accounts = {
            row["owner"]: row["id"]
            async for row in _ledger_sql.lock_accounts(
                site,
                tenant=TENANT,
                currency=CURRENCY,
                kinds=["credit"],
                owners=[order.customer_id],
            )
        }
        await _ledger_sql.post_entries(
            site,
            order_id=order.id,
            reason="take",
            transfers=[f"{order.id}:take"] * 2,
            accounts=[accounts[order.customer_id], self._sales],
            amounts=[-order.total, order.total],
        )

    async def _move_order(self, site: Connection, order: NewOrder) -> None:
        locked = await history.lock_order(site, order.id)
        await _saga_sql.write_decision(site, order_id=order.id, decision="confirm", failure=None)
        payment = order.payments[0].plan
        lines: list[JsonValue] = [
            {"sku": line.sku, "quantity": line.quantity} for line in order.lines
        ]
        await record(
            site,
            locked,
            Happening.of("stock.reserved", lines=lines),
            Happening.of("payment.authorized", payment_id=payment.id),
            Happening.of("parcel.booked", carrier=MERCHANT),
            Happening.of("payment.captured", payment_id=payment.id, amount=payment.amount),
            Happening.of("order.confirmed"),
        )


def gid(order_id: str, name: str) -> str:
    """One server has all three here, and knows a prepared transaction by this name only."""
    return f"{order_id}:{name}"


async def _prepare(
    name: str,
    site: Connection,
    work: Callable[[Connection, NewOrder], Awaitable[None]],
    order: NewOrder,
) -> None:
    await site.execute(_BEGIN)
    try:
        await work(site, order)
        await site.execute(f"prepare transaction '{gid(order.id, name)}'")
    except BaseException:
        await site.execute("rollback")
        raise


@asynccontextmanager
async def calling(where: Where, participants: Participants) -> AsyncIterator[Coordinator]:
    async with AsyncExitStack() as opened:
        pools: dict[str, Pool] = {}
        for name in DATABASES:
            pools[name] = await connect_pool(
                where.databases[name], size=POOL, application_name="bench-coordinator"
            )
            opened.push_async_callback(pools[name].close)
        for name in (STOCK, LEDGER):
            await Participants(pools[name], participants.gateway).fill_shelves(MOST_CLIENTS)
        sales = await pools[LEDGER].fetchval(
            "select id from ledger_accounts where tenant = $1 and kind = 'sales'", TENANT
        )
        yield Coordinator(participants, pools, sales)


async def prepare_databases(owners: Mapping[str, str]) -> None:
    """As each of the three is by itself: no reference into another, and the coordinator's log."""
    connection = await asyncpg.connect(owners[STOCK])
    await connection.execute("alter table reservations drop constraint reservations_order_id_fkey")
    await connection.close()
    connection = await asyncpg.connect(owners[ORDERS])
    await connection.execute(_ORDERS_SETUP)
    await connection.close()
