"""What somebody asks of an order: stored before its workflow hears of it, answered by the saga."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, cast

import asyncpg
from pydantic import JsonValue

from adapters.postgres.history import LockedOrder, lock_order, record
from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import IllegalMove, OrdersagaError
from ordersaga.history import PAYMENTS_ADDED, Happening
from ordersaga.lifecycle import PaymentStatus, allowed_requests
from ordersaga.order import NewPayment, OrderRequest, PaymentPlan, RequestKind

_sql = load_queries("requests")

Answer = Literal["accepted", "refused"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What never changes about an order, and a request is checked against. `total`: minor units."""

    currency: str
    total: int


class NotInAttention(OrdersagaError):
    """An operator's word for a step that is not the one in attention, which is `step`."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} is in attention")
        self.step = step


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """A stored request without an answer."""

    order_id: str
    request: OrderRequest
    is_final: bool  # its order is


async def read_terms(connection: Connection, *, tenant: str, order_id: str) -> Terms | None:
    """None where this tenant has no such order."""
    row = await _sql.read_terms(connection, tenant=tenant, order_id=order_id)
    return None if row is None else Terms(currency=row["currency"], total=row["total"])


async def store_cancel(
    connection: Connection, *, order_id: str, total: int, request: OrderRequest, reason: str
) -> None:
    """Stores that the order shall be canceled; why, in the customer's own words, stays here.

    Raises `IllegalMove` where it is too late to ask.
    """
    order = await _lock_for(connection, order_id, total=total, kind="cancel")
    await _add_request(connection, order_id, request, {"reason": reason})
    asked = Happening.of("cancel.requested", request=request.id, by=request.requested_by)
    await record(connection, order, asked)


async def store_payments(
    connection: Connection,
    *,
    order_id: str,
    total: int,
    request: OrderRequest,
    payments: tuple[NewPayment, ...],
) -> None:
    """Gives an order without payments these. Raises `IllegalMove` where it has some, or is over."""
    order = await _lock_for(connection, order_id, total=total, kind="pay")
    plans: list[JsonValue] = [asdict(p.plan) for p in payments]
    await _add_request(connection, order_id, request, {"payments": plans})
    await _sql.add_payments(
        connection,
        order_id=order_id,
        payment_ids=[p.plan.id for p in payments],
        methods=[p.plan.method for p in payments],
        tokens=[p.token for p in payments],
        amounts=[p.plan.amount for p in payments],
        payment_begins=PaymentStatus.UNPAID,
    )
    await record(connection, order, Happening.of(PAYMENTS_ADDED, payments=plans))


async def store_attention(
    connection: Connection, *, order_id: str, total: int, request: OrderRequest, note: str
) -> None:
    """Stores an operator's word for the step that keeps failing; a skip clears its mark.

    The note stays here and in history; the workflow is not told. Raises `IllegalMove` where nothing is
    in attention, `NotInAttention` where it is another step.
    """
    order = await _lock_for(connection, order_id, total=total, kind="attention")
    step = str((order.state.attention or {}).get("step"))
    if step != request.step:
        raise NotInAttention(step)
    body: dict[str, JsonValue] = {"step": step, "action": request.action, "note": note}
    await _add_request(connection, order_id, request, body)
    happenings = [Happening.of("attention.answered", by=request.requested_by, **body)]
    if request.action == "skip":
        happenings.append(Happening.of("attention.cleared", step=step))
    await record(connection, order, *happenings)


async def read_answer(connection: Connection, request_id: str) -> Answer | None:
    """None: not answered yet."""
    return cast(Answer | None, await _sql.read_answer(connection, id=request_id))


async def find_undelivered(
    connection: Connection, *, older_than_s: float, again_after_s: float, limit: int
) -> tuple[Undelivered, ...]:
    """Requests that nobody heard, or that are not answered `again_after_s` later; longest first."""
    rows = [
        row
        async for row in _sql.find_undelivered(
            connection, older_than_s=older_than_s, again_after_s=again_after_s, limit=limit
        )
    ]
    return tuple(
        Undelivered(order_id=row["order_id"], request=_request(row), is_final=row["is_final"])
        for row in rows
    )


async def mark_delivered(connection: Connection, request_id: str) -> None:
    """Its workflow has it. A cancel is not answered by that, but where it takes effect."""
    await _sql.mark_delivered(connection, id=request_id)


async def refuse(connection: Connection, request_id: str) -> None:
    """Its order ended before anybody heard of it."""
    await _sql.refuse(connection, id=request_id)


async def _lock_for(
    connection: Connection, order_id: str, *, total: int, kind: RequestKind
) -> LockedOrder:
    order = await lock_order(connection, order_id)
    allowed = allowed_requests(
        status=order.state.status,
        has_payments=bool(order.payments),
        total=total,
        in_attention=order.state.attention is not None,
    )
    if kind not in allowed:
        raise IllegalMove(machine="status", state=order.state.status, move=kind, allowed=allowed)
    return order


async def _add_request(
    connection: Connection, order_id: str, request: OrderRequest, body: dict[str, JsonValue]
) -> None:
    await _sql.add_request(
        connection,
        id=request.id,
        order_id=order_id,
        kind=request.kind,
        body=body,
        requested_by=request.requested_by,
    )


def _request(row: asyncpg.Record) -> OrderRequest:
    body = row["body"]
    return OrderRequest(
        id=row["id"],
        kind=row["kind"],
        requested_by=row["requested_by"],
        payments=tuple(PaymentPlan(**plan) for plan in body.get("payments", ())),
        step=body.get("step", ""),
        action=body.get("action", ""),
    )
