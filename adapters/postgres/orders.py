"""Orders as they are accepted, read, listed, and found when nobody drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from pydantic import JsonValue, TypeAdapter

from adapters.postgres.history import OrderMissing, held_until, hold_placed
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.config import Settings
from ordersaga.history import ACCEPTED, Happening, OrderState, advance
from ordersaga.lifecycle import PaymentStatus
from ordersaga.order import Launch, Line, NewOrder, OrderTicket, Parcel, PaymentPlan

_sql = load_queries("orders")

# An id is made by the API's clock, `created_at` by PostgreSQL's: how far they may be apart.
CLOCK_SKEW: Final = timedelta(minutes=1)
EPOCH: Final = datetime.fromtimestamp(0, UTC)
FIRST_ID: Final = "ord_" + "0" * keys.ULID_CHARS
LAST_ID: Final = "ord_" + "Z" * keys.ULID_CHARS


@dataclass(frozen=True, kw_only=True)
class StoredPayment:
    """One payment of an order, in minor units."""

    id: str
    method: str
    status: str
    amount: int
    captured: int
    refunded: int
    next_action: Mapping[str, JsonValue] | None  # what the payer has to do
    expires_at: datetime | None  # until when its payer is waited for


@dataclass(frozen=True, kw_only=True)
class StoredShipment:
    """The parcel of an order."""

    id: str
    carrier: str
    service: str
    tracking_number: str | None
    tracking_status: str
    estimated_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StoredReturnLine:
    """So many units of one line of the order, and what they bring back. Minor units."""

    line: int
    sku: str
    quantity: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class StoredReturn:
    """Goods that come back. `amount`: what goes back for them, in minor units."""

    id: str
    status: str
    reason: str
    amount: int
    requested_at: datetime
    lines: tuple[StoredReturnLine, ...]


@dataclass(frozen=True, kw_only=True)
class StoredRefund:
    """What goes back of one payment, for one reason, in minor units."""

    id: str
    payment_id: str
    amount: int
    cause: str
    return_id: str | None
    created_at: datetime
    refunded_at: datetime | None  # None: still to do
    destination: str | None


@dataclass(frozen=True, kw_only=True)
class StoredReview:
    """What the buyer says of it."""

    rating: int
    comment: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredOrder:
    """An order as it is now, with all that is shown of it."""

    id: str
    customer_id: str
    currency: str
    total: int
    shipping_fee: int
    country: str
    status: str
    payment_status: str
    fulfillment_status: str
    failure: Mapping[str, JsonValue] | None
    attention: Mapping[str, JsonValue] | None
    hold: Mapping[str, JsonValue] | None  # why it stops before its money is taken
    is_withdrawn: bool  # somebody asked to give it up, and has no answer yet
    metadata: Mapping[str, JsonValue]
    deadline: datetime
    version: int
    created_at: datetime
    updated_at: datetime
    paid_at: datetime | None
    confirmed_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    received_at: datetime | None
    completed_at: datetime | None
    lines: tuple[Line, ...]
    payments: tuple[StoredPayment, ...]
    shipment: StoredShipment
    returns: tuple[StoredReturn, ...]  # oldest first
    refunds: tuple[StoredRefund, ...]  # oldest first
    review: StoredReview | None
    customer: Mapping[str, JsonValue] | None  # None: erased
    shipping_address: Mapping[str, JsonValue] | None  # None: erased
    erased_at: datetime | None


# What comes as JSON, whose times are text.
_PAYMENTS: Final = TypeAdapter(tuple[StoredPayment, ...])
_RETURNS: Final = TypeAdapter(tuple[StoredReturn, ...])
_REFUNDS: Final = TypeAdapter(tuple[StoredRefund, ...])
_REVIEW: Final = TypeAdapter(StoredReview | None)


@dataclass(frozen=True, kw_only=True)
class StoredEvent:
    """One row of an order's history."""

    sequence: int
    type: str
    machine: str | None
    from_state: str | None
    to_state: str | None
    data: Mapping[str, JsonValue]
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, kw_only=True)
class OrderFilter:
    """Which orders a list shows; None: any."""

    status: str | None = None
    payment_status: str | None = None
    fulfillment_status: str | None = None
    customer_id: str | None = None
    attention: bool | None = None
    created_after: datetime | None = None


