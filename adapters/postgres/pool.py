"""Connections, transactions, named queries: how the rest of this folder reaches PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiosql
import asyncpg
import orjson
from aiosql.adapters.asyncpg import AsyncPGAdapter
from asyncpg.pool import PoolConnectionProxy

from ordersaga.errors import DatabaseUnavailable

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

QUERIES: Final = Path(__file__).parent / "queries"

# No statement of ours takes a tenth of it; a stuck lock must not hang.
STATEMENT_TIMEOUT_S: Final = 5
LOCK_TIMEOUT_S: Final = 2  # a twin request still in its transaction: told so instead of waiting on
IDLE_IN_TRANSACTION_TIMEOUT_S: Final = 10  # a client that vanished mid-way gives its locks back
CONNECT_TIMEOUT_S: Final = 3
ACQUIRE_TIMEOUT_S: Final = 5  # PostgreSQL away: answer 503 while the caller still listens

# What PostgreSQL says when nothing is wrong with the question: ask again.
_AWAY: Final = (
    OSError,  # ConnectionError and TimeoutError are OSErrors too
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # asyncpg's own word for a connection lost under a statement
    asyncpg.InternalClientError,  # … and for one between PostgreSQL's farewell and the line's end
    asyncpg.OperatorInterventionError,  # shutting down, crashing, starting
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,  # somebody held what we need for longer than LOCK_TIMEOUT_S
)


class _OnConnection(AsyncPGAdapter):
    """aiosql's own, less its look at each statement whether it was given a pool: never here.

    (It lists all that a connection can do, to find out: 5 % of a busy worker's CPU.)
    """

    async def select(
        self, conn: Connection, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncGenerator[asyncpg.Record, None]:
        for row in await conn.fetch(sql, *self._in_order(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Connection, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> asyncpg.Record | None:
        return await conn.fetchrow(sql, *self._in_order(query_name, parameters))

    async def select_value(
        self, conn: Connection, query_name: str, sql: str, parameters: Any
    ) -> Any:
        return await conn.fetchval(sql, *self._in_order(query_name, parameters))

    async def insert_update_delete(
        self, conn: Connection, query_name: str, sql: str, parameters: Any
    ) -> Any:  # PostgreSQL's command tag
        return await conn.execute(sql, *self._in_order(query_name, parameters))

    def _in_order(self, query_name: str, parameters: dict[str, Any]) -> list[Any]:
        return [parameters[name] for name in self.var_sorted[query_name]]


def load_queries(name: str) -> Any:
    """The named statements of `queries/{name}.sql`, as functions of a connection (aiosql)."""
    return aiosql.from_path(
        QUERIES / f"{name}.sql", _OnConnection, encoding="utf-8", mandatory_parameters=False
    )


async def _prepare(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


async def _leave_as_it_is(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """No statement of ours leaves anything in a session: saves a round trip each time one is given back.

    (A transaction left open is rolled back all the same, before this is called.)
    """


async def connect_pool(database_url: str, *, size: int, application_name: str) -> Pool:
    """A pool of at most `size` connections; opens one, so that a wrong address is known at once."""
    with translated_errors():
        return await asyncpg.create_pool(
            database_url,
            min_size=1,
            max_size=size,
            init=_prepare,
            reset=_leave_as_it_is,
            timeout=CONNECT_TIMEOUT_S,
            server_settings={
                "application_name": application_name,
                "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
                "lock_timeout": f"{LOCK_TIMEOUT_S}s",
                "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S}s",
            },
        )


class translated_errors:
    """`with translated_errors():` turns PostgreSQL's outages into `DatabaseUnavailable`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _AWAY):
            raise DatabaseUnavailable(f"PostgreSQL: {type(error).__name__}") from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One READ COMMITTED transaction on a connection of its own; outages are translated."""
    with translated_errors():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for single statements; outages are translated."""
    with translated_errors():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection
