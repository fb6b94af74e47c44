"""A shop whose every step is counted: API and worker in this process, each on one connection."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import httpx
from fastapi import FastAPI
from temporalio.client import Client

from adapters.payload_codec import data_converter
from adapters.postgres.api_keys import create_api_key
from adapters.postgres.pool import Pool, connect_pool
from api.app import create_app
from bench.counting import LOOK_EVERY_S, Calls, Counts, Statements, count_history
from cli.stack.programs import LIMITLESS
from cli.stack.ready import Ready
from ordersaga.config import Settings
from ordersaga.order import RemoteLane
from worker.main import activities_of, build_worker

TENANT: Final = "bench"
CUSTOMER: Final = "c-1"
SKU: Final = "bench"
PRICE: Final = {"amount": 500, "currency": "BRL"}
ENOUGH: Final = 10_000
WITHIN_S: Final = 30.0
SCOPES: Final = ["orders:read", "orders:write", "ops"]

Json: TypeAlias = dict[str, Any]


@dataclass
class ShopWindow:
    """Places orders, and knows what each of them took."""

    api: httpx.AsyncClient
    temporal: Client
    of_api: Statements
    of_worker: Statements
    to_provider: Calls
    to_carrier: Calls

    async def count(self, order_id: str, *, since: Counts | None = None) -> Counts:
        """Since the last `begin`; of its history, since those counts."""
        history = await count_history(self.temporal, order_id)
        return {
            **{name: count - (since or {}).get(name, 0) for name, count in history.items()},
            "api_statements": self.of_api.statements,
            "api_round_trips": self.of_api.round_trips,
            "worker_statements": self.of_worker.statements,
            "worker_round_trips": self.of_worker.round_trips,
            "provider_calls": self.to_provider.count,
            "carrier_calls": self.to_carrier.count,
        }

    def begin(self) -> None:
        self.of_api.clear()
        self.of_worker.clear()
        self.to_provider.count = self.to_carrier.count = 0

    async def post(self, path: str, body: Json, **headers: str) -> Json:
        answer = await self.api.post(
            path, json=body, headers={"Idempotency-Key": uuid.uuid4().hex, **headers}
        )
        answer.raise_for_status()
        read: Json = answer.json()
        return read

    async def order(
        self,
        method: str,
        *,
        carrier: str = "merchant",
        quantity: int = 1,
        skus: Sequence[str] = (SKU,),
    ) -> Json:
        """One that waits for its decision, as a storefront's does."""
        token = {} if method == "balance" else {"token": "tok_ok"}
        return await self.post(
            "/v1/orders",
            {
                "customer": {"id": CUSTOMER},
                "currency": "BRL",
                "lines": [{"sku": sku, "quantity": quantity, "unit_price": PRICE} for sku in skus],
                "shipping_address": {"country": "BR"},
                "shipping": {"carrier": carrier, "service": "standard"},
                "payments": [{"method": method, **token}],
            },
            Prefer=f"wait={WITHIN_S:.0f}",
        )


async def _own_site(window: ShopWindow) -> Counts:
    """Stock, store credit, the merchant's parcel: until it is confirmed."""
    return await _one(window, "confirmed", "balance")


async def _card(window: ShopWindow) -> Counts:
    """Stock, a card at its provider, the merchant's parcel: until it is confirmed."""
    return await _one(window, "confirmed", "card")


async def _carrier(window: ShopWindow) -> Counts:
    """Stock, store credit, a parcel that its carrier is told to fetch."""
    return await _one(window, "confirmed", "balance", carrier="sandbox")


async def _slip(window: ShopWindow) -> Counts:
    """Slow money, until it waits for its payer; from there on it costs nothing."""
    return await _one(window, "pending", "boleto")


async def _out_of_stock(window: ShopWindow) -> Counts:
    """It asks nobody."""
    return await _one(window, "rejected", "card", quantity=2 * ENOUGH)


async def _cancel(window: ShopWindow) -> Counts:
    """A cancel of a confirmed order by card: refund and restock. What it adds to the order's own cost."""
    order = await window.order("card")
    before = await window.count(order["id"])
    window.begin()
    await window.post(
        f"/v1/orders/{order['id']}/cancel", {"reason": "late"}, Prefer="respond-async"
    )
    # By Temporal, not by the API: how often that is asked would count too.
    async with asyncio.timeout(WITHIN_S):
        while window.of_worker.statements == 0:  # noqa: ASYNC110  it is told over the network
            await asyncio.sleep(LOOK_EVERY_S)
        await window.temporal.get_workflow_handle(f"order:{order['id']}").result()
    return await window.count(order["id"], since=before)


