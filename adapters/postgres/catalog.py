"""How many units there are of a SKU: set by the merchant, reserved and sold by the saga."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.postgres.pool import Connection, load_queries
from ordersaga.errors import OrdersagaError

_sql = load_queries("catalog")


@dataclass(frozen=True, kw_only=True)
class StoredStock:
    """Units of one SKU: on_hand = available + reserved."""

    sku: str
    on_hand: int
    available: int
    reserved: int


class StockReserved(OrdersagaError):
    """More of these SKUs is reserved than would be on hand."""

    def __init__(self, skus: Sequence[str]) -> None:
        super().__init__(f"{len(skus)} SKUs have more reserved than that")
        self.skus = tuple(skus)


async def set_stock(
    connection: Connection, *, tenant: str, on_hand: Mapping[str, int]
) -> tuple[StoredStock, ...]:
    """Sets how many units there are, however many SKUs in one statement; returns them by SKU.

    Raises `StockReserved`; of several SKUs, the others are set then: end the transaction by it.
    """
    rows = [
        row
        async for row in _sql.set_stock(
            connection, tenant=tenant, skus=list(on_hand), on_hands=list(on_hand.values())
        )
    ]
    refused = on_hand.keys() - {row["sku"] for row in rows}
    if refused:
        raise StockReserved(sorted(refused))
    return tuple(sorted((StoredStock(**row) for row in rows), key=lambda stock: stock.sku))


async def read_stock(
    connection: Connection, *, tenant: str, skus: Sequence[str]
) -> tuple[StoredStock, ...]:
    """Those of them that this tenant has, by SKU."""
    rows = [row async for row in _sql.read_stock(connection, tenant=tenant, skus=list(skus))]
    return tuple(sorted((StoredStock(**row) for row in rows), key=lambda stock: stock.sku))
