"""Reads and writes the provider's books, and leaves a webhook for every change of state.

Writing methods are called inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import aiosql

from sandbox.books import Books
from sandbox.deliveries import Outlet, new_id
from sandbox.provider.errors import MissingError, UnexpectedStateError
from sandbox.provider.lifecycle import Event, Move, Status, move
from sandbox.provider.records import Intent, NewIntent, Page, Refund
from sandbox.provider.wire import charge_json, dumps, event_json, intent_json

_INTENT_FIELDS = tuple(field.name for field in fields(Intent))


def now_s() -> int:
    """Unix time in seconds, as Stripe counts it."""
    return int(time.time())


class Ledger:
    """Payment intents and refunds."""

    def __init__(self, *, books: Books, outlet: Outlet) -> None:
        self._connection = books.connection
        self._queries = aiosql.from_path(Path(__file__).with_name("queries.sql"), "sqlite3")
        self._outlet = outlet

    def intent(self, intent_id: str, *, param: str = "intent") -> Intent:
        """One intent. Raises MissingError, which names the parameter that gave the id."""
        row = self._queries.get_intent(self._connection, id=intent_id)
        if row is None:
            raise MissingError(kind="payment_intent", object_id=intent_id, param=param)
        return _intent(row)

    def add_intent(self, new: NewIntent) -> Intent:
        """Write a new intent, not confirmed yet."""
        known = new.token is not None
        status = Status.REQUIRES_CONFIRMATION if known else Status.REQUIRES_PAYMENT_METHOD
        intent_id = new_id("pi")
        self._queries.insert_intent(
            self._connection,
            id=intent_id,
            created_s=now_s(),
            amount=new.amount,
            currency=new.currency,
            method=new.method,
            capture_method=new.capture_method,
            payment_method=new.token,
            last_token=new.token,
            status=status.value,
            description=new.description,
            metadata=new.metadata,
            slip_days=new.slip_days,
        )
        return self.intent(intent_id)

    def step(self, intent: Intent, event: Event) -> Move:
        """Where the event would lead. Raises UnexpectedStateError, carrying the intent as it is."""
        try:
            return move(intent.status, event)
        except UnexpectedStateError as error:
            error.intent = intent_json(intent)
            raise

    def apply(self, intent: Intent, event: Event, after: Intent) -> Intent:
        """Make a move of the table: write `after` with its new status and leave its webhook.

        Raises UnexpectedStateError, carrying the intent as it is, and then nothing was written.
        """
        step = self.step(intent, event)
        moved = replace(after, status=step.to)
        values = {name: getattr(moved, name) for name in _INTENT_FIELDS}
        self._queries.update_intent(self._connection, **values)
        if step.webhook is not None:
            self.tell(step.webhook, intent_json(moved))
        return moved

    def tell(self, kind: str, about: dict[str, object]) -> None:
        """Leave a webhook."""
        event_id = new_id("evt")
        body = event_json(event_id=event_id, kind=kind, created_s=now_s(), about=about)
        self._outlet.leave(message_id=event_id, body=dumps(body))

    def intents(self, page: Page) -> list[Intent]:
        """A page of intents, newest first."""
        rows: Iterable[sqlite3.Row] = self._queries.list_intents(
            self._connection,
            before=page.before,
            most=page.most,
            created_from_s=page.created_from_s,
            created_to_s=page.created_to_s,
        )
        return [_intent(row) for row in rows]

    def waiting(self) -> list[Intent]:
        """Intents whose payer has something to do, oldest first."""
        return [_intent(row) for row in self._queries.waiting_intents(self._connection)]

    def ids_with_token(self, token: str) -> list[str]:
        """Intents last given this token."""
        rows = self._queries.intents_with_token(self._connection, token=token)
        return [row["id"] for row in rows]

    def refund(self, refund_id: str) -> Refund:
        """One refund. Raises MissingError."""
        row = self._queries.get_refund(self._connection, id=refund_id)
        if row is None:
            raise MissingError(kind="refund", object_id=refund_id, param="id")
        return Refund(**dict(row))

    def add_refund(
        self, intent: Intent, *, amount: int, reason: str | None, metadata: str
    ) -> Refund:
        """Write a refund, add it to its intent and leave the webhook.

        Raises UnexpectedStateError.
        """
        refund_id = new_id("re")
        self._queries.insert_refund(
            self._connection,
            id=refund_id,
            created_s=now_s(),
            payment_intent=intent.id,
            charge_id=intent.charge_id,
            amount=amount,
            currency=intent.currency,
            reason=reason,
            metadata=metadata,
        )
        more = replace(intent, amount_refunded=intent.amount_refunded + amount)
        refunded = self.apply(intent, Event.REFUNDED, more)
        self.tell("charge.refunded", charge_json(refunded))
        return self.refund(refund_id)

    def refunds(self, page: Page, *, intent_id: str | None) -> list[Refund]:
        """A page of refunds, newest first, of one intent or of all."""
        if intent_id is None:
            rows = self._queries.list_refunds(self._connection, before=page.before, most=page.most)
        else:
            rows = self._queries.list_refunds_of_intent(
                self._connection, payment_intent=intent_id, before=page.before, most=page.most
            )
        return [Refund(**dict(row)) for row in rows]


def _intent(row: sqlite3.Row) -> Intent:
    values = dict(row)
    values["status"] = Status(values["status"])
    values["disputed"] = bool(values["disputed"])
    return Intent(**values)
