"""A durable queue of webhooks: written with what they tell about, sent until they are taken.

Every message is retried with a growing pause and never given up, so an outage of the receiver
loses nothing. Order between messages is not promised, as with the real ones.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import aiosql

from sandbox.books import Books

if TYPE_CHECKING:
    import httpx

SEND_TIMEOUT_S = 5.0  # a receiver that takes longer is treated as one that did not answer
FIRST_PAUSE_MS = 250  # after the first failure; doubled after each further one
LONGEST_PAUSE_MS = 30_000  # so that a receiver that is back hears from us within half a minute
BATCH = 16  # messages in the air at once; a burst does not drown the receiver
LONGEST_ERROR = 200  # characters of an error kept in the books
SECRET_PREFIX = "whsec_"  # noqa: S105  the scheme's mark, not a secret

Signer = Callable[[str, int, str], Mapping[str, str]]
"""(message id, Unix seconds, body) → the headers that prove where the message comes from."""


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def stripe_signer(secret: str) -> Signer:
    """Stripe's scheme: HMAC-SHA256 of "t.body" with the secret's text as key, in hex."""

    def sign(_message_id: str, timestamp_s: int, body: str) -> Mapping[str, str]:
        digest = hmac.new(secret.encode(), f"{timestamp_s}.{body}".encode(), hashlib.sha256)
        return {"Stripe-Signature": f"t={timestamp_s},v1={digest.hexdigest()}"}

    return sign


def standard_signer(secret: str) -> Signer:
    """Standard Webhooks: HMAC-SHA256 of "id.timestamp.body", the secret being whsec_<base64>.

    Raises ValueError when the secret is not of that form.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    if not key or not secret.startswith(SECRET_PREFIX):
        raise ValueError("a webhook secret has the form whsec_<base64>")

    def sign(message_id: str, timestamp_s: int, body: str) -> Mapping[str, str]:
        signed = f"{message_id}.{timestamp_s}.{body}".encode()
        digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": f"v1,{digest}",
        }

    return sign


def new_id(prefix: str) -> str:
    """A fresh identifier: the prefix and 24 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Outlet(Protocol):
    """Where a program leaves its messages."""

    def leave(self, *, message_id: str, body: str) -> None:
        """Take a message; called inside the transaction of what it tells about."""

    def count(self) -> tuple[int, int]:
        """How many messages (wait, were taken)."""

    def sending(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Sends in the background while the block runs."""


class NoReceiver:
    """Nobody listens: messages are not even kept."""

    def leave(self, *, message_id: str, body: str) -> None:
        """Forget the message."""

    def count(self) -> tuple[int, int]:
        """Nothing waits, nothing was sent."""
        return 0, 0

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send nothing."""
        yield


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    body: str
    attempts: int


class Deliveries:
    """The durable queue and its one sender."""

    def __init__(self, *, books: Books, url: str, signer: Signer) -> None:
        self._connection = books.connection
        path = Path(__file__).with_name("shared_queries.sql")
        self._queries = aiosql.from_path(path, "sqlite3")
        self._url = url
        self._signer = signer
        self._wake = asyncio.Event()

    def leave(self, *, message_id: str, body: str) -> None:
        """Queue a message in the caller's transaction; sent as soon as that has committed."""
        self._queries.enqueue_delivery(self._connection, id=message_id, body=body, now_ms=now_ms())
        self._wake.set()

    def count(self) -> tuple[int, int]:
        """How many messages (wait, were taken)."""
        row: sqlite3.Row = self._queries.count_deliveries(self._connection)
        return row["waiting"], row["delivered"]

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Run the sender while the block runs; what is in the air at the end is sent again."""
        import httpx  # only a program that sends webhooks pays for the import

        async with httpx.AsyncClient(timeout=SEND_TIMEOUT_S, trust_env=False) as client:
            sender = asyncio.create_task(self._send_forever(client))
            try:
                yield
            finally:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sender

    async def _send_forever(self, client: httpx.AsyncClient) -> None:
        while True:
            self._wake.clear()
            rows = self._queries.due_deliveries(self._connection, now_ms=now_ms(), most=BATCH)
            messages = [_Message(row["id"], row["body"], row["attempts"]) for row in rows]
            if messages:
                await asyncio.gather(*(self._send(client, message) for message in messages))
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        due_ms: int | None = self._queries.next_delivery_ms(self._connection)["due_ms"]
        wait_s = None if due_ms is None else max(0, due_ms - now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _send(self, client: httpx.AsyncClient, message: _Message) -> None:
        error = await self._attempt(client, message)
        if error is None:
            self._queries.mark_delivered(self._connection, id=message.id, now_ms=now_ms())
            return
        pause_ms = min(FIRST_PAUSE_MS << min(message.attempts, 20), LONGEST_PAUSE_MS)
        self._queries.postpone_delivery(
            self._connection,
            id=message.id,
            next_attempt_ms=now_ms() + pause_ms,
            error=error[:LONGEST_ERROR],
        )

    async def _attempt(self, client: httpx.AsyncClient, message: _Message) -> str | None:
        """Send once; None when it was taken, else why not."""
        import httpx

        signature = self._signer(message.id, int(time.time()), message.body)
        headers = {"content-type": "application/json", **signature}
        try:
            reply = await client.post(self._url, content=message.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return repr(error)
        return None if reply.is_success else f"HTTP {reply.status_code}"
