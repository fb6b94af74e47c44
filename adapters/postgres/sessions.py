"""Who is signed in to the console; and what operators did there, with name and reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.postgres.api_keys import OPS, ApiKey
from adapters.postgres.pool import Connection, load_queries

_sql = load_queries("sessions")

LIFE_S: Final = 8 * 3600  # a working day; then he shows his key again
IDLE_S: Final = 3600  # who has gone home without signing out is signed out
USE_COARSENESS_S: Final = 60  # a session's use is written at most once a minute


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """An operator and the key that he came with."""

    operator: str
    key: ApiKey


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that an operator did about an order."""

    act: str
    operator: str
    key_id: str
    subject: str
    reason: str
    acted_at: datetime


async def begin_session(connection: Connection, secret: str, *, key: ApiKey, operator: str) -> None:
    """From now on `secret` opens the console, for as long as the key does and `LIFE_S` at most."""
    await _sql.forget_sessions(connection, idle_s=IDLE_S)
    await _sql.begin_session(
        connection, id_hash=_hash(secret), key_id=key.id, operator=operator, life_s=LIFE_S
    )


async def find_session(
    connection: Connection, secret: str, *, is_use: bool
) -> StoredSession | None:
    """None: there is none, or it or its key is over. `is_use`: somebody is at it, not his browser alone."""
    id_hash = _hash(secret)
    row = await _sql.find_session(
        connection, id_hash=id_hash, scope=OPS, idle_s=IDLE_S, coarse_s=USE_COARSENESS_S
    )
    if row is None:
        return None
    if is_use and row["is_due"]:
        await _sql.note_use(connection, id_hash=id_hash)
    return StoredSession(
        operator=row["operator"],
        key=ApiKey(
            id=row["id"],
            tenant=row["tenant"],
            scopes=frozenset(row["scopes"]),
            requests_per_s=row["requests_per_s"],
            open_orders=row["open_orders"],
        ),
    )


async def end_session(connection: Connection, secret: str) -> None:
    await _sql.end_session(connection, id_hash=_hash(secret))


async def add_act(
    connection: Connection,
    session: StoredSession,
    *,
    act: str,
    order_id: str,
    subject: str,
    reason: str,
) -> None:
    """In the transaction of what he does."""
    await _sql.add_act(
        connection,
        tenant=session.key.tenant,
        key_id=session.key.id,
        operator=session.operator,
        act=act,
        order_id=order_id,
        subject=subject,
        reason=reason,
    )


async def list_acts(connection: Connection, *, tenant: str, order_id: str) -> tuple[Act, ...]:
    """Oldest first."""
    rows = _sql.list_acts(connection, tenant=tenant, order_id=order_id)
    return tuple([Act(**row) async for row in rows])


def _hash(secret: str) -> bytes:
    """256 random bits need no salt."""
    return hashlib.sha256(secret.encode()).digest()
