"""Waiting for an order to be decided: until it is, or waits for somebody outside, or time is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from adapters.postgres.changes import Change, Watch
from adapters.postgres.orders import StoredOrder, read_order
from adapters.postgres.pool import Connection, reading
from adapters.postgres.requests import Answer, read_answer
from api.problems import Problem
from api.services import Services
from ordersaga.lifecycle import FINAL, UNDECIDED, PaymentStatus, Status

JUST_ACCEPTED = 1  # the version of an order that nothing has happened to


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
    """Nothing of ours moves it any more: it is decided, or only its payer can go on."""
    if order.status == Status.PENDING and order.total > 0 and not order.payments:
        return order.version > JUST_ACCEPTED  # its goods are held: now only its buyer moves it
    return _is_settled(order.status, order.payment_status)


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
    pays_later: bool = False,
) -> StoredOrder:
    """The order once it is settled, or as it is when patience ends. Usually one SELECT.

    For one that was not settled when `watch` began. `pays_later`: it has no payments yet.
    """
    while True:
        change = await watch.next(patience.left_s) if patience.left_s else None
        if isinstance(change, Change) and not pays_later and not _is_settled_by(change):
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
