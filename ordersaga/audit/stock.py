"""Stock: the shelf adds up, and nothing is sold twice."""

from __future__ import annotations

from collections.abc import Iterator

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurOrder, OurStock
from ordersaga.keys import RESTOCK, STOCK
from ordersaga.lifecycle import Status

# What a reservation may be, by where its order is. `None` in the set: it may also not be there.
_FREE = frozenset({"released", None})
_BACK = frozenset({"restocked", "committed"})  # while it is given back
_SOLD = frozenset({"committed"})
_RESTOCKED = frozenset({"restocked"})


def _states_allowed(order: OurOrder, sku: str) -> frozenset[str | None]:
    if not order.was_confirmed:
        return frozenset({"reserved", None}) if order.status == Status.PENDING else _FREE
    if order.is_undecided:
        return _BACK
    is_sent_back = order.sent_back.get(sku, 0) == order.demand.get(sku)
    is_given_back = order.was_reversed and order.is_undone and not order.parcel_is_lost
    return _RESTOCKED if is_sent_back or is_given_back else _SOLD


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
    taken = {r.sku: r for r in order.reservations}
    for sku in sorted(order.demand.keys() | taken.keys()):
        wanted, reservation = order.demand.get(sku, 0), taken.get(sku)
        state = reservation.state if reservation else None
        allowed = _states_allowed(order, sku)
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
