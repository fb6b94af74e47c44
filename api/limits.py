"""How much a caller may ask for: requests a second of a key and of its tenant, refusals of an address.

No request waits for PostgreSQL because of it. Each process gives away what it believes to be left and tells
the others afterwards, a few times a second; what was given away twice is taken off what comes in next.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from typing import Final, Protocol

import structlog
from starlette.requests import Request

from adapters.postgres.api_keys import ApiKey
from adapters.postgres.limits import OpenOrderCaps, RequestsUsed, settle_requests
from adapters.postgres.pool import Pool, reading
from api.problems import Problem
from ordersaga.config import Settings
from ordersaga.errors import Unavailable

log = structlog.get_logger(__name__)

BURST_S: Final = 2.0  # a shop that was quiet for so long may ask for all of it at once
SETTLE_EVERY_S: Final = 0.25  # one statement a process, for all keys that were used meanwhile
MINUTE_S: Final = 60.0
MOST_REMEMBERED: Final = 10_000  # buckets of a kind; then all are forgotten, and begin full


class Settling(Protocol):
    """Has something to tell PostgreSQL that no request waits for."""

    async def settle(self) -> None: ...


async def settle_forever(*books: Settling) -> None:
    """A few times a second. An outage or a bug ends it for none of them."""
    while True:
        await asyncio.sleep(SETTLE_EVERY_S)
        for book in books:
            try:
                await book.settle()
            except Unavailable as error:
                log.warning("limits.not_settled", error=str(error))
            except Exception:
                log.exception("limits.failed")


class Bucket:
    """Tokens that come in steadily, up to `burst` of them, and go out one a request."""

    def __init__(self, *, per_s: float, burst: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._tokens = burst
        self._counted_at_s = time.monotonic()

    def wait_s(self) -> float:
        """Seconds until there is a token; 0: there is one."""
        return max(0.0, (1 - self._count()) / self.per_s)

    def take(self) -> None:
        """One token."""
        self._tokens = self._count() - 1

    def put_right(self, tokens: float) -> None:
        """So many there are, as the other processes see it too."""
        self._tokens, self._counted_at_s = tokens, time.monotonic()

    def _count(self) -> float:
        now_s = time.monotonic()
        came = (now_s - self._counted_at_s) * self.per_s
        self._tokens, self._counted_at_s = min(self.burst, self._tokens + came), now_s
        return self._tokens


class RequestLimits:
    """Requests a second, of each key and of each tenant, over all API processes."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._buckets: dict[str, Bucket] = {}
        self._used: Counter[str] = Counter()

    def take(self, caller: ApiKey) -> None:
        """One request; raises the `Problem` where there are too many. A refused one costs nothing."""
        of_key, of_tenant = caller.requests_per_s, self._settings.requests_per_s_per_tenant
        limits = {
            f"key:{caller.id}": self._settings.requests_per_s_per_key if of_key is None else of_key,
            f"tenant:{caller.tenant}": of_tenant,
        }
        buckets = {name: self._bucket(name, per_s) for name, per_s in limits.items() if per_s}
        wait_s = max((bucket.wait_s() for bucket in buckets.values()), default=0.0)
        if wait_s:
            # What was used a moment ago, here or elsewhere, may still come off.
            raise too_fast(
                wait_s + SETTLE_EVERY_S, "this key, or all of its tenant's together, asks too often"
            )
        for name, bucket in buckets.items():
            bucket.take()
            self._used[name] += 1

    async def settle(self) -> None:
        """Tells the other processes what was given away here, and learns of theirs."""
        if not self._used:
            return
        used, self._used = self._used, Counter()
        # Of an outage nothing is told: each process still keeps the limit by itself.
        async with reading(self._pool) as connection:
            left = await settle_requests(
                connection,
                [
                    RequestsUsed(subject=name, used=count, burst=bucket.burst, per_s=bucket.per_s)
                    for name, count in used.items()
                    for bucket in [self._buckets[name]]
                ],
            )
        for name, tokens in left.items():
            self._buckets[name].put_right(tokens - self._used[name])
        if len(self._buckets) > MOST_REMEMBERED:
            self._buckets = {name: self._buckets[name] for name in self._used}

    def _bucket(self, name: str, per_s: float) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.per_s != per_s:
            bucket = self._buckets[name] = Bucket(per_s=per_s, burst=per_s * BURST_S)
        return bucket


class RefusalLimits:
    """Refused keys of each address, in this process. A valid key is never in it."""

    def __init__(self, settings: Settings) -> None:
        self._per_min = settings.refused_keys_per_min
        self._buckets: dict[str, Bucket] = {}

    def refusal(self, request: Request, detail: str) -> Problem:
        """How to refuse a request without a valid key: 401, or 429 where its address had many."""
        if self._per_min:
            bucket = self._bucket(request.client.host if request.client else "")
            if wait_s := bucket.wait_s():
                return too_fast(wait_s, "too many requests without a valid key from this address")
            bucket.take()
        return Problem("unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})

    def _bucket(self, address: str) -> Bucket:
        if address not in self._buckets:
            if len(self._buckets) >= MOST_REMEMBERED:
                self._buckets.clear()
            self._buckets[address] = Bucket(per_s=self._per_min / MINUTE_S, burst=self._per_min)
        return self._buckets[address]


class LinkLimits:
    """Requests of an order's page, by its order, in this process: whoever has the link has no key."""

    def __init__(self, settings: Settings) -> None:
        self._per_min = settings.requests_per_min_per_link
        self._buckets: dict[str, Bucket] = {}

    def take(self, order_id: str) -> None:
        """One request; raises the `Problem` where there are too many."""
        if not self._per_min:
            return
        if order_id not in self._buckets:
            if len(self._buckets) >= MOST_REMEMBERED:
                self._buckets.clear()
            per_s = self._per_min / MINUTE_S
            self._buckets[order_id] = Bucket(per_s=per_s, burst=self._per_min)
        bucket = self._buckets[order_id]
        if wait_s := bucket.wait_s():
            raise too_fast(wait_s, "this page is asked for too often")
        bucket.take()


def caps_of(caller: ApiKey, settings: Settings) -> OpenOrderCaps:
    """How many orders this key and its tenant may have open."""
    of_key = caller.open_orders
    return OpenOrderCaps(
        of_key=settings.open_orders_per_key if of_key is None else of_key,
        of_tenant=settings.open_orders_per_tenant,
    )


def too_fast(wait_s: float, detail: str) -> Problem:
    """429, and when to come again."""
    return Problem("rate_limited", detail, headers={"Retry-After": str(math.ceil(wait_s))})
