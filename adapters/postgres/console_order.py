"""All that our tables have of one order, for who has to understand what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from pydantic import JsonValue

from adapters.postgres.pool import Connection, load_queries
from adapters.postgres.sessions import Act, list_acts
from ordersaga.ports import Op

_sql = load_queries("console_order")

MOST_ROWS: Final = 500  # of messages, deliveries and mails; an order has some dozens

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class DecisionRow:
    """The pivot."""

    decision: Literal["confirm", "undo"]
    failure: Mapping[str, JsonValue] | None
    decided_at: datetime


@dataclass(frozen=True, kw_only=True)
class FenceRow:
    """One side of one step. `vote`: None, it was begun and is not known to be done."""

    step: str
    op: Op
    written_by: Op
    vote: Mapping[str, JsonValue] | None
    written_at: datetime


@dataclass(frozen=True, kw_only=True)
class Reservation:
    sku: str
    quantity: int
    state: str
    restocked: int


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One side of one transfer, in minor units."""

    transfer: str
    kind: str
    owner: str
    amount: int
    reason: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PaymentReference:
    id: str
    provider_ref: str | None
    failure_code: str | None


@dataclass(frozen=True, kw_only=True)
class Message:
    """What somebody told us of it. `delivered_at`: None, its workflow has not heard it."""

    source: str
    message_id: str
    type: str
    subject: str
    received_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AskedOf:
    """What somebody asked of it."""

    kind: str
    requested_by: str
    requested_at: datetime
    delivered_at: datetime | None
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SinkProgress:
    """How many of the order's events that are `kept` a sink was told."""

    sink: str
    kept: int
    told: int
    parked_at_sequence: int | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    endpoint_id: str
    url: str
    sequence: int
    type: str
    status: str
    tries: int
    http_status: int | None
    error: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Notice:
    notice: str
    audience: str
    status: str
    reason: str | None
    tries: int
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class OrderBooks:
    """Everything but the order itself and its history."""

    decision: DecisionRow | None
    fence: tuple[FenceRow, ...]
    reservations: tuple[Reservation, ...]
    entries: tuple[LedgerEntry, ...]
    references: tuple[PaymentReference, ...]
    messages: tuple[Message, ...]
    asked: tuple[AskedOf, ...]
    sinks: tuple[SinkProgress, ...]
    deliveries: tuple[Delivery, ...]
    notices: tuple[Notice, ...]
    acts: tuple[Act, ...]


async def read_books(connection: Connection, *, tenant: str, order_id: str) -> OrderBooks:
    """Of an order that is this tenant's."""

    async def rows(kind: type[Row], statement: Any, **bound: object) -> tuple[Row, ...]:
        found = statement(connection, order_id=order_id, **bound)
        return tuple([kind(**row) async for row in found])

    decision = await _sql.read_decision(connection, order_id=order_id)
    return OrderBooks(
        decision=None if decision is None else DecisionRow(**decision),
        fence=await rows(FenceRow, _sql.read_fence),
        reservations=await rows(Reservation, _sql.read_reservations),
        entries=await rows(LedgerEntry, _sql.read_entries),
        references=await rows(PaymentReference, _sql.read_references),
        messages=await rows(Message, _sql.read_messages, limit=MOST_ROWS),
        asked=await rows(AskedOf, _sql.read_requests),
        sinks=await rows(SinkProgress, _sql.read_sinks),
        deliveries=await rows(Delivery, _sql.read_deliveries, tenant=tenant, limit=MOST_ROWS),
        notices=await rows(Notice, _sql.read_notices, limit=MOST_ROWS),
        acts=await list_acts(connection, tenant=tenant, order_id=order_id),
    )
