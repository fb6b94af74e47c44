"""A listener's books: what came, on disk before anybody is told that it is here."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import aiosql

from sandbox.books import Books

HERE = Path(__file__).parent
TYPE_PREFIX = "ordersaga."  # of a CloudEvent's type; within its data it is left out


class NotAnEventError(ValueError):
    """What came is no CloudEvent of an order, or says two things about itself."""


class Diary:
    """Raises OSError, sqlite3.Error and BooksVersionError where the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._books = Books(path=path, schema=HERE / "schema.sql")
        self._connection = self._books.connection
        self._queries = aiosql.from_path(HERE / "queries.sql", "sqlite3")

    @property
    def mark(self) -> str | None:
        """Where to go on; None: it has never begun."""
        row: sqlite3.Row | None = self._queries.get_mark(self._connection)
        return None if row is None else row["mark"]

    def begin(self, mark: str) -> None:
        """From here on, nothing may be missed."""
        self._queries.set_mark(self._connection, mark=mark)

    def keep_event(self, raw: bytes | str, *, mark: str | None = None) -> None:
        """In one transaction with where to go on. Raises `NotAnEventError`."""
        event_id, order_id, sequence, kind = _read(raw)
        with self._books.transaction():
            self._queries.add_event(
                self._connection, id=event_id, order_id=order_id, sequence=sequence, type=kind
            )
            if mark is not None:
                self.begin(mark)

    def keep_mail(self, *, message_id: str, recipient: str) -> None:
        self._queries.add_mail(self._connection, message_id=message_id, recipient=recipient)

    def close(self) -> None:
        self._books.close()


def _read(raw: bytes | str) -> tuple[str, str, int, str]:
    """(id, order, sequence, type)"""
    try:
        event = json.loads(raw)
        data = event["data"]
        told = (str(event["id"]), str(data["order_id"]), int(data["sequence"]), str(data["type"]))
        said = (f"{event['subject']}:{int(event['sequence'])}", str(event["type"]))
    except (ValueError, KeyError, TypeError) as error:
        raise NotAnEventError(repr(error)) from None
    if said != (told[0], TYPE_PREFIX + told[3]) or told[0] != f"{told[1]}:{told[2]}":
        raise NotAnEventError(f"{told} and {said} are not the same")
    return told
