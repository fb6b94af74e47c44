"""The laboratory: worker and API of its own, each line of theirs through something that can fail."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self

import asyncpg
import httpx
from temporalio.client import Client

from cli.stack.pids import PidFile
from cli.stack.processes import Child, Program
from cli.stack.programs import api_program, environment, settings_for
from cli.stack.stack import LocalStack
from ordersaga.order import MERCHANT
from tests.conftest import SHORT_PATIENCE
from tests.faults.database_line import DatabaseLine
from tests.faults.http_line import HttpLine
from tests.faults.orders_to_workers import Desk
from tests.saga.shop import Books, Json, Shop, _pages

ROOT: Final = Path(__file__).parents[2]
POOL_SIZE: Final = 40  # connections: many orders wait at their COMMITs at once
# A client waits 15 s for an answer; an order has to live longer than that, and than a few kills.
PATIENCE: Final = {**SHORT_PATIENCE, "outage_patience_s": 90, "payer_patience_s": 120}


class Lab:
    """On a running stack, in place of its worker. `front`: the API whose lines can fail.

    `patience`: other seconds than `PATIENCE`. `cached_workflows`: as many as the worker remembers.
    """

    def __init__(
        self,
        stack: LocalStack,
        *,
        patience: Mapping[str, float] | None = None,
        cached_workflows: int | None = None,
    ) -> None:
        self.stack = stack
        self.ended: list[str] = []  # orders, for the audit at the end
        self.desk = Desk()
        self.database = DatabaseLine(stack.ready.database)
        self.lines = {
            "provider": HttpLine(stack.ready.payment_provider),
            "carrier": HttpLine(stack.ready.carrier),
        }
        self._patience = {**PATIENCE, **(patience or {})}
        self._cached = cached_workflows
        self._reads: asyncio.Task[list[list[Json]]] | None = None  # of others' books

    async def __aenter__(self) -> Self:
        stack = self.stack
        async with AsyncExitStack() as opened:
            await stack.stop("worker")
            opened.push_async_callback(stack.start, "worker")
            await opened.enter_async_context(self.desk)
            await opened.enter_async_context(self.database)
            for line in self.lines.values():
                await opened.enter_async_context(line)
            self.shop = await opened.enter_async_context(Shop(stack, sku="sku-of-nobody"))
            self.tables = await asyncpg.create_pool(stack.ready.database, min_size=1, max_size=4)
            opened.push_async_callback(self.tables.close)
            self.temporal = await Client.connect(stack.ready.temporal)
            self._plan()
            opened.push_async_callback(self._stop)
            await self._start()
            self.front = await opened.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{self._port}",
                    headers=self.shop.api.headers,
                    timeout=40,
                    limits=httpx.Limits(max_connections=200),
                )
            )
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def _plan(self) -> None:
        ready, logs = self.stack.ready, self.stack.logs
        settings = settings_for(
            os.environ,  # `ORDERSAGA_REMOTE_LANE=queued make faults` is the other lane's table
            {
                "database_url": self.database.url,
                "database_pool_size": POOL_SIZE,
                "payment_provider_url": self.lines["provider"].url,
                "payment_provider_key": ready.payment_provider_key,
                "carrier_url": self.lines["carrier"].url,
                "carrier_key": ready.carrier_key,
                "carrier_webhook_secrets": {MERCHANT: [ready.webhook_secrets.merchant]},
                **self._patience,
            },
        )
        env = environment(os.environ, settings=settings, temporal=ready.temporal)
        env["PYTHONPATH"] = str(ROOT)

        async def says_ready(child: Child) -> bool:
            return child.has_said("worker ready")

        cached = [] if self._cached is None else [str(self._cached)]
        worker = Program(
            name="lab-worker",
            argv=(
                *(sys.executable, "-P", "-m", "tests.faults.obedient_worker"),
                *(str(self.desk.port), *cached),
            ),
            env=env,
            log=logs / "lab-worker.log",
            is_ready=says_ready,
            stop_patience_s=1,
        )
        self._port = _free_port()
        api = api_program(port=self._port, log=logs / "lab-api.log", env=env)
        pids = PidFile(logs)
        self._children = [
            Child(program, pids=pids, say=lambda _: None) for program in (worker, api)
        ]

    async def _start(self) -> None:
        await asyncio.gather(*(child.start() for child in self._children))

    async def _stop(self) -> None:
        await asyncio.gather(*(child.kill() for child in self._children))

    async def kill(self, what: str) -> None:
        """SIGKILL. `workers`: worker and API."""
        await (self._stop() if what == "workers" else self.stack.kill(what))

    async def bring_back(self, what: str) -> None:
        await (self._start() if what == "workers" else self.stack.start(what))

    async def books(self, order_id: str) -> Books:
        """As `Shop.books`; who asks while others do shares one look, begun after it was asked for."""
        if self._reads is not None:
            await asyncio.wait([self._reads])  # begun before: perhaps too early for us
        if self._reads is None or self._reads.done():
            self._reads = asyncio.create_task(self._read_books())
        intents, refunds, parcels = await asyncio.shield(self._reads)
        ours = [i for i in intents if i["metadata"].get("order_id") == order_id]
        ids = {i["id"] for i in ours}
        return Books(
            ours,
            [r for r in refunds if r["payment_intent"] in ids],
            [p for p in parcels if p["key"].startswith(f"{order_id}:")],
        )

    async def _read_books(self) -> list[list[Json]]:
        shop = self.shop
        reads = await asyncio.gather(
            _pages(shop.provider, "/v1/payment_intents", "starting_after", "id"),
            _pages(shop.provider, "/v1/refunds", "starting_after", "id"),
            _pages(shop.carrier, "/parcels", "after", "key"),
        )
        return list(reads)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
