"""What may be asked of an order now: judged on what is shown of it, and under its lock where it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.postgres.history import LockedOrder, lock_order
from adapters.postgres.orders import StoredOrder, StoredReturnLine, read_order
from adapters.postgres.pool import Connection
from ordersaga.errors import IllegalMove, OrdersagaError
from ordersaga.giving_back import BoughtLine
from ordersaga.history import windows_from
from ordersaga.lifecycle import RETURNABLE, STATUS, Circumstances, ReturnStatus, allowed_requests
from ordersaga.order import MERCHANT

NOT_SENT_BACK: Final = frozenset({ReturnStatus.DECLINED})
NOT_HERE: Final = frozenset({*NOT_SENT_BACK, ReturnStatus.REQUESTED, ReturnStatus.APPROVED})


@dataclass(frozen=True)
class Moving:
    """An order that somebody asks something of: under its lock, and all that is shown of it."""

    order: LockedOrder
    shown: StoredOrder


class VersionMismatch(OrdersagaError):
    """Somebody moves an order as it was; it is of this `version` now."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the order is of version {version}")
        self.version = version


async def lock_for(
    connection: Connection, order_id: str, *, asks: str, return_window_s: int
) -> Moving:
    """The order under its lock. Raises `IllegalMove` where it does not take what somebody `asks`."""
    moving = await lock_and_show(connection, order_id)
    check_allowed(moving.shown, asks=asks, return_window_s=return_window_s)
    return moving


async def lock_version(
    connection: Connection, order_id: str, expected: Collection[int]
) -> LockedOrder:
    """The order under its lock. Raises `VersionMismatch` where it has moved on."""
    order = await lock_order(connection, order_id)
    if order.state.version not in expected:
        raise VersionMismatch(order.state.version)
    return order


async def lock_and_show(connection: Connection, order_id: str) -> Moving:
    """The order under its lock, whatever it takes now."""
    order = await lock_order(connection, order_id)
    shown = await read_order(connection, tenant=order.tenant, order_id=order_id)
    assert shown is not None
    return Moving(order, shown)


def check_allowed(order: StoredOrder, *, asks: str, return_window_s: int) -> None:
    """Raises `IllegalMove`, with what it would take."""
    allowed = allowed_now(order, return_window_s=return_window_s)
    if asks not in allowed:
        raise IllegalMove(machine=STATUS, state=order.status, move=asks, allowed=allowed)


def allowed_now(order: StoredOrder, *, return_window_s: int) -> tuple[str, ...]:
    """The requests that this order would take now, by their names in the API."""
    is_late = is_too_late_to_return(order, return_window_s=return_window_s)
    return allowed_requests(
        order.status,
        Circumstances(
            total=order.total,
            has_payments=bool(order.payments),
            is_ours_to_ship=order.shipment.carrier == MERCHANT,
            in_attention=order.attention is not None,
            cancel_is_open=order.is_withdrawn,
            held_by=None if order.hold is None else str(order.hold["kind"]),
            is_returnable=not is_late and any(one.left for one in bought_lines(order)),
            is_refundable=_left_to_refund(order) > 0,
            is_reviewed=order.review is not None,
        ),
    )


def is_too_late_to_return(order: StoredOrder, *, return_window_s: int) -> bool:
    """Whether only the time that has passed since its delivery is in the way."""
    since = windows_from(delivered_at=order.delivered_at, confirmed_at=order.confirmed_at)
    if order.status not in RETURNABLE or since is None:
        return False
    return datetime.now(UTC) > since + timedelta(seconds=return_window_s)


def bought_lines(
    order: StoredOrder, *, without: Container[str] = NOT_SENT_BACK
) -> tuple[BoughtLine, ...]:
    """The order's lines, with what of them is in returns, but for those in states `without`."""
    sent_back: dict[int, list[StoredReturnLine]] = defaultdict(list)
    for return_ in order.returns:
        if return_.status not in without:
            for part in return_.lines:
                sent_back[part.line].append(part)
    return tuple(
        BoughtLine(
            number,
            line,
            returned=sum(part.quantity for part in sent_back[number]),
            brought=sum(part.amount for part in sent_back[number]),
        )
        for number, line in enumerate(order.lines, 1)
    )


def _left_to_refund(order: StoredOrder) -> int:
    """What was taken and is not on its way back yet."""
    allocated = dict.fromkeys((payment.id for payment in order.payments), 0)
    for refund in order.refunds:
        allocated[refund.payment_id] += refund.amount
    return sum(p.captured - max(p.refunded, allocated[p.id]) for p in order.payments)
