"""Returns: no more than was bought, for what it cost, and on the shelf again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ordersaga.audit.evidence import Evidence
from ordersaga.audit.findings import Invariant, Problem
from ordersaga.audit.ours import OurLine, OurOrder, OurReservation, OurReturn
from ordersaga.keys import RESTOCK, restock_step
from ordersaga.lifecycle import ReturnStatus, Status

OrderReservation = tuple[OurOrder, OurReservation]

_OVER = frozenset({ReturnStatus.REFUNDED, ReturnStatus.DECLINED})


def _with_returns(evidence: Evidence) -> Iterable[OurOrder]:
    return (order for order in evidence.ours.orders if order.returns)


def _sold(evidence: Evidence) -> Iterable[OrderReservation]:
    return ((o, r) for o in evidence.ours.orders if o.was_confirmed for r in o.reservations)


def _are_of_what_was_bought(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    bought = {line.number: line for line in order.lines}
    units: dict[int, int] = {}
    for return_ in order.returns:
        if return_.status != ReturnStatus.DECLINED:
            for line in return_.lines:
                units[line.line] = units.get(line.line, 0) + line.quantity
    for number, quantity in units.items():
        most = bought[number].quantity if number in bought else 0
        if quantity > most:
            detail = f"{quantity} units of line {number} in its returns, but {most} were bought"
            yield Problem(order.id, detail, order.id)


def _are_worth_it(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    here = [r for r in order.returns if r.is_here_again]
    for line in order.lines:
        yield from _line_brings_back_its_price(order, line, here)
    last = _last_received(order)
    captured = sum(p.captured for p in order.payments)
    is_nothing_left = sum(refund.amount for refund in order.refunds) >= captured
    for return_ in here:
        wanted = sum(line.amount for line in return_.lines)
        if order.is_all_sent_back and return_.id == last:
            wanted += order.shipping_fee
        if return_.amount > wanted or (return_.amount < wanted and not is_nothing_left):
            detail = (
                f"brings back {order.money(return_.amount)}, but its goods are worth "
                f"{order.money(wanted)}, with the shipping fee if they are the last"
            )
            yield Problem(return_.id, detail, order.id)


def _line_brings_back_its_price(
    order: OurOrder, line: OurLine, returns: list[OurReturn]
) -> Iterator[Problem]:
    """All of its units: exactly what it cost. Some: their price, and no more tax than it had."""
    parts = [part for r in returns for part in r.lines if part.line == line.number]
    units, amount = sum(p.quantity for p in parts), sum(p.amount for p in parts)
    price = line.unit_price * units
    least = price + line.tax if units == line.quantity else price
    if units and not least <= amount <= price + line.tax:
        detail = (
            f"{units} of {line.quantity} units of line {line.number} bring back "
            f"{order.money(amount)}, at {order.money(line.unit_price)} each "
            f"and {order.money(line.tax)} of tax in all"
        )
        yield Problem(order.id, detail, order.id)


def _last_received(order: OurOrder) -> str:
    received = [e for e in order.events if e.type == "return.received"]
    return str(received[-1].data.get("return_id", "")) if received else ""


def _are_on_the_shelf(each: OrderReservation, _: Evidence) -> Iterator[Problem]:
    order, reservation = each
    sku, steps = reservation.sku, (RESTOCK, *(restock_step(r.id) for r in order.returns))
    sent_back = order.sent_back.get(sku, 0)
    is_given_back = order.was_reversed and order.is_undone and not order.parcel_is_lost
    expected = reservation.quantity if is_given_back else sent_back
    if reservation.restocked != expected:
        why = "its returns brought" if expected == sent_back else "it was given back, all"
        detail = f"{reservation.restocked} of {sku!r} restocked, but {why} {expected}"
        yield Problem(order.id, detail, order.id, steps)
    told = _restocked_by_history(order, sku)
    if reservation.restocked != told:
        detail = f"{reservation.restocked} of {sku!r} restocked, {told} by its history"
        yield Problem(order.id, detail, order.id, steps)


def _restocked_by_history(order: OurOrder, sku: str) -> int:
    units = 0
    for event in order.events:
        lines = event.data.get("lines") if event.type == "stock.restocked" else None
        for line in lines if isinstance(lines, list) else ():
            if isinstance(line, dict) and line.get("sku") == sku:
                quantity = line.get("quantity")
                units += quantity if isinstance(quantity, int) else 0
    return units


def _is_returned(order: OurOrder, _: Evidence) -> Iterator[Problem]:
    is_back = order.is_all_sent_back and all(r.status in _OVER for r in order.returns)
    if order.status == Status.RETURNED and not (order.was_reversed or is_back):
        yield Problem(order.id, "returned, and not all of it came back", order.id)
    elif order.is_settled and is_back and not order.open_refunds:
        steps = tuple(refund.step for refund in order.refunds)
        yield Problem(order.id, f"{order.status}, and all of it came back", order.id, steps)


INVARIANTS: tuple[Invariant[OurOrder] | Invariant[OrderReservation], ...] = (
    Invariant(
        "returns.bought",
        "no more units of a line are in returns than were bought",
        _with_returns,
        _are_of_what_was_bought,
    ),
    Invariant(
        "returns.worth",
        "received goods bring back their price and share of the tax, and the last the shipping fee",
        _with_returns,
        _are_worth_it,
    ),
    Invariant(
        "returns.shelved",
        "what came back is on the shelf: of returns their units, of an order all, of a lost one none",
        _sold,
        _are_on_the_shelf,
    ),
    Invariant(
        "returns.ended",
        "an order is returned if and only if it was given back, or all its goods came back",
        lambda evidence: evidence.ours.orders,
        _is_returned,
    ),
)
