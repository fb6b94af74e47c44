"""A customer's personal data, taken away for good. What stays of him is a reference without a person.

Who has what, and why the rest may stay: docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError

_sql = load_queries("customers")

# One statement for each place where personal data of an order may be.
_OF_ORDERS: Final[tuple[Any, ...]] = (
    _sql.forget_person,
    _sql.forget_metadata,
    _sql.forget_means_of_payment,
    _sql.forget_requests,
    _sql.forget_acts,
    _sql.forget_returns,
    _sql.forget_reviews,
    _sql.forget_sightings,
    _sql.forget_messages,
)


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """That a customer was erased: the record's id, and of how many orders."""

    id: int
    orders: int


class CustomerUnknown(OrdersagaError):
    """Neither an order nor store credit of that id: most likely it is mistyped."""


class OrdersStillOpen(OrdersagaError):
    """Somebody still needs the address, or the reason of a return, of `order_ids`."""

    def __init__(self, order_ids: tuple[str, ...]) -> None:
        super().__init__(f"still open: {', '.join(order_ids)}")
        self.order_ids = order_ids


async def erase_customer(
    connection: Connection, *, tenant: str, customer_id: str, by: str
) -> Erasure:
    """Within the caller's transaction. Once more does no harm, and takes what came since.

    Raises `OrdersStillOpen` and `CustomerUnknown`, erasing nothing.
    """
    rows = [
        row async for row in _sql.lock_orders(connection, tenant=tenant, customer_id=customer_id)
    ]
    still_open = tuple(row["id"] for row in rows if row["is_open"])
    if still_open:
        raise OrdersStillOpen(still_open)
    order_ids = [row["id"] for row in rows]
    if not order_ids and not await _sql.has_account(
        connection, tenant=tenant, customer_id=customer_id
    ):
        raise CustomerUnknown(customer_id)
    for forget in _OF_ORDERS:
        await forget(connection, order_ids=order_ids)
    await _sql.forget_gifts(connection, tenant=tenant, customer_id=customer_id)
    erasure_id = await _sql.add_erasure(
        connection, tenant=tenant, customer_id=customer_id, orders=len(order_ids), erased_by=by
    )
    return Erasure(id=erasure_id, orders=len(order_ids))
