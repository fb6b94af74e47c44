"""An API, a relay and receivers; senders are started by the tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from adapters.egress import Egress
from adapters.postgres import outbox
from adapters.postgres.pool import Pool, reading
from cli.stack import LocalStack
from ordersaga.config import Settings
from tests.api.calls import fresh, placed
from tests.api.running import RunningApi, make_key, postgres_alone, running_api
from tests.hooks.receiver import Receiver, receiving
from tests.relay.conftest import happen, relaying, until
from worker import webhooks as sending
from worker.webhooks import SINK, WebhookFanOut, WebhookSender

ALWAYS_S = 7 * 24 * 3600.0
CLOSED_PORT = "127.0.0.1:9"  # discard: nobody listens


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[LocalStack]:
    async with postgres_alone() as stack:
        yield stack


@pytest.fixture(scope="session")
async def api(postgres: LocalStack) -> AsyncIterator[RunningApi]:
    """With a relay beside it; Temporal is away, so that orders stay as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", CLOSED_PORT)
        patch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
        settings = Settings(database_url=postgres.ready.database, webhooks_to_private=True)
        async with (
            running_api(settings) as running,
            relaying(postgres, running.pool, fan_outs=(WebhookFanOut(),)),
        ):
            await until(lambda: _is_known(running.pool))
            yield running


async def _is_known(pool: Pool) -> bool:
    async with reading(pool) as connection:
        return SINK in [each.sink for each in await outbox.read_backlog(connection)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other in no time; there are four of them."""
    monkeypatch.setattr(sending, "PAUSES_S", (0.1, 0.1, 0.1))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@dataclass(frozen=True)
class Shop:
    """A tenant that sells, and wants to hear of it."""

    api: RunningApi
    client: httpx.AsyncClient

    async def post(self, path: str, body: object = None) -> httpx.Response:
        return await self.client.post(
            f"/v1/webhook-endpoints{path}", json=body, headers={"Idempotency-Key": fresh("key")}
        )

    async def endpoint(self, receiver: Receiver, **fields: object) -> dict[str, Any]:
        """A new one, with its secret."""
        response = await self.post("", {"url": receiver.url, **fields})
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def seen(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """As it is now."""
        found: dict[str, Any] = (
            await self.client.get(f"/v1/webhook-endpoints/{endpoint['id']}")
        ).json()
        return found

    async def deliveries(self, endpoint: dict[str, Any], **query: str) -> list[dict[str, Any]]:
        """Oldest first."""
        response = await self.client.get(
            f"/v1/webhook-endpoints/{endpoint['id']}/deliveries", params={"limit": "100", **query}
        )
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["deliveries"]
        return found[::-1]

    async def order(self, events: int = 1) -> str:
        """One with so many events."""
        order_id = await placed(self.client)
        await happen(self.api.pool, order_id, events - 1)
        return order_id


@pytest.fixture
async def shop(api: RunningApi) -> AsyncIterator[Shop]:
    key = await make_key(api, tenant=fresh("shop"), scopes=["orders:read", "orders:write", "ops"])
    async with api.client(key) as client:
        yield Shop(api, client)
        for endpoint in (await client.get("/v1/webhook-endpoints")).json()["endpoints"]:
            await client.delete(f"/v1/webhook-endpoints/{endpoint['id']}")


@asynccontextmanager
async def at_work(
    api: RunningApi, egress: Egress | None = None, *, pool: Pool | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker's sender, until the end of the block or until its task is cancelled."""
    async with egress or Egress(allow_private=True) as out:
        sender = WebhookSender(
            pool or api.pool,
            out,
            database_url=api.services.settings.database_url,
            kept_s=ALWAYS_S,
        )
        working = asyncio.create_task(sender.run_forever())
        try:
            yield working
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
