"""Keys to the API: 256 random bits, shown once, kept as their SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg

from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys

_sql = load_queries("api_keys")

PREFIX: Final = "osk_"  # says what it is to whoever finds one, secret scanners too
RANDOM_BYTES: Final = 32

ORDERS_READ: Final = "orders:read"
ORDERS_WRITE: Final = "orders:write"
OPS: Final = "ops"
SCOPES: Final = frozenset({ORDERS_READ, ORDERS_WRITE, OPS})

# Commands come with a connection of their own, without a pool.
_AnyConnection: TypeAlias = "Connection | asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """Who a key speaks for, and what it may."""

    id: str
    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ListedApiKey:
    """A key as its owner sees it later: never the key itself."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


async def create_api_key(
    connection: _AnyConnection, *, tenant: str, scopes: Collection[str], name: str = ""
) -> str:
    """Makes a key and returns it: nobody can read it again. `ValueError`: no such scope."""
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        raise ValueError(f"scopes are {sorted(SCOPES)}, not {unknown or 'none'}")
    if not tenant:
        raise ValueError("a key belongs to a tenant")
    key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    await _sql.add_key(
        connection,
        id=keys.new_id("key"),
        tenant=tenant,
        name=name,
        key_hash=hash_key(key),
        scopes=sorted(set(scopes)),
    )
    return key


async def find_api_key(connection: _AnyConnection, key_hash: bytes) -> ApiKey | None:
    """None: no such key, or revoked."""
    row = await _sql.find_key(connection, key_hash=key_hash)
    if row is None:
        return None
    return ApiKey(id=row["id"], tenant=row["tenant"], scopes=frozenset(row["scopes"]))


async def list_api_keys(
    connection: _AnyConnection, *, tenant: str | None = None
) -> tuple[ListedApiKey, ...]:
    """All keys, or one tenant's, oldest first; revoked ones too."""
    rows = [row async for row in _sql.list_keys(connection, tenant=tenant)]
    return tuple(
        ListedApiKey(
            id=row["id"],
            tenant=row["tenant"],
            name=row["name"],
            scopes=tuple(row["scopes"]),
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
        )
        for row in rows
    )


async def revoke_api_key(connection: _AnyConnection, key_id: str) -> bool:
    """False: no such key. Processes that know it take it for a few seconds more."""
    return await _sql.revoke_key(connection, id=key_id) is not None


def hash_key(key: str) -> bytes:
    """As it is stored. 256 random bits need no salt."""
    return hashlib.sha256(key.encode()).digest()
