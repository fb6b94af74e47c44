"""What counts as quiet: nothing moves, in our tables or in Temporal."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from adapters.postgres.pool import Pool, connect_pool
from cli.chaos.quiet import Quiet, wait_until_quiet
from cli.stack import LocalStack
from ordersaga import keys
from ordersaga.client import (
    Address,
    ApiClient,
    Customer,
    Money,
    NewOrder,
    Order,
    OrderLine,
    Payment,
    Shipping,
    StockItem,
)
from tests.saga.shop import Shop

pytestmark = pytest.mark.long

LONG_ENOUGH_S = 60.0  # an order's deadline, its undo and its carrier, on a busy machine
LOOKS_APART_S = 0.2
AT_ONCE_S = 0.0  # one look


class Watcher:
    """Places orders of one run, and says which of them are not at rest."""

    def __init__(self, api: ApiClient, pool: Pool, engine: Client) -> None:
        self._api = api
        self._pool = pool
        self.engine = engine
        self.run = f"quiet-{secrets.token_hex(4)}"

    async def place(self, token: str, carrier: str = "merchant") -> Order:
        await self._api.set_stock([StockItem(sku=self.run, on_hand=5)], key=f"{self.run}-stock")
        price = Money(amount=1000, currency="USD")
        body = NewOrder(
            customer=Customer(id="c-1"),
            currency="USD",
            lines=(OrderLine(sku=self.run, quantity=1, unit_price=price),),
            shipping_address=Address(country="US"),
            shipping=Shipping(carrier=carrier),
            payments=(Payment(method="card", token=token),),
            metadata={"reference": f"{self.run}-1"},
        )
        return await self._api.create_order(body, key=f"{self.run}-1", wait_s=20)

    async def forget_that_it_heard(self, order: Order) -> None:
        """As if Temporal had been away when its messages came."""
        async with self._pool.acquire() as connection:
            await connection.execute(
                "update inbox set delivered_at = null where order_id = $1", order.id
            )

    async def look(self) -> Quiet:
        return await wait_until_quiet(
            self._pool, self.engine, run=f"{self.run}-", within_s=AT_ONCE_S
        )

    async def restless(self, order: Order) -> list[str]:
        """What one look says of it. (Orders of other tests may be on their way too.)"""
        return [line for line in (await self.look()).restless if line.startswith(order.id)]

    async def until(self, order: Order, said: list[str]) -> None:
        """Looks until exactly that is said of it."""
        async with asyncio.timeout(LONG_ENOUGH_S):
            while True:
                if await self.restless(order) == said:
                    return
                await asyncio.sleep(LOOKS_APART_S)

    async def until_said(self, order: Order, words: str) -> None:
        """Looks until these words are said of it, among others."""
        async with asyncio.timeout(LONG_ENOUGH_S):
            while True:
                if any(words in line for line in await self.restless(order)):
                    return
                await asyncio.sleep(LOOKS_APART_S)

    async def until_rest(self, order: Order) -> None:
        await self.until(order, [])


@pytest.fixture
async def watcher(stack: LocalStack) -> AsyncIterator[Watcher]:
    ready = stack.ready
    pool = await connect_pool(ready.database, size=1, application_name="tests")
    engine = await Client.connect(ready.temporal)
    async with ApiClient(base_url=ready.api, key=ready.keys.ops) as api:
        yield Watcher(api, pool, engine)
    await pool.close()


async def test_a_confirmed_order_is_at_rest_once_its_carrier_was_told_to_come(
    watcher: Watcher,
) -> None:
    order = await watcher.place("tok_ok", carrier="sandbox")
    assert order.status == "confirmed"
    await watcher.until_rest(order)
    (ending,) = (await watcher.look()).endings
    assert (ending.id, ending.reference, ending.status, ending.reason) == (
        order.id,
        f"{watcher.run}-1",
        "confirmed",
        None,
    )


@pytest.mark.slow
async def test_an_order_that_waits_for_its_payer_is_not_at_rest_until_its_deadline(
    watcher: Watcher,
) -> None:
    order = await watcher.place("tok_requires_action")
    (line,) = await watcher.restless(order)
    assert "is pending, requires_action" in line
    await watcher.until_rest(order)
    (ending,) = (await watcher.look()).endings
    assert (ending.status, ending.reason) == ("canceled", "payment_expired")


async def test_a_confirmed_order_that_temporal_does_not_know_any_more_is_named(
    watcher: Watcher,
) -> None:
    order = await watcher.place("tok_ok")
    await watcher.until_rest(order)
    await watcher.engine.get_workflow_handle(keys.workflow_id(order.id)).terminate("for a test")
    await watcher.until(order, [f"{order.id} is confirmed, and no workflow runs for it"])


@pytest.mark.slow
async def test_an_order_is_not_at_rest_while_a_message_about_it_waits(
    watcher: Watcher, stack: LocalStack
) -> None:
    order = await watcher.place("tok_ok", carrier="sandbox")
    await watcher.until_rest(order)
    async with Shop(stack) as shop:
        seen = await shop.get(order.id)
        await shop.carrier_says(seen, "picked_up")
        await shop.until(order.id, lambda o: o["status"] == "shipped")
    await stack.stop("worker")  # and with it the sweep
    try:
        await watcher.forget_that_it_heard(order)
        await watcher.until_said(order, "has not heard of a message about it")
    finally:
        await stack.start("worker")
    await watcher.until_rest(order)


async def test_an_order_is_not_at_rest_while_money_of_it_is_to_go_back(
    watcher: Watcher, stack: LocalStack
) -> None:
    order = await watcher.place("tok_refund_unavailable")
    async with Shop(stack) as shop:
        some = {"amount": {"amount": 300, "currency": "USD"}, "reason": "a scratch"}
        await shop.ask({"id": order.id}, "refunds", some)
        await watcher.until_said(order, "money of it is still to go back")
        (await shop.provider.post("/test/refunds/restore", json={})).raise_for_status()
    await watcher.until_rest(order)