async def _one(window: ShopWindow, becomes: str, method: str, **how: Any) -> Counts:
    window.begin()
    order = await window.order(method, **how)
    assert order["status"] == becomes, order
    return await window.count(order["id"])


KINDS: Final[Mapping[str, Callable[[ShopWindow], Awaitable[Counts]]]] = {
    "own_site": _own_site,
    "card": _card,
    "carrier": _carrier,
    "slip": _slip,
    "out_of_stock": _out_of_stock,
    "cancel": _cancel,
}


@asynccontextmanager
async def open_shop_window(
    ready: Ready, *, remote_lane: RemoteLane = "local_first"
) -> AsyncIterator[ShopWindow]:
    """Its sweeps and its relay are not started; another worker on the same Temporal has no part in it."""
    os.environ["TEMPORAL_ADDRESS"] = ready.temporal
    os.environ["TEMPORAL_NAMESPACE"] = ready.temporal_namespace
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    settings = Settings(
        task_queue="bench",
        remote_lane=remote_lane,
        database_url=ready.database,
        payment_provider_url=ready.payment_provider,
        payment_provider_key=ready.payment_provider_key,
        carrier_url=ready.carrier,
        carrier_key=ready.carrier_key,
        database_pool_size=1,  # so that one listener hears all of it
        refused_keys_per_min=0,
        **LIMITLESS,
    )
    calls = Calls(ready.payment_provider), Calls(ready.carrier)
    temporal = await Client.connect(
        ready.temporal, namespace=ready.temporal_namespace, data_converter=data_converter(())
    )
    app = create_app(settings)
    with _listening(*calls):
        async with (
            app.router.lifespan_context(app),
            _working(settings, temporal) as of_worker,
            _calling(app, await _make_key(app)) as api,
        ):
            of_api = Statements()
            await of_api.listen(app.state.services.pool)
            window = ShopWindow(api, temporal, of_api, of_worker, *calls)
            (await api.put(f"/v1/stock/{SKU}", json={"on_hand": ENOUGH})).raise_for_status()
            await window.post(
                f"/v1/accounts/{CUSTOMER}/credits",
                {"amount": {**PRICE, "amount": 500 * ENOUGH}, "reason": "bench"},
            )
            yield window


@asynccontextmanager
async def _working(settings: Settings, temporal: Client) -> AsyncIterator[Statements]:
    statements = Statements()
    pool: Pool = await connect_pool(settings.database_url, size=1, application_name="bench")
    await statements.listen(pool)
    async with (
        activities_of(settings, pool) as activities,
        build_worker(temporal, settings, activities),
    ):
        yield statements
    await pool.close()


async def count_lines(ready: Ready, lines: Sequence[int]) -> dict[int, int]:
    """Statements of API and worker for own-site orders of so many lines."""
    skus = [f"bench-{n}" for n in range(max(lines))]
    counted = {}
    async with open_shop_window(ready) as window:
        items = [{"sku": sku, "on_hand": ENOUGH} for sku in skus]
        await window.post("/v1/stock", {"items": items})
        for count in (*lines, *lines):  # the first of each warms up
            counts = await _one(window, "confirmed", "balance", skus=skus[:count])
            counted[count] = counts["api_statements"] + counts["worker_statements"]
    return counted


@contextmanager
def _listening(*calls: Calls) -> Iterator[None]:
    log = logging.getLogger("httpx")
    log.setLevel(logging.INFO)
    log.propagate = False
    for each in calls:
        log.addHandler(each)
    try:
        yield
    finally:
        for each in calls:
            log.removeHandler(each)


@asynccontextmanager
async def _calling(app: FastAPI, key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://api",
        headers={"Authorization": f"Bearer {key}"},
        timeout=2 * WITHIN_S,
    ) as client:
        yield client


async def _make_key(app: FastAPI) -> str:
    async with app.state.services.pool.acquire() as connection:
        return await create_api_key(connection, tenant=TENANT, scopes=SCOPES)
