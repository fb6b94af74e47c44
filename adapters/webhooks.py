"""Webhooks out: a message signed by Standard Webhooks, sent once, and what came back of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import orjson

from adapters.egress import Egress, ForbiddenAddress
from ordersaga.config import SECRET_PREFIX, standard_key
from ordersaga.errors import Unavailable
from ordersaga.events import CONTENT_TYPE, SOURCE, TYPE_PREFIX

SECRET_BYTES: Final = 32  # the scheme allows 24 to 64
SEND_TIMEOUT_S: Final = 15.0  # for all of it, also where an answer trickles
EXCERPT_BYTES: Final = 1_000  # of an answer's body
USER_AGENT: Final = "ordersaga-webhooks/1"
GONE: Final = 410  # the receiver's own word for: never again


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`error`: why it was not taken; None: it was. `http_status`: None, no answer came."""

    http_status: int | None = None
    error: str | None = None
    excerpt: str = ""
    retry_after_s: float = 0.0  # as the receiver asked; 0: it did not

    @property
    def is_taken(self) -> bool:
        return self.error is None


def new_secret() -> str:
    """`whsec_<base64>`"""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(
    message_id: str, *, timestamp_s: int, body: bytes, signed_with: Sequence[str]
) -> dict[str, str]:
    """The scheme's three headers, with a signature by each of the secrets."""
    told = f"{message_id}.{timestamp_s}.".encode() + body
    digests = [hmac.digest(standard_key(secret), told, hashlib.sha256) for secret in signed_with]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(d).decode()}" for d in digests),
    }


def test_body(event_id: str, *, tenant: str) -> bytes:
    """An event of no order: for those who want to see one."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE + tenant,
        "type": TYPE_PREFIX + "test",
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
        "data": {},
    }
    return orjson.dumps(event)


async def send(
    egress: Egress, url: str, *, message_id: str, body: bytes, signed_with: Sequence[str]
) -> Outcome:
    """One try, signed as of now. Whatever goes wrong on the way is the outcome."""
    headers = {
        "content-type": CONTENT_TYPE,
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",  # a compressed answer is no use to its reader
        **sign(message_id, timestamp_s=int(time.time()), body=body, signed_with=signed_with),
    }
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            answer = await egress.post(url, content=body, headers=headers)
    except TimeoutError:
        return Outcome(error=f"no answer within {SEND_TIMEOUT_S:g} s")
    except ForbiddenAddress as error:
        return Outcome(error=f"its address is not allowed: {error}")
    except Unavailable as error:
        return Outcome(error=str(error))
    return Outcome(
        http_status=answer.status,
        error=_refusal(answer.status),
        excerpt=_readable(answer.excerpt[:EXCERPT_BYTES]),
        retry_after_s=_retry_after_s(answer.headers),
    )


def _refusal(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"it answered {status}: redirects are not followed"
    if status == GONE:
        return f"it answered {status}: it is gone"
    return f"it answered {status}"


def _readable(body: bytes) -> str:
    text = body.decode("utf-8", errors="replace")
    return "".join(one if one.isprintable() or one in "\n\t" else " " for one in text)


def _retry_after_s(headers: Mapping[str, str] | httpx.Headers) -> float:
    """`Retry-After` in seconds or as a date; what cannot be read was not said."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal() and said.isascii():
        return float(said[:9])
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
