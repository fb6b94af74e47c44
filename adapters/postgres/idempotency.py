"""What a POST with an `Idempotency-Key` made: stored in the transaction of what it protects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import asyncpg

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError

_sql = load_queries("idempotency")

RETENTION_S: Final = 48 * 3600  # the contract says at least 24 h; twice that covers a bad day
FORGET_AT_ONCE: Final = 1_000  # rows a statement


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One use of a key: what it is for, and what it makes if nobody used it before."""

    tenant: str
    route: str
    key: str
    body_hash: bytes
    resource: str


class RequestInFlight(OrdersagaError):
    """A twin of this request is still in its transaction."""


class IdempotencyMismatch(OrdersagaError):
    """The key was used before, with another body."""


def hash_body(body: bytes) -> bytes:
    """What tells two bodies apart."""
    return hashlib.sha256(body).digest()


async def claim_key(connection: Connection, claim: Claim) -> str | None:
    """None: the key is ours, go on. Else the resource that an equal request made: nothing to do.

    Raises `RequestInFlight` and `IdempotencyMismatch`.
    """
    try:
        ours = await _sql.claim(
            connection,
            tenant=claim.tenant,
            route=claim.route,
            key=claim.key,
            body_hash=claim.body_hash,
            resource=claim.resource,
        )
    except asyncpg.LockNotAvailableError as error:
        raise RequestInFlight(claim.route) from error
    if ours is not None:
        return None
    earlier = await _sql.read_claim(
        connection, tenant=claim.tenant, route=claim.route, key=claim.key
    )
    if earlier is None:  # forgotten between the two statements: free again in a moment
        raise RequestInFlight(claim.route)
    if bytes(earlier["body_hash"]) != claim.body_hash:
        raise IdempotencyMismatch(claim.route)
    return str(earlier["resource"])


async def forget_old_keys(connection: Connection) -> int:
    """Deletes some keys past `RETENTION_S`; returns how many. Fewer than asked: it was all."""
    status = await _sql.forget_old(connection, older_than_s=RETENTION_S, limit=FORGET_AT_ONCE)
    return int(str(status).rpartition(" ")[2])
