"""Stock as a participant: reserve, then commit or release; restock after a reversal.

on_hand = available + reserved holds in every row, by a CHECK.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from adapters.postgres.history import LockedOrder
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.order import Refusal, Vote

_sql = load_queries("stock")


async def reserve(connection: Connection, order: LockedOrder) -> tuple[Vote, Happening]:
    """All of the order's SKUs, or none of them and a no that names the first that is short."""
    available = {
        row["sku"]: row["available"]
        async for row in _sql.lock_stock(connection, tenant=order.tenant, skus=_skus(order))
    }
    refusal = _first_refusal(order, available)
    if refusal:
        return Vote.no(keys.STOCK, refusal), Happening.of(
            "stock.refused", code=refusal.code, detail=refusal.detail
        )
    await _sql.reserve_stock(
        connection,
        order_id=order.id,
        tenant=order.tenant,
        skus=_skus(order),
        quantities=[quantity for _, quantity in order.demand],
    )
    return Vote.yes(keys.STOCK), Happening.of("stock.reserved", lines=_lines(order))


async def commit(connection: Connection, order: LockedOrder) -> None:
    """Takes the reserved goods out."""
    await _lock_in_order(connection, order)
    await _sql.commit_stock(connection, order_id=order.id)


async def release(connection: Connection, order: LockedOrder) -> Sequence[Happening]:
    """Gives back what is reserved, if anything is."""
    await _lock_in_order(connection, order)
    if _affected(await _sql.release_stock(connection, order_id=order.id)) == 0:
        return ()
    return (Happening.of("stock.released", lines=_lines(order)),)


async def restock(connection: Connection, order: LockedOrder) -> Sequence[Happening]:
    """Puts back what was committed and did not come back before, if anything is."""
    await _lock_in_order(connection, order)
    rows = [row async for row in _sql.restock(connection, order_id=order.id)]
    if not rows:
        return ()
    return (
        Happening.of("stock.restocked", lines=_listed((r["sku"], r["quantity"]) for r in rows)),
    )


async def restock_units(
    connection: Connection, order: LockedOrder, units: Mapping[str, int]
) -> Happening:
    """Puts back so many units of each SKU, of those that were bought and did not come back yet."""
    skus = sorted(units)
    if len(skus) > 1:
        async for _ in _sql.lock_stock(connection, tenant=order.tenant, skus=skus):
            pass
    quantities = [units[sku] for sku in skus]
    await _sql.restock_units(connection, order_id=order.id, skus=skus, quantities=quantities)
    return Happening.of("stock.restocked", lines=_listed(zip(skus, quantities, strict=True)))


async def is_all_back(connection: Connection, order: LockedOrder) -> bool:
    """Whether every unit that left for this order is on the shelf again."""
    return bool(await _sql.is_all_back(connection, order_id=order.id))


async def _lock_in_order(connection: Connection, order: LockedOrder) -> None:
    """One row needs no order, so an order of one SKU saves the statement."""
    if len(order.demand) > 1:
        async for _ in _sql.lock_stock(connection, tenant=order.tenant, skus=_skus(order)):
            pass


def _first_refusal(order: LockedOrder, available: dict[str, int]) -> Refusal | None:
    for sku, quantity in order.demand:
        if sku not in available:
            return Refusal("stock", "unknown_sku", f"there is no SKU {sku!r}")
        if available[sku] < quantity:
            return Refusal(
                "stock", "out_of_stock", f"{quantity} of {sku!r} wanted, {available[sku]} available"
            )
    return None


def _skus(order: LockedOrder) -> list[str]:
    return [sku for sku, _ in order.demand]


def _lines(order: LockedOrder) -> list[JsonValue]:
    return _listed(order.demand)


def _listed(units: Iterable[tuple[str, int]]) -> list[JsonValue]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in units]


def _affected(status: str) -> int:
    """PostgreSQL's command tag: 'UPDATE 3' → 3."""
    return int(status.rpartition(" ")[2])
