"""What somebody asks of an order: stored before its workflow hears of it, answered by the saga."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Literal, cast

import asyncpg
from pydantic import JsonValue

from adapters.postgres import refunds
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.moves import lock_for
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.errors import OrdersagaError
from ordersaga.history import PAYMENTS_ADDED, Happening
from ordersaga.lifecycle import PaymentStatus
from ordersaga.order import NewPayment, OrderRequest, PaymentPlan

_sql = load_queries("requests")

REFUND_STEP: Final = keys.refund_step("")

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


class ActionNotOffered(OrdersagaError):
    """An operator's word that the step in attention does not take; it takes `actions`."""

    def __init__(self, actions: tuple[str, ...]) -> None:
        super().__init__(f"it takes {', '.join(actions)}")
        self.actions = actions


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """A stored request without an answer, and the workflow that it is for: of its order, or a refund's."""

    order_id: str
    workflow_id: str
    request: OrderRequest
    is_final: bool  # its order is

    @property
    def is_over(self) -> bool:
        """Whether nobody is left to hear it, once its workflow does not run."""
        return self.is_final or self.workflow_id != keys.workflow_id(self.order_id)


async def read_terms(connection: Connection, *, tenant: str, order_id: str) -> Terms | None:
    """None where this tenant has no such order."""
    row = await _sql.read_terms(connection, tenant=tenant, order_id=order_id)
    return None if row is None else Terms(currency=row["currency"], total=row["total"])


async def store_cancel(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    reason: str,
) -> None:
    """Stores that the order shall be canceled; why, in the customer's own words, stays here.

    Raises `IllegalMove` where it is too late to ask.
    """
    moving = await lock_for(connection, order_id, asks="cancel", return_window_s=return_window_s)
    await add_request(connection, order_id, request, {"reason": reason})
    asked = Happening.of("cancel.requested", request=request.id, by=request.requested_by)
    await record(connection, moving.order, asked)


async def store_payments(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    payments: tuple[NewPayment, ...],
) -> None:
    """Gives an order without payments these. Raises `IllegalMove` where it has some, or is over."""
    moving = await lock_for(connection, order_id, asks="pay", return_window_s=return_window_s)
    plans: list[JsonValue] = [asdict(p.plan) for p in payments]
    await add_request(connection, order_id, request, {"payments": plans})
    await _sql.add_payments(
        connection,
        order_id=order_id,
        payment_ids=[p.plan.id for p in payments],
        methods=[p.plan.method for p in payments],
        tokens=[p.token for p in payments],
        amounts=[p.plan.amount for p in payments],
        payment_begins=PaymentStatus.UNPAID,
    )
    await record(connection, moving.order, Happening.of(PAYMENTS_ADDED, payments=plans))


async def store_attention(
    connection: Connection,
    *,
    order_id: str,
    return_window_s: int,
    request: OrderRequest,
    note: str,
) -> str:
    """Stores an operator's word for the step that keeps failing; a skip clears its mark.

    The note stays here, and history refers to it. Returns the workflow that is to be told. Raises
    `IllegalMove` where nothing is in attention, `NotInAttention` for another step, `ActionNotOffered`.
    """
    moving = await lock_for(connection, order_id, asks="attention", return_window_s=return_window_s)
    order, mark = moving.order, moving.order.state.attention
    assert mark is not None
    step, actions = str(mark["step"]), _actions(mark)
    if step != request.step:
        raise NotInAttention(step)
    if request.action not in actions:
        raise ActionNotOffered(actions)
    word: dict[str, JsonValue] = {"step": step, "action": request.action}
    await add_request(connection, order_id, request, {**word, "note": note})
    happenings = [
        Happening.of("attention.answered", request=request.id, by=request.requested_by, **word)
    ]
    if request.action == "skip":
        happenings.append(Happening.of("attention.cleared", step=step))
    await record(connection, order, *happenings)
    return _workflow_at(order, step)


async def read_answer(connection: Connection, request_id: str) -> Answer | None:
    """None: not answered yet."""
    return cast(Answer | None, await _sql.read_answer(connection, id=request_id))


async def find_undelivered(
    connection: Connection, *, older_than_s: float, again_after_s: float, limit: int
) -> tuple[Undelivered, ...]:
    """Requests that nobody heard, or that are not answered `again_after_s` later; longest first.

    A cancel with an answer too, unless its workflow is known to have heard of it.
    """
    rows = [
        row
        async for row in _sql.find_undelivered(
            connection, older_than_s=older_than_s, again_after_s=again_after_s, limit=limit
        )
    ]
    return tuple(
        Undelivered(
            order_id=row["order_id"],
            workflow_id=_owner(row["order_id"], row["return_id"], row["refund_request_id"]),
            request=_request(row),
            is_final=row["is_final"],
        )
        for row in rows
    )


async def mark_delivered(connection: Connection, request_id: str) -> None:
    """Its workflow has it. A cancel is not answered by that, but where it takes effect."""
    await _sql.mark_delivered(connection, id=request_id)


async def refuse(connection: Connection, request_id: str) -> None:
    """Its order, or its refund, ended: nobody hears of it any more. An answer that it has stays."""
    await _sql.refuse(connection, id=request_id)


async def add_request(
    connection: Connection, order_id: str, request: OrderRequest, body: dict[str, JsonValue]
) -> None:
    """Stores what somebody asks, before its workflow hears of it. `body`: what only we keep of it too."""
    await _sql.add_request(
        connection,
        id=request.id,
        order_id=order_id,
        kind=request.kind,
        body=body,
        requested_by=request.requested_by,
    )


def _actions(mark: Mapping[str, JsonValue]) -> tuple[str, ...]:
    actions = mark["actions"]
    assert isinstance(actions, list)
    return tuple(str(action) for action in actions)


def _workflow_at(order: LockedOrder, step: str) -> str:
    """Which workflow does a step: a refund's own, or the order's."""
    refund = refunds.find(order, step.removeprefix(REFUND_STEP))
    return _owner(order.id, refund.return_id, refund.request_id) if refund else _owner(order.id)


def _owner(order_id: str, return_id: str | None = None, request_id: str | None = None) -> str:
    if return_id is not None:
        return keys.return_workflow_id(return_id)
    if request_id is not None:
        return keys.refund_workflow_id(request_id)
    return keys.workflow_id(order_id)


def _request(row: asyncpg.Record) -> OrderRequest:
    body = row["body"]
    return OrderRequest(
        id=row["id"],
        kind=row["kind"],
        requested_by=row["requested_by"],
        payments=tuple(PaymentPlan(**plan) for plan in body.get("payments", ())),
        step=body.get("step", ""),
        action=body.get("action", ""),
        held_until=datetime.fromisoformat(body["held_until"]) if "held_until" in body else None,
    )
