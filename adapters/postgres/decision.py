"""The pivot of an order: confirm or undo, one row, written with all that follows from it on our site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final

from adapters.postgres import fence, stock
from adapters.postgres.attention import relieved
from adapters.postgres.history import LockedOrder, held_until, record
from adapters.postgres.ledger import Ledger, ledger_payments
from adapters.postgres.pool import Connection, load_queries
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.lifecycle import MERCHANT_ACCEPTS, FulfillmentStatus, PaymentStatus, Status
from ordersaga.order import (
    CANCEL_ASKED,
    DECLINED_BY_MERCHANT,
    HOLD_EXPIRED,
    MERCHANT,
    NOBODY_RELEASED_IT,
    Decision,
    Refusal,
    Standing,
    Vote,
)

_sql = load_queries("saga")

NOT_HELD: Final = "not_held"  # somebody's yes is missing at the decision


async def decide(
    connection: Connection,
    ledger: Ledger,
    order: LockedOrder,
    given: Refusal | None,
    *,
    nothing_else: bool,
) -> Decision:
    """See `ordersaga.ports.OwnSite.decide`. `given`: why its workflow does not want it."""
    objection = _objection(order, given)
    if objection is None and order.state.hold is not None:
        await record(connection, order)
        return Decision("held", None, standing_of(order), held_until(order.state.hold))
    if objection is None:
        objection = _lacking(order)
    if not await _write(connection, order, objection):
        return await read_decision(connection, await record(connection, order))
    if objection is None:
        return Decision("confirm", None, standing_of(await _confirm(connection, ledger, order)))
    began = await _begun_elsewhere(connection, order)
    nothing_else = nothing_else and not began
    order = await _undo(connection, ledger, order, objection, nothing_else=nothing_else)
    return Decision("undo", objection, standing_of(order), began=began)


async def read_decision(connection: Connection, order: LockedOrder) -> Decision:
    """The row that is there, whoever wrote it."""
    row = await _sql.read_decision(connection, order_id=order.id)
    failure = Refusal(**row["failure"]) if row["failure"] else None
    began = () if failure is None else await _begun_elsewhere(connection, order)
    return Decision(row["decision"], failure, standing_of(order), began=began)


async def end_undone(
    connection: Connection,
    order: LockedOrder,
    failure: Refusal,
    happenings: Sequence[Happening] = (),
) -> LockedOrder:
    """The order's last event: everything that anybody held is given back."""
    voided_now = {h.data.get("payment_id") for h in happenings}
    never_asked = [
        Happening.of("payment.voided", payment_id=p.id)
        for p in order.state.payments
        if p.status == PaymentStatus.UNPAID and p.id not in voided_now
    ]
    status = Status.CANCELED if failure.is_withdrawal else Status.REJECTED
    last = Happening.of(f"order.{status}", failure=asdict(failure))
    await answer_open(connection, order, cancel="accepted")
    return await record(connection, order, *happenings, *never_asked, *relieved(order), last)


async def answer_open(connection: Connection, order: LockedOrder, *, cancel: str) -> None:
    """Of an order that ends: nobody is left to deliver to what its workflow may not have heard."""
    await _sql.answer_open(connection, order_id=order.id, cancel=cancel)


async def answer_cancels(connection: Connection, order: LockedOrder, answer: str) -> None:
    """Every open one gets the same answer."""
    await _sql.answer_cancels(connection, order_id=order.id, answer=answer)


def standing_of(order: LockedOrder) -> Standing:
    return Standing(order.state.status, order.state.payment_status)


def canceled_parcel(order: LockedOrder) -> list[Happening]:
    """Nobody comes for it, if somebody would have."""
    if order.state.fulfillment_status != FulfillmentStatus.BOOKED:
        return []
    return [Happening.of("parcel.canceled")]


def _objection(order: LockedOrder, given: Refusal | None) -> Refusal | None:
    """Why the order is not confirmed; what somebody has said counts more than that nobody said anything."""
    is_out_of_time = given is not None and given.code == HOLD_EXPIRED
    if given is not None and not is_out_of_time:
        return given
    if order.cancel_requested:
        return CANCEL_ASKED
    if "decline" in order.asked:
        return DECLINED_BY_MERCHANT
    until = held_until(order.state.hold)
    if is_out_of_time or (until is not None and until <= datetime.now(UTC)):
        return _nobody_released(order)
    return None


