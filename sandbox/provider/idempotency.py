"""Idempotency keys as unkind as Stripe's: saved errors are replayed, keys are forgotten in time.

Kept: the answer of every call whose execution began, declines and 500s too. Not kept: requests
that make no sense, and 429, 503 and lost connections, which never reached execution.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiosql

from sandbox.books import Books
from sandbox.provider.errors import KeyInUseError, KeyReusedError, RequestError
from sandbox.provider.records import Reply

FORGET_AFTER_S = 86_400  # Stripe keeps keys for at least 24 h
LONGEST_KEY = 255  # characters; Stripe's limit


class IdempotencyKeys:
    """Saved answers by key. Which keys are in use now is known to this process only."""

    def __init__(self, *, books: Books, forget_after_s: float) -> None:
        self._connection = books.connection
        self._queries = aiosql.from_path(Path(__file__).with_name("queries.sql"), "sqlite3")
        self._forget_after_s = forget_after_s
        self._in_use: set[str] = set()
        self._queries.forget_replies(
            self._connection, forgotten_before_s=self._forgotten_before_s()
        )

    @contextmanager
    def using(self, key: str) -> Iterator[None]:
        """Hold the key while its request runs. Raises KeyInUseError, RequestError."""
        if len(key) > LONGEST_KEY:
            raise RequestError(f"The idempotency key is longer than {LONGEST_KEY} characters.")
        if key in self._in_use:
            raise KeyInUseError(key)
        self._in_use.add(key)
        try:
            yield
        finally:
            self._in_use.remove(key)

    def saved_reply(self, key: str, *, path: str, fingerprint: str) -> Reply | None:
        """What the key was answered before; None when never, or when it is forgotten.

        Raises KeyReusedError when that was another path or other parameters.
        """
        row = self._queries.get_saved_reply(
            self._connection, key=key, forgotten_before_s=self._forgotten_before_s()
        )
        if row is None:
            return None
        if row["path"] != path or row["fingerprint"] != fingerprint:
            raise KeyReusedError(
                "Keys for idempotent requests can only be used with the same endpoint and "
                f"parameters they were first used with ({key})."
            )
        return Reply(row["status"], row["body"])

    def save(self, key: str, reply: Reply, *, path: str, fingerprint: str) -> None:
        """Keep the answer, in the transaction of what it did."""
        self._queries.save_reply(
            self._connection,
            key=key,
            created_s=time.time(),
            path=path,
            fingerprint=fingerprint,
            status=reply.status,
            body=reply.body,
        )

    def _forgotten_before_s(self) -> float:
        return time.time() - self._forget_after_s
