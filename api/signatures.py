"""Standard Webhooks (https://www.standardwebhooks.com): who sent a message, and when.

`webhook-signature: v1,<base64>` is the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{raw body}`.
A sender that changes his secret signs with both for a while, and we know both for a while.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ordersaga.config import standard_key
from ordersaga.errors import BadSignature

CLOCK_TOLERANCE: Final = timedelta(
    minutes=5
)  # the standard's; also how long a copy could be replayed
SCHEME: Final = "v1"  # of the standard's schemes, the one with a shared secret

_ID = re.compile(r"[\x21-\x7e]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,11}")  # Unix seconds


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The standard's three headers, as they came. None: missing."""

    id: str | None
    timestamp: str | None
    signature: str | None


def verify(signed: Signed, raw: bytes, *, secrets: Collection[str], now: datetime) -> str:
    """The message's id, once its sender and its time are proven; else raises `BadSignature`."""
    if signed.id is None or signed.timestamp is None or signed.signature is None:
        raise BadSignature("webhook-id, webhook-timestamp and webhook-signature are needed")
    if _ID.fullmatch(signed.id) is None or _TIMESTAMP.fullmatch(signed.timestamp) is None:
        raise BadSignature("webhook-id or webhook-timestamp cannot be read")
    if abs(now.timestamp() - int(signed.timestamp)) > CLOCK_TOLERANCE.total_seconds():
        raise BadSignature("webhook-timestamp is more than 5 minutes off")
    content = f"{signed.id}.{signed.timestamp}.".encode() + raw
    expected = [_sign(content, standard_key(secret)) for secret in secrets]
    given = [
        signature.encode("ascii", "replace")
        for scheme, _, signature in (one.partition(",") for one in signed.signature.split())
        if scheme == SCHEME
    ]
    # All are compared, each in constant time: how long it takes says nothing about any of them.
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise BadSignature("webhook-signature does not fit")
    return signed.id


def _sign(content: bytes, key: bytes) -> bytes:
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())
