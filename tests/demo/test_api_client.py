"""The client of our own API: what is asked once happens once, whatever becomes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from adapters.api_client import (
    Address,
    ApiClient,
    ApiProblem,
    ApiUnavailable,
    Customer,
    Money,
    NewOrder,
    OrderLine,
    Payment,
    StockItem,
)
from cli.stack import LocalStack

DROPPED = 0  # in place of a status: the connection closes without a reply
ORDER: dict[str, object] = {
    "id": "ord_1",
    "status": "confirmed",
    "payment_status": "captured",
    "fulfillment_status": "booked",
    "payments": [{"id": "pay_1", "method": "card", "status": "captured", "amount": {}}],
    "failure": None,
    "attention": None,
    "deadline": None,
    "version": 5,
    "allowed": ["cancel"],
}


def order(sku: str = "mug") -> NewOrder:
    price = Money(amount=500, currency="BRL")
    return NewOrder(
        customer=Customer(id="c-1"),
        currency="BRL",
        lines=(OrderLine(sku=sku, quantity=1, unit_price=price),),
        shipping_address=Address(country="BR"),
    )


@dataclass
class Faulty:
    """A server that answers as it is told, one reply a request, the last one for ever."""

    replies: list[tuple[int, dict[str, object]]]
    keys: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.keys.append(headers.get("idempotency-key", ""))
        status, body = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if status != DROPPED:
            content = json.dumps(body).encode()
            start = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n"
            writer.write(start.encode() + b"connection: close\r\n\r\n" + content)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def faulty(*replies: tuple[int, dict[str, object]]) -> AsyncIterator[Faulty]:
    told = Faulty(list(replies))
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield told


@pytest.mark.parametrize(
    "passing",
    [
        (DROPPED, {}),
        (503, {"code": "unavailable"}),
        (429, {"code": "too_many_requests"}),
        (502, {}),
        (409, {"code": "request_in_flight"}),
    ],
)
async def test_what_passes_is_asked_again_with_the_same_key(
    passing: tuple[int, dict[str, object]],
) -> None:
    async with (
        faulty(passing, passing, (201, ORDER)) as server,
        ApiClient(base_url=server.url, key="k") as api,
    ):
        placed = await api.create_order(order(), key="mine", wait_s=1)
    assert (placed.id, placed.status, placed.version) == ("ord_1", "confirmed", 5)
    assert server.keys == ["mine", "mine", "mine"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, "invalid_request"), (409, "cancel_refused"), (401, "unauthorized"), (404, "not_found")],
)
async def test_a_no_is_a_no_and_not_asked_again(status: int, code: str) -> None:
    async with (
        faulty((status, {"code": code, "detail": "because"})) as server,
        ApiClient(base_url=server.url, key="k") as api,
    ):
        with pytest.raises(ApiProblem, match="because") as refused:
            await api.create_order(order(), key="mine", wait_s=1)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert server.keys == ["mine"]


@pytest.mark.parametrize("reply", [(DROPPED, {}), (503, {})])
async def test_an_api_that_stays_away_is_given_up(reply: tuple[int, dict[str, object]]) -> None:
    async with (
        faulty(reply) as server,
        ApiClient(base_url=server.url, key="k", patience_s=0.3) as api,
    ):
        with pytest.raises(ApiUnavailable):
            await api.get_order("ord_1")
        assert not await api.is_ready()
    assert len(server.keys) > 2


async def test_an_answer_that_is_no_order_is_not_believed() -> None:
    async with (
        faulty((200, {"hello": "world"})) as server,
        ApiClient(base_url=server.url, key="k") as api,
    ):
        with pytest.raises(ApiUnavailable, match="answers what it should not"):
            await api.get_order("ord_1")


async def test_the_real_api_takes_everything_that_the_client_sends(demo_stack: LocalStack) -> None:
    ready = demo_stack.ready
    async with ApiClient(base_url=ready.api, key=ready.keys.ops) as api:
        assert await api.is_ready()
        await api.set_stock([StockItem(sku="a b/c", on_hand=3)], key="client-stock")
        stock = await api.get_stock("a b/c")
        assert stock is not None
        assert (stock.on_hand, stock.available, stock.reserved) == (3, 3, 0)
        assert await api.get_stock("nothing of that name") is None

        gift = Money(amount=500, currency="BRL")
        await api.issue_voucher("client-gift", gift, key="client-gift")
        await api.credit_account("c/1", gift, reason="a gift", key="client-credit")
        payments = (Payment(method="voucher", amount=gift, token="client-gift"),)
        bought = order("a b/c").model_copy(update={"payments": payments})
        placed = await api.create_order(bought, key="client-order", wait_s=20)
        assert placed.status == "confirmed"
        again = await api.create_order(bought, key="client-order", wait_s=20)
        assert again.id == placed.id
        canceled = await api.cancel_order(placed.id, reason="no", key="client-cancel", wait_s=20)
        assert (canceled.status, canceled.failure and canceled.failure.code) == (
            "canceled",
            "canceled",
        )
        assert (await api.get_order(placed.id)).version >= canceled.version


@pytest.mark.parametrize(
    ("status", "is_lost"), [(DROPPED, True), (503, False)], ids=["no answer", "an answer"]
)
async def test_an_answer_that_did_not_come_is_told_apart_from_one_that_says_later(
    status: int, is_lost: bool
) -> None:
    async with (
        faulty((status, {"code": "unavailable"})) as server,
        ApiClient(base_url=server.url, key="k", patience_s=0) as api,
    ):
        with pytest.raises(ApiUnavailable) as outage:
            await api.create_order(order(), key="once", wait_s=0)
    assert outage.value.is_lost == is_lost
    assert server.keys == ["once"], "without patience it is sent once"


async def test_what_was_never_sent_has_no_answer_to_lose() -> None:
    async with ApiClient(base_url="http://127.0.0.1:1", key="k", patience_s=0) as api:
        with pytest.raises(ApiUnavailable) as outage:
            await api.create_order(order(), key="once", wait_s=0)
    assert not outage.value.is_lost
