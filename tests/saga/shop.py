"""A shop as its customers and its bookkeeper see it: orders over HTTP, and the books of others."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from standardwebhooks import Webhook
from temporalio.client import Client

from cli.stack.ready import Ready
from cli.stack.stack import LocalStack

DECIDED_WITHIN_S = 25  # the longest patience of the test stack, and its retries, on a busy machine
UNIT_PRICE = 500

Json = dict[str, Any]
_numbers = itertools.count(1)


def card(token: str = "tok_ok", amount: int | None = None) -> Json:
    return payment("card", token, amount)


def payment(method: str, token: str | None = "tok_ok", amount: int | None = None) -> Json:
    asked: Json = {"method": method}
    if token is not None:
        asked["token"] = token
    if amount is not None:
        asked["amount"] = {"amount": amount, "currency": "BRL"}
    return asked


@dataclass(frozen=True)
class Books:
    """What provider and carrier say happened: never our own tables."""

    intents: Sequence[Mapping[str, Any]]
    refunds: Sequence[Mapping[str, Any]]
    parcels: Sequence[Mapping[str, Any]]

    @property
    def kept(self) -> int:
        """What the provider took and did not give back. Minor units."""
        taken: int = sum(i["amount_received"] for i in self.intents)
        returned: int = sum(r["amount"] for r in self.refunds if r["status"] != "failed")
        return taken - returned

    @property
    def held(self) -> int:
        return sum(i["amount_capturable"] for i in self.intents)

    @property
    def payable(self) -> list[str]:
        """Intents that a payer could still pay."""
        return [i["id"] for i in self.intents if i["status"] in ("requires_action", "processing")]

    @property
    def live_parcels(self) -> list[str]:
        return [p["status"] for p in self.parcels if p["status"] != "canceled"]


@dataclass
class Shop:
    """One tenant with stock, on a running stack."""

    stack: LocalStack
    sku: str = field(default_factory=lambda: f"sku-{uuid.uuid4().hex[:8]}")
    on_hand: int = 1000
    stocked: bool = False  # by another shop of the same SKU

    async def __aenter__(self) -> Self:
        ready: Ready = self.stack.ready
        self.api = httpx.AsyncClient(
            base_url=ready.api,
            headers={"Authorization": f"Bearer {ready.keys.ops}"},
            timeout=40,
            limits=httpx.Limits(max_connections=100),
        )
        self.provider = httpx.AsyncClient(
            base_url=ready.payment_provider,
            headers={"Authorization": f"Bearer {ready.payment_provider_key}"},
        )
        self.carrier = httpx.AsyncClient(
            base_url=ready.carrier, headers={"Authorization": f"Bearer {ready.carrier_key}"}
        )
        if not self.stocked:
            await self.put_stock(self.sku, self.on_hand)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self.api, self.provider, self.carrier):
            await client.aclose()

    async def put_stock(self, sku: str, on_hand: int) -> None:
        answer = await self.api.put(f"/v1/stock/{sku}", json={"on_hand": on_hand})
        answer.raise_for_status()

    async def stock(self, sku: str | None = None) -> Json:
        answer = await self.api.get(f"/v1/stock/{sku or self.sku}")
        stock: Json = answer.json()
        return stock

    async def post(self, path: str, body: Json, *, key: str | None = None, **headers: str) -> Any:
        return await self.api.post(
            path, json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex, **headers}
        )

    async def order(
        self,
        *payments: Json,
        quantity: int = 2,
        carrier: str = "merchant",
        service: str = "standard",
        customer: str | None = None,
        lines: Sequence[tuple[str, int]] | None = None,
        prefer: str = "wait=20",
    ) -> Json:
        """Places an order; the answer as it is when the wait ends."""
        body = {
            "customer": {"id": customer or f"c-{next(_numbers)}"},
            "currency": "BRL",
            "lines": [
                {
                    "sku": sku,
                    "quantity": count,
                    "unit_price": {"amount": UNIT_PRICE, "currency": "BRL"},
                }
                for sku, count in (lines or [(self.sku, quantity)])
            ],
            "shipping_address": {"country": "BR"},
            "shipping": {"carrier": carrier, "service": service},
            "payments": list(payments),
        }
        answer = await self.post("/v1/orders", body, Prefer=prefer)
        assert answer.status_code in (201, 202), answer.text
        order: Json = answer.json()
        return order

    async def get(self, order_id: str) -> Json:
        order: Json = (await self.api.get(f"/v1/orders/{order_id}")).json()
        return order

    async def until(
        self, order_id: str, is_so: Callable[[Json], bool], *, within_s: float = DECIDED_WITHIN_S
    ) -> Json:
        """The order as soon as that holds of it; fails when time is up."""
        deadline_s = time.monotonic() + within_s
        while True:
            order = await self.get(order_id)
            if is_so(order):
                return order
            assert time.monotonic() < deadline_s, f"still {order['status']}: {order}"
            await asyncio.sleep(0.05)

    async def until_final(self, order_id: str, *, within_s: float = DECIDED_WITHIN_S) -> Json:
        return await self.until(
            order_id, lambda o: o["status"] not in ("pending", "compensating"), within_s=within_s
        )

    async def until_released(self, order_id: str, *, within_s: float = DECIDED_WITHIN_S) -> None:
        """Until the carrier was told to come, by our history and by its own books."""

        async def is_released() -> bool:
            told = "parcel.released" in await self.history(order_id)
            return told and (await self.books(order_id)).live_parcels == ["released"]

        await until_true(is_released, within_s=within_s)

    async def play_payer(self, order_id: str, how: str, *, amount: int | None = None) -> None:
        """The payer of the order's one open payment pays or fails, at the provider."""
        intent = (await self.books(order_id)).payable[0]
        body = {} if amount is None else {"amount": amount}
        (await self.provider.post(f"/test/payers/{intent}/{how}", json=body)).raise_for_status()

    async def carrier_says(
        self, order: Json, status: str, *, at: datetime | None = None, **more: Any
    ) -> None:
        """The sandbox carrier says something of the order's parcel, and tells us by its webhook."""
        number = (await self.get(order["id"]))["shipments"][0]["tracking_number"]
        said = {"status": status, "occurred_at": (at or datetime.now(UTC)).isoformat(), **more}
        answer = await self.carrier.post(f"/test/parcels/{number}/events", json=said)
        assert answer.status_code == 201, answer.text

    async def ask(self, order: Json, move: str, body: Json | None = None, **headers: str) -> Any:
        """One of the moves of an order: `ship`, `returns`, `returns/ret_…/approve`, …"""
        return await self.post(f"/v1/orders/{order['id']}/{move}", body or {}, **headers)

    async def delivered(self, order: Json) -> Json:
        """The order, once its carrier has brought the parcel."""
        for status in ("picked_up", "in_transit", "delivered"):
            await self.carrier_says(order, status)
        return await self.until(order["id"], lambda o: o["delivered_at"] is not None)

    async def webhook(self, source: str, message: Json, *, message_id: str) -> Any:
        """A signed message to us: `payments/sandbox`, `carriers/merchant`."""
        secrets = self.stack.ready.webhook_secrets
        secret = {
            "payments": secrets.payments,
            "carriers/sandbox": secrets.carrier,
            "carriers/merchant": secrets.merchant,
        }["payments" if source.startswith("payments/") else source]
        body = json.dumps(message)
        signature = Webhook(secret).sign(message_id, datetime.now(UTC), body)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": signature,
        }
        return await self.api.post(f"/v1/webhooks/{source}", content=body, headers=headers)

    async def newest_workflow(self, kind: str, *, about: Json) -> str:
        """The id of the last workflow of this kind that was started with the order."""
        client = await Client.connect(self.stack.ready.temporal)
        async for found in client.list_workflows(f"WorkflowType = '{kind}'"):
            history = await client.get_workflow_handle(found.id).fetch_history()
            if about["id"] in str(history.events[0].workflow_execution_started_event_attributes):
                return found.id
        raise LookupError(f"no {kind} about {about['id']}")

    async def credit(self, customer: str) -> list[Json]:
        """A customer's store credit, by currency."""
        account: Json = (await self.api.get(f"/v1/accounts/{customer}")).json()
        balances: list[Json] = account["balances"]
        return balances

    async def cancel(self, order_id: str, *, prefer: str = "wait=20") -> httpx.Response:
        answer: httpx.Response = await self.post(
            f"/v1/orders/{order_id}/cancel", {"reason": "changed my mind"}, Prefer=prefer
        )
        return answer

    async def history(self, order_id: str) -> list[str]:
        events = (await self.api.get(f"/v1/orders/{order_id}/events")).json()
        listed = events["events"] if isinstance(events, dict) else events
        assert [e["sequence"] for e in listed] == list(range(1, len(listed) + 1))
        return [e["type"] for e in listed]

    async def books(self, order_id: str) -> Books:
        """This order's rows in the books of provider and carrier."""
        intents = await _pages(self.provider, "/v1/payment_intents", "starting_after", "id")
        refunds = await _pages(self.provider, "/v1/refunds", "starting_after", "id")
        parcels = await _pages(self.carrier, "/parcels", "after", "key")
        ours = [i for i in intents if i["metadata"].get("order_id") == order_id]
        ids = {i["id"] for i in ours}
        return Books(
            ours,
            [r for r in refunds if r["payment_intent"] in ids],
            [p for p in parcels if p["key"].startswith(f"{order_id}:")],
        )

    async def assert_clean_slate(self, order: Json) -> None:
        """Nothing of an undone order remains with anybody."""
        books = await self.books(order["id"])
        assert (books.kept, books.held, books.payable, books.live_parcels) == (0, 0, [], [])
        assert await self.stock() == {
            "sku": self.sku,
            "on_hand": self.on_hand,
            "available": self.on_hand,
            "reserved": 0,
        }
        for paid in order["payments"]:
            assert paid["captured"] == paid["refunded"]

    async def assert_all_of_it(self, order: Json, *, quantity: int = 2) -> None:
        """A confirmed order is paid once, shipped once, and its goods have left the shelf."""
        ours = {p["method"] for p in order["payments"]} & {"balance", "voucher"}
        books = await self.books(order["id"])
        if not ours:
            assert books.kept == order["total"]["amount"]
        assert (books.held, books.payable) == (0, [])
        remote = order["shipments"][0]["carrier"] != "merchant"
        assert len(books.live_parcels) == (1 if remote else 0)
        assert await self.stock() == {
            "sku": self.sku,
            "on_hand": self.on_hand - quantity,
            "available": self.on_hand - quantity,
            "reserved": 0,
        }


async def until_true(
    is_so: Callable[[], Awaitable[bool]], *, within_s: float = DECIDED_WITHIN_S
) -> None:
    """Looks until it is so; fails when time is up."""
    deadline_s = time.monotonic() + within_s
    while not await is_so():
        assert time.monotonic() < deadline_s, "it never came to be"
        await asyncio.sleep(0.05)


async def until_found(
    find: Callable[[], Awaitable[str]], *, within_s: float = DECIDED_WITHIN_S
) -> str:
    """What is looked for, as soon as it is there; fails when time is up."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return await find()
        except LookupError:
            assert time.monotonic() < deadline_s, "it never came to be"
            await asyncio.sleep(0.1)


async def _pages(client: httpx.AsyncClient, path: str, cursor: str, by: str) -> list[Json]:
    rows: list[Json] = []
    while True:
        after = {cursor: rows[-1][by]} if rows else {}
        page = (await client.get(path, params={"limit": 100, **after})).json()
        rows += page["data"]
        if not page["has_more"]:
            return rows
