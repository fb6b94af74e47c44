"""Waiting for an order to be decided: until it is, or waits for somebody outside, or time is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from adapters.postgres.changes import Change, Watch
from adapters.postgres.orders import StoredOrder, read_order
from adapters.postgres.pool import Connection, reading
from adapters.postgres.requests import Answer, read_answer
from api import outlook
from api.ids import ORDER_ID
from api.problems import Problem
from api.services import Services
from ordersaga.lifecycle import FINAL, UNDECIDED, FulfillmentStatus, PaymentStatus, Status
from ordersaga.methods import METHODS

JUST_ACCEPTED: Final = 1  # the version of an order that nothing has happened to


@dataclass(frozen=True)
class Patience:
    """Until when a request waits, by the loop's clock."""

    ends_at_s: float

    @classmethod
    def of(cls, wait_s: float) -> Patience:
        return cls(asyncio.get_running_loop().time() + wait_s)

    @property
    def left_s(self) -> float:
        return max(0.0, self.ends_at_s - asyncio.get_running_loop().time())


def is_settled(order: StoredOrder) -> bool:
    """Nothing of ours moves it any more: it is decided, or only somebody outside can go on with it."""
    if _is_settled(order.status, order.payment_status):
        return True
    if order.status != Status.PENDING:
        return False
    if outlook.is_paid_later(order):  # its goods are held: now only its buyer moves it
        return order.version > JUST_ACCEPTED + (order.hold is not None)
    return order.hold is not None and _holds_are_answered(order)


async def find_order(services: Services, *, tenant: str, order_id: str) -> StoredOrder:
    """One order as it is now; a 404 where this tenant has no such order."""
    async with reading(services.pool) as connection:
        return await _find_order(connection, tenant=tenant, order_id=order_id)


async def wait_until_settled(
    services: Services,
    watch: Watch,
    patience: Patience,
    *,
    tenant: str,
    order_id: str,
    stops: bool = False,
) -> StoredOrder:
    """The order once it is settled, or as it is when patience ends. Usually one SELECT.

    For one that was not settled when `watch` began. `stops`: for its buyer, or because it is held;
    news of a change do not tell of that.
    """
    while True:
        change = await watch.next(patience.left_s) if patience.left_s else None
        if isinstance(change, Change) and not stops and not _is_settled_by(change):
            continue
        order = await find_order(services, tenant=tenant, order_id=order_id)
        if is_settled(order) or not patience.left_s:
            return order


async def wait_until_answered(
    services: Services,
    watch: Watch,
    patience: Patience,
    *,
    tenant: str,
    order_id: str,
    request_id: str,
) -> tuple[StoredOrder, Answer | None]:
    """The order and a request's answer once that is no, or yes and carried out; or as they are."""
    while True:
        async with reading(services.pool) as connection:
            answer = await read_answer(connection, request_id)
            order = await _find_order(connection, tenant=tenant, order_id=order_id)
        is_done = answer == "refused" or (answer == "accepted" and order.status in FINAL)
        if is_done or not patience.left_s:
            return order, answer
        await watch.next(patience.left_s)


async def wait_until_final(
    services: Services, watch: Watch, patience: Patience, *, tenant: str, order_id: str
) -> StoredOrder:
    """The order once it is over, or as it is when patience ends."""
    while True:
        order = await find_order(services, tenant=tenant, order_id=order_id)
        if order.status in FINAL or not patience.left_s:
            return order
        await watch.next(patience.left_s)


def order_id_of(text: str) -> str:
    """Whatever does not look like an order's id is none: a 404."""
    if ORDER_ID.fullmatch(text) is None:
        raise no_such_order()
    return text


def no_such_order() -> Problem:
    """The same words whether it never was or is another tenant's."""
    return Problem("not_found", "there is no order of this id")


async def _find_order(connection: Connection, *, tenant: str, order_id: str) -> StoredOrder:
    order = await read_order(connection, tenant=tenant, order_id=order_id)
    if order is None:
        raise no_such_order()
    return order


def _is_settled_by(change: Change) -> bool:
    return _is_settled(change.status, change.payment_status)


def _is_settled(status: str, payment_status: str) -> bool:
    if status not in UNDECIDED:
        return True
    return status == Status.PENDING and payment_status == PaymentStatus.REQUIRES_ACTION


def _holds_are_answered(order: StoredOrder) -> bool:
    """Of a held order: all that is held before it stops said yes. (No parcel waits for a slip.)"""
    methods = {payment.id: METHODS[payment.method] for payment in order.payments}
    is_booked = order.fulfillment_status == FulfillmentStatus.BOOKED
    return (is_booked or any(method.slow for method in methods.values())) and all(
        payment.status == PaymentStatus.AUTHORIZED
        for payment in order.payments
        if methods[payment.id].holdable
    )
