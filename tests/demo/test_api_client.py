"""The client of our own API: what is asked once happens once, whatever becomes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from cli.stack import LocalStack
from ordersaga.client import (
    Accept,
    Address,
    ApiClient,
    ApiProblem,
    ApiUnavailable,
    AskForReturn,
    ConfirmReceipt,
    Customer,
    Decline,
    HoldOrder,
    Money,
    NewOrder,
    OrderLine,
    Pay,
    Payment,
    Refund,
    Release,
    ReturnLine,
    Review,
    Ship,
    StockItem,
)

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
    "links": {"events": "/", "tracking": "/", "track": None, "workflow": None},
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


async def test_the_real_api_takes_every_move_that_the_client_sends(demo_stack: LocalStack) -> None:
    ready = demo_stack.ready
    gift = Money(amount=500, currency="BRL")
    some = Money(amount=100, currency="BRL")
    async with ApiClient(base_url=ready.api, key=ready.keys.ops) as api:
        await api.set_stock([StockItem(sku="moves", on_hand=3)], key="moves-stock")
        await api.issue_voucher("moves-gift", gift, key="moves-gift")
        payments = (Payment(method="voucher", amount=gift, token="moves-gift"),)
        bought = order("moves").model_copy(update={"payments": payments})
        placed = await api.create_order(bought, key="moves-order", wait_s=20)
        for move, status in (
            (Ship(tracking_number=f"M-{placed.id}"), "shipped"),
            (ConfirmReceipt(), "completed"),
            (Review(rating=5, comment="nice"), "completed"),
            (Refund(amount=some, reason="late"), "completed"),
            (AskForReturn(reason="no", lines=(ReturnLine(sku="moves", quantity=1),)), "completed"),
        ):
            moved = await api.move_order(placed.id, move, key=f"moves-{move.path}")
            assert moved.status == status
        (asked,) = moved.returns
        assert asked.allowed == ("approve", "decline")
        moved = await api.move_return(placed.id, asked.id, "approve", key="moves-approve")
        assert moved.returns[0].status == "approved"

        late = await api.create_order(order("moves"), key="moves-held", wait_s=0)
        held = await api.move_order(late.id, HoldOrder(reason="odd"), key="moves-hold")
        assert held.hold is not None
        assert held.hold.kind == "operator"
        for word in (Accept(), Decline()):
            with pytest.raises(ApiProblem, match="illegal_move"):
                await api.move_order(late.id, word, key=f"moves-{word.path}")
        assert (await api.move_order(late.id, Release(), key="moves-release")).hold is None


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


async def test_what_was_placed_is_listed_exported_and_its_history_read(
    demo_stack: LocalStack,
) -> None:
    ready = demo_stack.ready
    async with ApiClient(base_url=ready.api, key=ready.keys.ops) as api:
        await api.set_stock([StockItem(sku="listed", on_hand=3)])
        customer = Customer(id="c-listed")
        wanted = order("listed").model_copy(update={"customer": customer})
        placed = [await api.create_order(wanted, wait_s=1) for _ in range(3)]
        ids = [each.id for each in placed]
        assert len(set(ids)) == 3, "without a key of the caller's, each is another order"
        assert [o.id async for o in api.list_orders(customer_id="c-listed", limit=2)] == ids[::-1]
        assert {o.id async for o in api.export_orders(customer_id="c-listed")} == set(ids)
        events = await api.get_events(ids[0])
        assert [e.sequence for e in events] == [*range(1, len(events) + 1)]

        price = Money(amount=500, currency="BRL")
        await api.credit_account("c-listed", price, reason="a gift")
        account = await api.get_account("c-listed")
        assert (account.balances, account.entries[0].reason) == ((price,), "a gift")
        pay = Pay(payments=(Payment(method="balance", amount=price),))
        paid = await api.move_order(ids[0], pay, wait_s=20)
        assert paid.status == "confirmed"
        with pytest.raises(ApiProblem) as stale:
            await api.move_order(ids[0], Ship(tracking_number="L-1"), if_version=1)
        assert stale.value.status == 412
        with pytest.raises(ApiProblem) as refused:
            await api.move_order(ids[0], pay)
        assert refused.value.code == "illegal_move"
        assert "cancel" in refused.value.allowed
        with pytest.raises(ApiProblem, match="invalid_request"):
            async for _ in api.export_orders(status="nonsense"):
                pass
