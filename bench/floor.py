"""A running stack as a bench uses it: shelves filled, orders placed by many at once, what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tempfile
import time
import uuid
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, TypeAlias

import asyncpg
import httpx
import psutil
import structlog
from rich.console import Console

from cli.stack.stack import LocalStack
from ordersaga.client import ApiClient, Money, StockItem

Json: TypeAlias = dict[str, Any]

CURRENCY: Final = "EUR"
PRICE: Final = {"amount": 500, "currency": CURRENCY}
CUSTOMERS: Final = 64  # each with an account of his own: nobody waits for another's lock
CREDIT: Final = 10**9  # minor units: enough for any bench
WAIT_S: Final = 30  # the longest that the API waits
REQUEST_TIMEOUT_S: Final = 90
SETTLED_WITHIN_S: Final = 600
LOOK_EVERY_S: Final = 0.1

BY_BALANCE: Final = ({"method": "balance"},)
BY_CARD: Final = ({"method": "card", "token": "tok_ok"},)
LATER: Final[tuple[Json, ...]] = ()


@dataclass(frozen=True)
class Floor:
    """A stack, whoever calls its API, and a look into its database."""

    stack: LocalStack
    http: httpx.AsyncClient
    database: asyncpg.Pool[asyncpg.Record]

    async def fill(self, skus: Mapping[str, int]) -> None:
        """So many units of each."""
        async with ApiClient(base_url=self.stack.ready.api, key=self.stack.ready.keys.ops) as api:
            await api.set_stock([StockItem(sku=sku, on_hand=n) for sku, n in skus.items()])

    async def give_credit(self) -> None:
        async with ApiClient(base_url=self.stack.ready.api, key=self.stack.ready.keys.ops) as api:
            for n in range(CUSTOMERS):
                money = Money(amount=CREDIT, currency=CURRENCY)
                await api.credit_account(_customer(n), money, reason="bench")

    async def place(
        self,
        skus: Sequence[str],
        payments: Sequence[Json],
        *,
        number: int = 0,
        prefer: str = f"wait={WAIT_S}",
    ) -> Json:
        """One order, a unit of each."""
        return await self.post(
            "/v1/orders",
            {
                "customer": {"id": _customer(number)},
                "currency": CURRENCY,
                "lines": [{"sku": sku, "quantity": 1, "unit_price": PRICE} for sku in skus],
                "shipping_address": {"country": "PT"},
                "payments": list(payments),
            },
            prefer=prefer,
        )

    async def pay(self, order_id: str) -> Json:
        """What was to be paid later; the order once it is decided."""
        path = f"/v1/orders/{order_id}/pay"
        return await self.post(path, {"payments": list(BY_BALANCE)}, prefer=f"wait={WAIT_S}")

    async def post(self, path: str, body: Json, *, prefer: str) -> Json:
        headers = {"Prefer": prefer, "Idempotency-Key": uuid.uuid4().hex}
        answer = await self.http.post(path, json=body, headers=headers)
        answer.raise_for_status()
        read: Json = answer.json()
        return read

    async def count(self, condition: str, *args: object) -> int:
        """Of orders."""
        found: int = await self.database.fetchval(
            f"select count(*) from orders where {condition}",  # noqa: S608 - a bench's own words
            *args,
        )
        return found

    def cpu_s(self) -> Mapping[str, float]:
        """That each part has used since it was started, its children with it."""
        used = {}
        for part, pid in self.stack.ready.pids.items():
            process = psutil.Process(pid)
            used[part] = sum(map(_cpu_s, (process, *process.children(recursive=True))))
        return used

    async def wal_bytes(self) -> int:
        """Written so far."""
        written: int = await self.database.fetchval(
            "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
        )
        return written

    async def until(self, condition: str, count: int, *args: object) -> None:
        """So many orders are so."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while await self.count(condition, *args) < count:  # noqa: ASYNC110 - as a person would
                await asyncio.sleep(LOOK_EVERY_S)


def be_quiet() -> None:
    """What the product logs is not what a bench is looked at for."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@contextmanager
def new_home(name: str) -> Iterator[Path]:
    """A directory for a stack; it goes at the end."""
    with tempfile.TemporaryDirectory(prefix=f"ordersaga-{name}-") as home:
        Path(home).chmod(0o711)  # where we are root, PostgreSQL runs as another user
        yield Path(home)


@asynccontextmanager
async def open_floor(name: str) -> AsyncIterator[Floor]:
    """Everything that `ordersaga up` starts; its data go at the end."""
    with new_home(name) as home:
        async with (
            LocalStack(data_dir=home / "data", port=0, keep_data=False) as stack,
            httpx.AsyncClient(
                base_url=stack.ready.api,
                headers={"Authorization": f"Bearer {stack.ready.keys.ops}"},
                timeout=REQUEST_TIMEOUT_S,
                trust_env=False,
                limits=httpx.Limits(max_connections=CUSTOMERS),
            ) as http,
            asyncpg.create_pool(stack.ready.database, min_size=1, max_size=2) as database,
        ):
            floor = Floor(stack, http, database)
            await floor.give_credit()
            yield floor


async def at_once(clients: int, work: Iterable[Callable[[], Coroutine[Any, Any, Any]]]) -> float:
    """All of it, by so many clients; seconds that it took."""
    waiting = iter(work)

    async def client() -> None:
        for each in waiting:
            await each()

    began_s = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return time.perf_counter() - began_s


async def timed(work: Coroutine[Any, Any, Any]) -> float:
    """Seconds."""
    began_s = time.perf_counter()
    await work
    return time.perf_counter() - began_s


def p50_ms(taken_s: Sequence[float]) -> float:
    return round(median(taken_s) * 1000, 1)


def p99_ms(taken_s: Sequence[float]) -> float:
    return round(quantiles(taken_s, n=100)[98] * 1000, 1)


def write(figures: Mapping[str, object], output: Path | None) -> None:
    """Prints each of them, and keeps them where that is asked."""
    Console().print_json(json.dumps(figures))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(figures, indent=1) + "\n")


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _customer(number: int) -> str:
    return f"bench-{number % CUSTOMERS}"
