"""Durable books of one sandbox program: an SQLite file with a single writer, the event loop.

Every call is made straight from the event loop and takes well under a millisecond. Between BEGIN
and COMMIT nothing is awaited, so transactions never interleave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA_VERSION = 1  # books of another version are refused, never guessed at
STATEMENT_CACHE = 128  # statements; every named statement of a program fits
BUSY_TIMEOUT_S = 5.0  # an auditor may hold the file open while we write
CHECKPOINT_PAGES = 4000  # 4 KiB pages, 16 MB: rarer checkpoints, since each one waits for the disk

_SHARED_SCHEMA = Path(__file__).with_name("shared_schema.sql")


class BooksVersionError(Exception):
    """The file was written by another version of the sandbox."""


class Books:
    """The connection to one program's books.

    WAL with synchronous=NORMAL: what was committed survives SIGKILL of the process at any moment.
    A power cut may lose the last transactions, which is fine for a sandbox.
    """

    def __init__(self, *, path: Path, schema: Path) -> None:
        self.connection = sqlite3.connect(
            path,
            isolation_level=None,  # we say BEGIN and COMMIT ourselves
            cached_statements=STATEMENT_CACHE,
            timeout=BUSY_TIMEOUT_S,
        )
        self.connection.row_factory = sqlite3.Row
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "foreign_keys = ON",
        ):
            self.connection.execute(f"PRAGMA {pragma}")
        self._check_version(path)
        for script in (_SHARED_SCHEMA, schema):
            self.connection.executescript(script.read_text(encoding="utf-8"))

    def _check_version(self, path: Path) -> None:
        (found,) = self.connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, SCHEMA_VERSION):
            raise BooksVersionError(f"{path.name} has version {found}, wanted {SCHEMA_VERSION}")
        self.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing; on disk when it ends."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Inside a transaction: an exception takes back the block only."""
        self.connection.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO step")
            self.connection.execute("RELEASE step")
            raise
        self.connection.execute("RELEASE step")

    def close(self) -> None:
        """Close the file; the log is folded into it."""
        self.connection.close()
