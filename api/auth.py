"""Who asks, and may they: `Authorization: Bearer osk_…`."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from starlette.requests import Request

from adapters.postgres.api_keys import (
    OPS,
    ORDERS_READ,
    ORDERS_WRITE,
    PREFIX,
    ApiKey,
    find_api_key,
    hash_key,
)
from adapters.postgres.pool import Pool, reading
from api.problems import Problem

KEY_MEMORY_S: Final = 5.0  # a revoked key still works for so long; a request costs no look-up
MOST_REMEMBERED: Final = 10_000  # keys; then all are forgotten, which costs a look-up each

_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class KnownKeys:
    """Keys found a moment ago."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._found: dict[bytes, tuple[ApiKey, float]] = {}

    async def find(self, key: str) -> ApiKey | None:
        """None: no such key, or revoked."""
        if _KEY.fullmatch(key) is None:
            return None
        key_hash = hash_key(key)
        remembered = self._found.get(key_hash)
        if remembered is not None and time.monotonic() < remembered[1]:
            return remembered[0]
        async with reading(self._pool) as connection:
            found = await find_api_key(connection, key_hash)
        if found is None:
            self._found.pop(key_hash, None)
            return None
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        self._found[key_hash] = (found, time.monotonic() + KEY_MEMORY_S)
        return found


def _caller_with(scope: str) -> Callable[[Request], Awaitable[ApiKey]]:
    async def authorise(request: Request) -> ApiKey:
        word, _, key = request.headers.get("authorization", "").partition(" ")
        if word.lower() != "bearer":
            raise Problem("unauthorized", "send Authorization: Bearer <key>", headers=_CHALLENGE)
        known: KnownKeys = request.app.state.services.known_keys
        caller = await known.find(key.strip())
        if caller is None:
            raise Problem("unauthorized", "this key is not valid", headers=_CHALLENGE)
        request.state.caller = caller
        if scope not in caller.scopes:
            raise Problem("forbidden", f"this key has no scope {scope}")
        return caller

    return authorise


Reader = Annotated[ApiKey, Depends(_caller_with(ORDERS_READ))]
Writer = Annotated[ApiKey, Depends(_caller_with(ORDERS_WRITE))]
Operator = Annotated[ApiKey, Depends(_caller_with(OPS))]
