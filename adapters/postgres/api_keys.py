"""Keys to the API: 256 random bits, shown once, kept as their SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
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

USE_COARSENESS: Final = timedelta(minutes=1)  # when a key was last used, to the minute

# Commands come with a connection of their own, without a pool.
_AnyConnection: TypeAlias = "Connection | asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """Who a key speaks for, and what it may. Its own limits: None, as the settings say; 0, none."""

    id: str
    tenant: str
    scopes: frozenset[str]
    requests_per_s: int | None = None
    open_orders: int | None = None
    ends_in_s: float | None = None  # counted from when it was found; None: it does not expire


@dataclass(frozen=True, kw_only=True)
class ListedApiKey:
    """A key as its owner sees it later: never the key itself."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None  # to the minute


@dataclass(frozen=True)
class RotatedApiKey:
    """The new key, shown this once, and until when the old one works beside it."""

    key: str
    old_ends_at: datetime


async def create_api_key(
    connection: _AnyConnection,
    *,
    tenant: str,
    scopes: Collection[str],
    name: str = "",
    expires_in: timedelta | None = None,
    requests_per_s: int | None = None,
    open_orders: int | None = None,
) -> str:
    """Makes a key and returns it: nobody can read it again. `ValueError`: no such scope.

    Its own limits: None, as the settings say; 0, none.
    """
    unknown = sorted(set(scopes) - SCOPES)
    if unknown or not scopes:
        raise ValueError(f"scopes are {sorted(SCOPES)}, not {unknown or 'none'}")
    if not tenant:
        raise ValueError("a key belongs to a tenant")
    key = _new_key()
    await _sql.add_key(
        connection,
        id=keys.new_id("key"),
        tenant=tenant,
        name=name,
        key_hash=hash_key(key),
        scopes=sorted(set(scopes)),
        expires_in=expires_in,
        requests_per_s=requests_per_s,
        open_orders=open_orders,
    )
    return key


async def rotate_api_key(
    connection: _AnyConnection,
    key_id: str,
    *,
    overlap: timedelta,
    expires_in: timedelta | None = None,
) -> RotatedApiKey | None:
    """A new key in the place of an old one, which works on for `overlap`. None: no such key works."""
    key = _new_key()
    old = await _sql.rotate_key(
        connection,
        old_id=key_id,
        overlap=overlap,
        id=keys.new_id("key"),
        key_hash=hash_key(key),
        expires_in=expires_in,
    )
    return None if old is None else RotatedApiKey(key, old["expires_at"])


async def find_api_key(connection: _AnyConnection, key_hash: bytes) -> ApiKey | None:
    """None: no such key, or one that is revoked or has expired."""
    row = await _sql.find_key(connection, key_hash=key_hash)
    if row is None:
        return None
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"])})


async def note_uses(connection: _AnyConnection, key_ids: Collection[str]) -> None:
    """They were used just now; written at most once in `USE_COARSENESS` a key."""
    await _sql.note_uses(connection, ids=list(key_ids), coarseness=USE_COARSENESS)


async def list_api_keys(
    connection: _AnyConnection, *, tenant: str | None = None
) -> tuple[ListedApiKey, ...]:
    """All keys, or one tenant's, oldest first; dead ones too."""
    rows = [row async for row in _sql.list_keys(connection, tenant=tenant)]
    return tuple(ListedApiKey(**{**row, "scopes": tuple(row["scopes"])}) for row in rows)


async def revoke_api_key(connection: _AnyConnection, key_id: str) -> bool:
    """False: no such key. Processes that know it take it for a few seconds more."""
    return await _sql.revoke_key(connection, id=key_id) is not None


def hash_key(key: str) -> bytes:
    """As it is stored. 256 random bits need no salt."""
    return hashlib.sha256(key.encode()).digest()


def _new_key() -> str:
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
