"""A mail server that takes, refuses and goes away as it is told, and all that sends to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import asyncpg
import pytest
from aiosmtpd.smtp import SMTP, Envelope
from pydantic import JsonValue

from adapters.mail.server import MailServer
from adapters.mail.writing import Writer
from adapters.postgres import outbox
from adapters.postgres.pool import Pool, reading
from cli.stack.stack import LocalStack
from ordersaga.links import TrackLinks
from ordersaga.order import NewOrder, NewPayment
from tests.postgres.merchant import Merchant
from tests.relay.conftest import merchant, pool, relaying, stack, until
from worker import notices
from worker.notices import MailSink, NoticeSender

__all__ = ["merchant", "pool", "stack"]  # the same fixtures as the relay's tests

SHOP = "orders@shop.example"
SELLER = "seller@shop.example"
BUYER = "ana@example.org"
ANA: dict[str, JsonValue] = {"name": "Ana", "email": BUYER, "locale": "en", "notify": "all"}
KEPT_S = 3600.0
PUBLIC_URL = "https://orders.shop.example"
LINKS = TrackLinks(["of these tests alone"], public_url=PUBLIC_URL)


@dataclass
class Mailbox:
    """`says`: its answer to a recipient, or None: it is taken. `takes_s`: between a mail and its receipt."""

    received: list[EmailMessage] = field(default_factory=list)
    says: Callable[[str], str | None] = lambda _: None
    takes_s: float = 0.0
    asked: list[str] = field(default_factory=list)  # whom it was to take mail for
    _server: asyncio.Server | None = None
    port: int = 0

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(self, hostname="mail.test", enable_SMTPUTF8=False), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def handle_RCPT(
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.asked.append(address)
        answer = self.says(address)
        if answer is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert [mail["To"].addresses[0].addr_spec] == envelope.rcpt_tos
        self.received.append(mail)
        await asyncio.sleep(self.takes_s)
        return "250 taken"

    def of(self, order: NewOrder, to: str = BUYER) -> list[EmailMessage]:
        """Mails about this order to somebody, as they came."""
        return [m for m in self.received if order.id in m["Subject"] and m["To"] == to]

    def names_of(self, order: NewOrder, to: str = BUYER) -> list[str]:
        """Which notices these are: the second part of a Message-ID."""
        return [m["Message-ID"].split(".")[1] for m in self.of(order, to)]


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    await box.open()
    yield box
    await box.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(notices, "AWAY_S", 0.1)
    monkeypatch.setattr(notices, "RETRIES_S", (0.1, 0.1))


def sender_to(mailbox: Mailbox, pool: Pool, *, kept_s: float = KEPT_S) -> NoticeSender:
    return NoticeSender(
        pool,
        MailServer.at(f"smtp://127.0.0.1:{mailbox.port}?starttls=no"),
        Writer(f"Die Töpferei <{SHOP}>"),
        sellers={"*": SELLER},
        seller_locale="en",
        kept_s=kept_s,
        links=LINKS,
    )


@asynccontextmanager
async def sending(sender: NoticeSender) -> AsyncIterator[None]:
    """At work until the end of the block."""
    working = asyncio.create_task(sender.run_forever())
    try:
        yield
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@asynccontextmanager
async def written_down(stack: LocalStack, pool: Pool) -> AsyncIterator[None]:
    """A relay writes down what is to be mailed, until the end of the block."""
    async with relaying(stack, pool, fan_outs=(MailSink(),)):

        async def knows_the_sink() -> bool:
            return "mail" in await _waiting(pool)

        await until(knows_the_sink)
        yield


async def _waiting(pool: Pool) -> dict[str, int]:
    """How many events each sink has still to hear; of "", how many have no position yet."""
    async with reading(pool) as connection:
        return {b.sink: b.waiting for b in await outbox.read_backlog(connection)}


async def place(
    merchant: Merchant, *payments: NewPayment, customer: dict[str, JsonValue] = ANA, **asked: Any
) -> NewOrder:
    """An accepted order of this customer."""
    order = replace(merchant.new_order(*payments, **asked), customer=customer)
    await merchant.accept(order)
    return order


async def buy(
    merchant: Merchant, *payments: NewPayment, customer: dict[str, JsonValue] = ANA
) -> NewOrder:
    """A confirmed one, which the merchant ships."""
    await merchant.put_stock(mug=10)
    order = await place(merchant, *payments, customer=customer)
    await merchant.buy(order)
    return order


@asynccontextmanager
async def owning(stack: LocalStack) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """May rewrite what the service may not."""
    connection = await asyncpg.connect(stack.ready.database_owner)
    yield connection
    await connection.close()


async def rows_of(pool: Pool, order: NewOrder) -> dict[tuple[str, str], tuple[str, str | None]]:
    """(notice, audience) → (status, reason)"""
    async with reading(pool) as connection:
        rows = await connection.fetch("select * from notices where order_id = $1", order.id)
    return {(r["notice"], r["audience"]): (r["status"], r["reason"]) for r in rows}


async def all_done(pool: Pool, order: NewOrder) -> bool:
    """Whatever happened to it is written down, and sent."""
    waiting = await _waiting(pool)
    if waiting[""] or waiting["mail"]:
        return False
    rows = await rows_of(pool, order)
    return bool(rows) and all(status != "due" for status, _ in rows.values())
