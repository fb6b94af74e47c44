"""The request headers that steer an answer: `Idempotency-Key` and `Prefer` (RFC 7240)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header

from api.problems import Problem
from api.texts import check_text

DEFAULT_WAIT_S: Final = 5  # nine orders of ten are decided within one second
MAX_WAIT_S: Final = 30  # proxies close silent connections after a minute

# Dependencies are coroutines: FastAPI would send plain functions to a thread, 0.2 ms a request.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r"wait=\"?(\d{1,6})\"?")


@dataclass(frozen=True)
class Preference:
    """How long the caller waits for a decision, and whether 202 will do."""

    wait_s: int
    respond_async: bool

    @property
    def applied(self) -> str:
        """For the answer's `Preference-Applied`."""
        return "respond-async" if self.respond_async else f"wait={self.wait_s}"


async def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1 to 255 visible ASCII characters, new for each new intent. "
            "Send the same key again to be sure that it happens once.",
        ),
    ] = None,
) -> str:
    if idempotency_key is None:
        raise Problem("idempotency_key_missing", "send an Idempotency-Key, new for each intent")
    if _KEY.fullmatch(idempotency_key) is None:
        raise Problem("idempotency_key_invalid", "it has 1 to 255 visible ASCII characters")
    check_text(idempotency_key, "/header/Idempotency-Key")
    return idempotency_key


async def _preference(
    prefer: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="`wait=N`: answer once it is decided, or after N seconds (default 5, "
            "most 30). `respond-async`: answer 202 at once; with `wait`, after that long.",
        ),
    ] = None,
) -> Preference:
    """What cannot be understood is ignored, as RFC 7240 says."""
    words = [word.strip().lower() for word in (prefer or "").split(",")]
    respond_async = "respond-async" in words
    waits = [int(m[1]) for m in map(_WAIT.fullmatch, words) if m]
    wait_s = min(waits[0], MAX_WAIT_S) if waits else (0 if respond_async else DEFAULT_WAIT_S)
    return Preference(wait_s=wait_s, respond_async=respond_async)


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]
Preferred = Annotated[Preference, Depends(_preference)]
