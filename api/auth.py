"""Who asks, and may they: `Authorization: Bearer osk_…`."""

from __future__ import annotations

import math
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
    USE_COARSENESS,
    ApiKey,
    find_api_key,
    hash_key,
    note_uses,
)
from adapters.postgres.pool import Pool, reading
from api.limits import RefusalLimits, RequestLimits
from api.problems import Problem

KEY_MEMORY_S: Final = 5.0  # a revoked key still works for so long; a request costs no look-up
MOST_REMEMBERED: Final = 10_000  # keys; then all are forgotten, which costs a look-up each

_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class KnownKeys:
    """Keys found a moment ago, and which of them were used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._found: dict[bytes, tuple[ApiKey, float]] = {}
        self._used: set[str] = set()
        self._noted_at_s: dict[str, float] = {}  # when this process last said that a key was used

    async def find(self, key: str) -> ApiKey | None:
        """None: no such key, or one that is revoked or has expired."""
        if _KEY.fullmatch(key) is None:
            return None
        key_hash = hash_key(key)
        remembered = self._found.get(key_hash)
        if remembered is not None and time.monotonic() < remembered[1]:
            found: ApiKey | None = remembered[0]
        else:
            found = await self._look_up(key_hash)
        if found is not None:
            self._used.add(found.id)
        return found

    async def settle(self) -> None:
        """Notes when keys were last used, to the minute."""
        now_s = time.monotonic()
        coarse_s = USE_COARSENESS.total_seconds()
        due = {
            key_id
            for key_id in self._used
            if now_s >= self._noted_at_s.get(key_id, -coarse_s) + coarse_s
        }
        self._used.clear()
        if not due:
            return
        self._noted_at_s.update(dict.fromkeys(due, now_s))
        async with reading(self._pool) as connection:
            await note_uses(connection, due)

    async def _look_up(self, key_hash: bytes) -> ApiKey | None:
        looked_at_s = time.monotonic()
        async with reading(self._pool) as connection:
            found = await find_api_key(connection, key_hash)
        if found is None:
            self._found.pop(key_hash, None)
            return None
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        ends_in_s = math.inf if found.ends_in_s is None else found.ends_in_s
        self._found[key_hash] = (found, looked_at_s + min(KEY_MEMORY_S, ends_in_s))
        return found


def _caller_with(*scopes: str) -> Callable[[Request], Awaitable[ApiKey]]:
    async def authorise(request: Request) -> ApiKey:
        services = request.app.state.services
        known: KnownKeys = services.known_keys
        refusals: RefusalLimits = services.refusals
        requests: RequestLimits = services.requests
        word, _, key = request.headers.get("authorization", "").partition(" ")
        if word.lower() != "bearer":
            raise refusals.refusal(request, "send Authorization: Bearer <key>")
        caller = await known.find(key.strip())
        if caller is None:
            raise refusals.refusal(request, "this key is not valid")
        request.state.caller = caller
        requests.take(caller)
        if not any(scope in caller.scopes for scope in scopes):
            raise Problem("forbidden", f"this key has no scope {' or '.join(scopes)}")
        return caller

    return authorise


Reader = Annotated[ApiKey, Depends(_caller_with(ORDERS_READ))]
Writer = Annotated[ApiKey, Depends(_caller_with(ORDERS_WRITE))]
Operator = Annotated[ApiKey, Depends(_caller_with(OPS))]
Seller = Annotated[ApiKey, Depends(_caller_with(ORDERS_WRITE, OPS))]
