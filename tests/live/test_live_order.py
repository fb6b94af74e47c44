"""A real order, on everything that `ordersaga up` starts, followed from its placing to its completion."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

from cli.stack.stack import LocalStack
from ordersaga.client import (
    Address,
    ApiClient,
    ConfirmReceipt,
    Customer,
    LiveEvent,
    Money,
    NewOrder,
    OrderLine,
    Payment,
    Ship,
    StockItem,
)


async def test_an_order_is_followed_to_its_end(stack: LocalStack) -> None:
    sku = f"mug-{uuid.uuid4().hex[:8]}"
    price = Money(amount=1250, currency="EUR")
    wanted = NewOrder(
        customer=Customer(id="c-1"),
        currency="EUR",
        lines=(OrderLine(sku=sku, quantity=1, unit_price=price),),
        shipping_address=Address(country="PT"),
        payments=(Payment(method="card", token="tok_ok", amount=price),),
    )
    async with ApiClient(base_url=stack.ready.api, key=stack.ready.keys.ops) as api:
        await api.set_stock([StockItem(sku=sku, on_hand=1)])
        order = await api.create_order(wanted)
        one, all_of_them = api.stream_order(order.id), api.stream_events()
        async with aclosing(one), aclosing(all_of_them), asyncio.timeout(60):
            seen = [await anext(one)]  # it is connected
            news = asyncio.create_task(_until_completed(all_of_them, order.id))
            await asyncio.sleep(1)
            await api.move_order(order.id, Ship(tracking_number=f"T-{sku}"))
            await api.move_order(order.id, ConfirmReceipt())
            async for event in one:
                seen.append(event)
                if event.to == "completed":
                    break
            heard = await news
        history = await api.get_events(order.id)
    assert [event.sequence for event in seen] == [event.sequence for event in history]
    assert [event.type for event in seen] == [event.type for event in history]
    # What was written last may get its position a moment later, when the stream is already open.
    first = heard[0].sequence
    assert first <= order.version + 1
    assert [event.sequence for event in heard] == list(range(first, len(history) + 1))


async def _until_completed(events: AsyncIterator[LiveEvent], order_id: str) -> list[LiveEvent]:
    heard: list[LiveEvent] = []
    async for event in events:
        if event.order_id == order_id:
            heard.append(event)
            if event.to == "completed":
                break
    return heard
