"""The one way an order's row, payments, history and outbox are written: at once, under its lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import asyncpg
from pydantic import JsonValue

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import DatabaseUnavailable
from ordersaga.history import Fact, Happening, OrderState, PaymentState, ReturnState, advance
from ordersaga.order import Hold, RequestKind

_sql = load_queries("history")

CHANGES_CHANNEL = "order_changed"  # NOTIFY: '{order_id} {version} {status} {payment_status}'


class OrderMissing(LookupError):
    """No order of that id: a caller's bug, since ids come from our own tables."""


Cause = Literal["reversal", "return", "request", "late"]


@dataclass(frozen=True, kw_only=True)
class Refund:
    """A row of `refunds`: what goes back of one payment, for one reason. Minor units."""

    id: str
    payment_id: str
    amount: int
    cause: Cause
    return_id: str | None
    request_id: str | None
    is_done: bool


@dataclass(frozen=True)
class LockedOrder:
    """An order under its row lock, as a step of our site needs it."""

    id: str
    tenant: str
    customer_id: str
    currency: str
    total: int
    state: OrderState
    stored: OrderState  # as its rows have it: without what is only noted
    payments: tuple[Mapping[str, JsonValue], ...]  # rows of `payments`
    demand: tuple[tuple[str, int], ...]  # (sku, quantity), each SKU once, sorted
    shipment: Mapping[str, JsonValue]
    is_reserved: bool  # every SKU of it, and nothing else
    refunds: tuple[Refund, ...]  # done or not, as they were allocated
    asked: frozenset[RequestKind]  # and not answered yet; a merchant's `decline` stands
    noted: tuple[Happening, ...] = ()  # what `record` has still to write

    @property
    def cancel_requested(self) -> bool:
        return "cancel" in self.asked


def hold_placed(hold: Hold, *, since: datetime, request: str | None = None) -> Happening:
    """That an order is held from now on. The words of who asked for it stay with his `request`."""
    why = {"reason": hold.reason} if request is None else {"request": request}
    return Happening.of(
        "hold.placed",
        kind=hold.kind,
        **why,
        by=hold.by,
        since=since.isoformat(),
        until=hold.until.isoformat(),
    )


def held_until(hold: Mapping[str, JsonValue] | None) -> datetime | None:
    """Until when its parts are kept; None: the order is not held."""
    return None if hold is None else datetime.fromisoformat(str(hold["until"]))


async def lock_order(connection: Connection, order_id: str) -> LockedOrder:
    """Takes the order's lock. Raises `OrderMissing`."""
    if await _sql.lock_order(connection, order_id=order_id) is None:
        raise OrderMissing(order_id)
    row = await _sql.read_locked_order(connection, order_id=order_id)
    state = _state(row)
    return LockedOrder(
        id=row["id"],
        tenant=row["tenant"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        total=row["total"],
        state=state,
        stored=state,
        payments=tuple(row["payments"]),
        demand=tuple((d["sku"], d["quantity"]) for d in row["demand"]),
        shipment=row["shipment"],
        is_reserved=row["reserved"] == len(row["demand"]),
        refunds=tuple(Refund(**refund) for refund in row["refunds"]),
        asked=frozenset(row["asked"]),
    )


def _state(row: asyncpg.Record) -> OrderState:
    return OrderState(
        status=row["status"],
        payment_status=row["payment_status"],
        fulfillment_status=row["fulfillment_status"],
        payments=tuple(
            PaymentState(
                id=p["id"],
                amount=p["amount"],
                status=p["status"],
                captured=p["captured"],
                refunded=p["refunded"],
                failure_code=p["failure_code"],
            )
            for p in row["payments"]
        ),
        failure=row["failure"],
        attention=row["attention"],
        hold=row["hold"],
        returns=tuple(ReturnState(**return_) for return_ in row["returns"]),
        version=row["version"],
        paid_at=row["paid_at"],
        confirmed_at=row["confirmed_at"],
        shipped_at=row["shipped_at"],
        delivered_at=row["delivered_at"],
        received_at=row["received_at"],
        completed_at=row["completed_at"],
    )


def note(order: LockedOrder, *happenings: Happening) -> LockedOrder:
    """The order as it is after these. Written by the transaction's next `record`, which must come."""
    state, _ = _advanced(order.state, happenings, datetime.now(UTC))
    return replace(order, state=state, noted=(*order.noted, *happenings))


async def record(
    connection: Connection,
    order: LockedOrder,
    *happenings: Happening,
    occurred_at: datetime | None = None,
) -> LockedOrder:
    """Writes what was noted and what happened now; returns the order as it is then.

    Writes nothing for nothing. Raises `IllegalMove` before anything is written.
    """
    happenings = (*order.noted, *happenings)
    if not happenings:
        return order
    at = occurred_at or datetime.now(UTC)
    before = order.stored
    state, facts = _advanced(before, happenings, at)
    moved = [p for p in state.payments if p not in before.payments]
    moved_returns = [r for r in state.returns if r not in before.returns]
    row = await _sql.record(
        connection,
        order_id=order.id,
        version_before=before.version,
        status=state.status,
        payment_status=state.payment_status,
        fulfillment_status=state.fulfillment_status,
        failure=state.failure,
        attention=state.attention,
        hold=state.hold,
        paid_at=state.paid_at,
        confirmed_at=state.confirmed_at,
        shipped_at=state.shipped_at,
        delivered_at=state.delivered_at,
        received_at=state.received_at,
        completed_at=state.completed_at,
        payment_ids=[p.id for p in moved],
        payment_states=[p.status for p in moved],
        captured=[p.captured for p in moved],
        refunded=[p.refunded for p in moved],
        failure_codes=[p.failure_code for p in moved],
        return_ids=[r.id for r in moved_returns],
        return_states=[r.status for r in moved_returns],
        occurred_at=at,
        types=[f.type for f in facts],
        machines=[f.machine for f in facts],
        from_states=[f.from_state for f in facts],
        to_states=[f.to_state for f in facts],
        data=[dict(f.data) for f in facts],
    )
    if row is None or row["version"] != state.version:
        raise DatabaseUnavailable(f"{order.id} moved on under its lock")
    return replace(order, state=state, stored=state, noted=())


def _advanced(
    state: OrderState, happenings: Sequence[Happening], at: datetime
) -> tuple[OrderState, list[Fact]]:
    facts = []
    for happening in happenings:
        state, fact = advance(state, happening, at)
        facts.append(fact)
    return state, facts