async def accept_order(
    connection: Connection, order: NewOrder, *, key_id: str | None = None
) -> None:
    """Writes a new order, the begin of its history and of its outbox: one statement.

    `key_id`: the API key that places it.
    """
    at = datetime.now(UTC)
    payments: list[JsonValue] = [
        {"id": p.plan.id, "method": p.plan.method, "amount": p.plan.amount} for p in order.payments
    ]
    accepted = Happening.of(ACCEPTED, payments=payments, total=order.total, currency=order.currency)
    state, fact = advance(OrderState(), accepted, at)
    facts = [fact]
    if order.hold is not None:
        state, fact = advance(state, hold_placed(order.hold, since=at), at)
        facts.append(fact)
    await _sql.accept_order(
        connection,
        order_id=order.id,
        tenant=order.tenant,
        key_id=key_id,
        customer_id=order.customer_id,
        currency=order.currency,
        total=order.total,
        shipping_fee=order.shipping_fee,
        country=order.country,
        carrier=order.parcel.carrier,
        service=order.parcel.service,
        status=state.status,
        payment_status=state.payment_status,
        fulfillment_status=state.fulfillment_status,
        metadata=order.metadata,
        deadline=order.deadline,
        hold=state.hold,
        version=state.version,
        skus=[line.sku for line in order.lines],
        quantities=[line.quantity for line in order.lines],
        unit_prices=[line.unit_price for line in order.lines],
        taxes=[line.tax for line in order.lines],
        payment_ids=[p.plan.id for p in order.payments],
        methods=[p.plan.method for p in order.payments],
        tokens=[p.token for p in order.payments],
        amounts=[p.plan.amount for p in order.payments],
        payment_begins=PaymentStatus.UNPAID,
        shipment_id=order.parcel.id,
        customer=order.customer,
        shipping_address=order.shipping_address,
        types=[f.type for f in facts],
        machines=[f.machine for f in facts],
        from_states=[f.from_state for f in facts],
        to_states=[f.to_state for f in facts],
        data=[dict(f.data) for f in facts],
        occurred_at=at,
    )


async def read_order(connection: Connection, *, tenant: str, order_id: str) -> StoredOrder | None:
    """One order; None where this tenant has no such order."""
    orders = await read_orders(connection, tenant=tenant, order_ids=[order_id])
    return orders[0] if orders else None


async def read_orders(
    connection: Connection, *, tenant: str, order_ids: Sequence[str]
) -> tuple[StoredOrder, ...]:
    """Those of them that this tenant has, newest first."""
    rows = [
        row async for row in _sql.read_orders(connection, tenant=tenant, order_ids=list(order_ids))
    ]
    return tuple(_stored_order(row) for row in rows)


async def list_order_ids(
    connection: Connection, *, tenant: str, shown: OrderFilter, before: str = LAST_ID, limit: int
) -> list[str]:
    """A page of ids below `before`, newest first."""
    statement = _sql.list_orders
    if shown.customer_id is not None:
        statement = _sql.list_orders_of_customer
    elif shown.attention:
        statement = _sql.list_orders_in_attention
    elif shown.status is not None:
        statement = _sql.list_orders_in_status
    rows = [
        row
        async for row in statement(
            connection,
            tenant=tenant,
            before=before,
            oldest=least_id_after(shown.created_after),
            status=shown.status,
            payment_status=shown.payment_status,
            fulfillment_status=shown.fulfillment_status,
            customer_id=shown.customer_id,
            attention=shown.attention,
            created_after=shown.created_after,
            limit=limit,
        )
    ]
    return [row["id"] for row in rows]


async def read_events(
    connection: Connection, *, tenant: str, order_id: str
) -> tuple[StoredEvent, ...]:
    """The whole history, oldest first; empty where this tenant has no such order."""
    rows = [row async for row in _sql.read_events(connection, tenant=tenant, order_id=order_id)]
    return tuple(StoredEvent(**row) for row in rows)