def _nobody_released(order: LockedOrder) -> Refusal:
    if (order.state.hold or {}).get("kind") == MERCHANT_ACCEPTS:
        return replace(NOBODY_RELEASED_IT, participant="merchant")
    return NOBODY_RELEASED_IT


def _lacking(order: LockedOrder) -> Refusal | None:
    """Whose yes is missing: ours authorized, the others taken whole, the total covered, all reserved.

    Nothing is, unless there is a bug: then undo is right, and waiting for ever is not.
    """
    own_ids = {p.id for p in ledger_payments(order)}
    for payment in order.state.payments:
        is_ours = payment.id in own_ids
        wanted = PaymentStatus.AUTHORIZED if is_ours else PaymentStatus.CAPTURED
        if payment.status != wanted or not (is_ours or payment.is_whole):
            return Refusal("payment", NOT_HELD, f"{payment.id} is {payment.status}")
    if sum(p.amount for p in order.state.payments) != order.total:
        return Refusal("payment", NOT_HELD, "the payments do not come to the total")
    if order.state.fulfillment_status != FulfillmentStatus.BOOKED:
        return Refusal("parcel", NOT_HELD, f"the parcel is {order.state.fulfillment_status}")
    if not order.is_reserved:
        return Refusal("stock", NOT_HELD, "the goods are not reserved")
    return None


async def _write(connection: Connection, order: LockedOrder, objection: Refusal | None) -> bool:
    """False: somebody had decided before."""
    written = await _sql.write_decision(
        connection,
        order_id=order.id,
        decision="confirm" if objection is None else "undo",
        failure=None if objection is None else asdict(objection),
    )
    return written is not None


async def _begun_elsewhere(connection: Connection, order: LockedOrder) -> tuple[str, ...]:
    """The steps that others may have been asked for."""
    own_ids = {p.id for p in ledger_payments(order)}
    steps = [keys.payment_step(p.id) for p in order.state.payments if p.id not in own_ids]
    if order.shipment["carrier"] != MERCHANT:
        steps.append(keys.parcel_step(str(order.shipment["id"])))
    return await fence.begun(connection, order.id, steps) if steps else ()


async def _confirm(connection: Connection, ledger: Ledger, order: LockedOrder) -> LockedOrder:
    """Takes all that our site holds."""
    ours = ledger_payments(order)
    await stock.commit(connection, order)
    await ledger.take(connection, order, ours)
    taken = [Happening.of("payment.captured", payment_id=p.id, amount=p.amount) for p in ours]
    return await record(connection, order, *taken, Happening.of("order.confirmed"))


async def _undo(
    connection: Connection,
    ledger: Ledger,
    order: LockedOrder,
    objection: Refusal,
    *,
    nothing_else: bool,
) -> LockedOrder:
    """Bars our own steps and gives back what they hold; ends the order if that is all."""
    ours = ledger_payments(order)
    parcel_is_ours = order.shipment["carrier"] == MERCHANT
    parcel = [keys.parcel_step(str(order.shipment["id"]))] if parcel_is_ours else []
    steps = [keys.STOCK, *(p.step for p in ours), *parcel]
    await fence.begin_undos(connection, order.id, steps)
    happenings = [*_let_go(order, objection), *await stock.release(connection, order)]
    held = [p for p in ours if order.state.payment(p.id).status == PaymentStatus.AUTHORIZED]
    await ledger.give_back(connection, order, held, source="held")
    happenings += [Happening.of("payment.voided", payment_id=p.id) for p in held]
    if parcel_is_ours:
        happenings += canceled_parcel(order)
    await fence.store_votes(connection, order.id, "undo", [Vote.yes(s) for s in steps])
    if nothing_else:
        return await end_undone(connection, order, objection, happenings)
    happenings.append(Happening.of("order.compensating", failure=asdict(objection)))
    return await record(connection, order, *happenings)


def _let_go(order: LockedOrder, objection: Refusal) -> list[Happening]:
    """An order that is undone is held by nobody."""
    hold = order.state.hold
    if hold is None:
        return []
    return [Happening.of("hold.released", kind=hold["kind"], reason=objection.code)]
