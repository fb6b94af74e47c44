"""Stock: the shelf adds up, and nothing is sold twice."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import Evidence, OurOrder, OurStock
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.keys import RESTOCK, STOCK
from ordersaga.lifecycle import Status

# What a reservation may be, by where its order is. `None` in the set: it may also not be there.
_FREE = frozenset({"released", None})
_BACK = frozenset({"restocked", "committed"})  # a lost parcel's goods never come back


def _states_allowed(order: OurOrder) -> frozenset[str | None]:
    if order.is_settled:
        return frozenset({"committed"})
    if not order.was_confirmed:
        return frozenset({"reserved", None}) if order.status == Status.PENDING else _FREE
    if order.status == Status.CANCELED:
        return frozenset({"restocked"})
    return _BACK


def _shelf_adds_up(stock: OurStock, _: Evidence) -> Iterator[Problem]:
    parts = (stock.available, stock.reserved, stock.on_hand)
    if stock.on_hand != stock.available + stock.reserved or min(parts) < 0:
        detail = (
            f"on_hand {stock.on_hand}, but available {stock.available} + reserved {stock.reserved} "
            f"= {stock.available + stock.reserved}"
        )
        yield Problem(f"{stock.sku} of {stock.tenant}", detail)


def _reserved_by_somebody(stock: OurStock, _: Evidence) -> Iterator[Problem]:
    if stock.reserved != stock.open_reservations:
        detail = (
            f"reserved {stock.reserved}, but open reservations are of {stock.open_reservations}"
        )
        yield Problem(f"{stock.sku} of {stock.tenant}", detail)


def _sold_once(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    allowed = _states_allowed(order)
    taken = {r.sku: r for r in order.reservations}
    for sku in sorted(order.demand.keys() | taken.keys()):
        wanted, reservation = order.demand.get(sku, 0), taken.get(sku)
        state = reservation.state if reservation else None
        if state not in allowed:
            expected = " or ".join(sorted(s or "not reserved" for s in allowed))
            found = state or "not reserved"
            detail = f"{order.status}, with {wanted} of {sku!r} {found}, not {expected}"
            yield Problem(order.id, detail, order.id, (STOCK, RESTOCK))
        elif reservation and reservation.quantity != wanted:
            detail = (
                f"its lines want {wanted} of {sku!r}, its reservation is of {reservation.quantity}"
            )
            yield Problem(order.id, detail, order.id)


INVARIANTS: tuple[Invariant[OurStock] | Invariant[OurOrder], ...] = (
    Invariant(
        "stock.adds_up",
        "on_hand = available + reserved",
        lambda evidence: evidence.ours.stock,
        _shelf_adds_up,
    ),
    Invariant(
        "stock.reserved",
        "reserved = the sum of open reservations",
        lambda evidence: evidence.ours.stock,
        _reserved_by_somebody,
    ),
    Invariant(
        "stock.sold_once",
        "an order has its goods if and only if it was confirmed and not taken back",
        lambda evidence: evidence.ours.orders,
        _sold_once,
    ),
)