def launch_of(order: NewOrder, settings: Settings) -> Launch:
    """What the workflow of an order accepted right now is started with."""
    return Launch(
        ticket=OrderTicket(
            order_id=order.id,
            currency=order.currency,
            total=order.total,
            payments=tuple(p.plan for p in order.payments),
            parcel=order.parcel,
            deadline=order.deadline,
            outage_patience_s=settings.outage_patience_s,
            undo_retry_cap_s=settings.undo_retry_cap_s,
            completion_window_s=settings.completion_window_s,
            remote_lane=settings.remote_lane,
            one_phase=True,
            held_until=order.hold.until if order.hold else None,
        ),
        tenant=order.tenant,
        customer_id=order.customer_id,
        units=sum(line.quantity for line in order.lines),
        country=order.country,
    )


async def read_launch(connection: Connection, order_id: str, settings: Settings) -> Launch:
    """The same from the tables, for an order that nobody started. Raises `OrderMissing`."""
    row = await _sql.read_launch(connection, order_id=order_id)
    if row is None:
        raise OrderMissing(order_id)
    return Launch(
        ticket=OrderTicket(
            order_id=row["id"],
            currency=row["currency"],
            total=row["total"],
            payments=tuple(PaymentPlan(**p) for p in row["payments"]),
            parcel=Parcel(row["shipment_id"], row["carrier"], row["service"]),
            deadline=row["deadline"],
            outage_patience_s=settings.outage_patience_s,
            undo_retry_cap_s=settings.undo_retry_cap_s,
            completion_window_s=settings.completion_window_s,
            remote_lane=settings.remote_lane,
            one_phase=True,
            held_until=held_until(row["hold"]),
            is_resumed=row["is_resumed"],
        ),
        tenant=row["tenant"],
        customer_id=row["customer_id"],
        units=row["units"],
        country=row["country"],
    )


async def find_unstarted(connection: Connection, *, older_than_s: float, limit: int) -> list[str]:
    """Ids of orders that no workflow has begun to work on, oldest first."""
    rows = [
        row async for row in _sql.find_unstarted(connection, older_than_s=older_than_s, limit=limit)
    ]
    return [row["id"] for row in rows]


async def find_stale(
    connection: Connection, *, after: str, older_than_s: float, limit: int
) -> list[str]:
    """Ids beyond `after` of orders that have not moved for a while, oldest first.

    Each of them has a workflow until it has ended, or should have one.
    """
    rows = [
        row
        async for row in _sql.find_stale(
            connection, after=after, older_than_s=older_than_s, limit=limit
        )
    ]
    return [row["id"] for row in rows]


def least_id_after(created_after: datetime | None) -> str:
    if created_after is None or created_after < EPOCH + CLOCK_SKEW:
        return FIRST_ID
    return keys.least_id("ord", created_after - CLOCK_SKEW)


def _hold(row: asyncpg.Record) -> Mapping[str, JsonValue] | None:
    """With its reason, where a person wrote one: that is with his request."""
    hold: Mapping[str, JsonValue] | None = row["hold"]
    return None if hold is None else {"reason": row["hold_reason"] or "", **hold}


def _stored_order(row: asyncpg.Record) -> StoredOrder:
    return StoredOrder(
        id=row["id"],
        customer_id=row["customer_id"],
        currency=row["currency"],
        total=row["total"],
        shipping_fee=row["shipping_fee"],
        country=row["country"],
        status=row["status"],
        payment_status=row["payment_status"],
        fulfillment_status=row["fulfillment_status"],
        failure=row["failure"],
        attention=row["attention"],
        hold=_hold(row),
        is_withdrawn=row["is_withdrawn"],
        metadata=row["metadata"],
        deadline=row["deadline"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        paid_at=row["paid_at"],
        confirmed_at=row["confirmed_at"],
        shipped_at=row["shipped_at"],
        delivered_at=row["delivered_at"],
        received_at=row["received_at"],
        completed_at=row["completed_at"],
        lines=tuple(Line(**line) for line in row["lines"]),
        payments=_PAYMENTS.validate_python(row["payments"]),
        shipment=StoredShipment(
            id=row["shipment_id"],
            carrier=row["carrier"],
            service=row["service"],
            tracking_number=row["tracking_number"],
            tracking_status=row["tracking_status"],
            estimated_at=row["estimated_at"],
        ),
        returns=_RETURNS.validate_python(row["returns"]),
        refunds=_REFUNDS.validate_python(row["refunds"]),
        review=_REVIEW.validate_python(row["review"]),
        customer=row["customer"],
        shipping_address=row["shipping_address"],
        erased_at=row["erased_at"],
    )
