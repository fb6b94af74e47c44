"""An order's state is the fold of its history: `advance` takes it one event further.

The same function writes history (in the transaction of the step that caused the event) and reads it
(in the audit), so that the current row can never be anything but the fold of what happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from ordersaga import lifecycle
from ordersaga.errors import IllegalMove
from ordersaga.lifecycle import (
    FULFILLMENT,
    PAYMENT,
    RETURN,
    STATUS,
    FulfillmentStatus,
    PaymentStatus,
    PaymentSums,
    ReturnStatus,
    Status,
    derive_payment_status,
)
from ordersaga.tracking import DELIVERED, HANDED_OVER

PAYMENT_STATUS: Final = "payment_status"  # the order's derived one, as history names it

ACCEPTED: Final = "order.accepted"
PAYMENTS_ADDED: Final = "payments.added"
RETURN_REQUESTED: Final = "return.requested"

# Worth telling, but no machine moves.
NOTES: Final = frozenset(
    {
        "stock.reserved",
        "stock.refused",
        "stock.released",
        "stock.restocked",
        "payment.refused",  # said no, and still has its hold
        "parcel.refused",
        "parcel.released",  # told to come
        "cancel.requested",
        "cancel.refused",
        "attention.raised",
        "attention.answered",
        "attention.cleared",
        "hold.placed",
        "hold.released",
        "tracking.updated",  # what the carrier says of the parcel
        "receipt.confirmed",  # by the buyer
        "review.given",
        "refund.requested",  # without a return
        "payment.disputed",
    }
)


@dataclass(frozen=True)
class Happening:
    """Something that happened to an order, before its place in history is known."""

    type: str
    data: Mapping[str, JsonValue]

    @classmethod
    def of(cls, type_: str, /, **data: JsonValue) -> Happening:
        return cls(type_, data)


@dataclass(frozen=True)
class Fact:
    """A happening with what it moved: one row of history. `machine` is None where nothing moved."""

    type: str
    machine: str | None
    from_state: str | None
    to_state: str | None
    data: Mapping[str, JsonValue]


@dataclass(frozen=True)
class PaymentState:
    """One payment's standing, in minor units."""

    id: str
    amount: int
    status: str = PaymentStatus.UNPAID
    captured: int = 0
    refunded: int = 0
    failure_code: str | None = None

    @property
    def is_whole(self) -> bool:
        """Exactly what was asked was taken, and is still there."""
        return self.captured - self.refunded == self.amount


@dataclass(frozen=True)
class ReturnState:
    """One return's standing."""

    id: str
    status: str = ReturnStatus.REQUESTED


@dataclass(frozen=True)
class OrderState:
    """Where an order stands after `version` events."""

    status: str = Status.PENDING
    payment_status: str = PaymentStatus.UNPAID
    fulfillment_status: str = FulfillmentStatus.UNFULFILLED
    payments: tuple[PaymentState, ...] = ()
    failure: Mapping[str, JsonValue] | None = None
    attention: Mapping[str, JsonValue] | None = None
    hold: Mapping[str, JsonValue] | None = None
    returns: tuple[ReturnState, ...] = ()
    version: int = 0
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    received_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def windows_from(self) -> datetime | None:
        """Since when the windows after its delivery run: never from before it was confirmed."""
        return windows_from(delivered_at=self.delivered_at, confirmed_at=self.confirmed_at)

    def payment(self, payment_id: str) -> PaymentState:
        """Raises `KeyError` where the order has no such payment."""
        for payment in self.payments:
            if payment.id == payment_id:
                return payment
        raise KeyError(payment_id)

    def return_(self, return_id: str) -> ReturnState:
        """Raises `KeyError` where the order has no such return."""
        for return_ in self.returns:
            if return_.id == return_id:
                return return_
        raise KeyError(return_id)


def windows_from(
    *, delivered_at: datetime | None, confirmed_at: datetime | None
) -> datetime | None:
    """None: not delivered yet. A carrier's clock may say anything."""
    if delivered_at is None or confirmed_at is None:
        return delivered_at
    return max(delivered_at, confirmed_at)


_MACHINE_OF: Final = {
    move.event: machine for machine, moves in lifecycle.MACHINES.items() for move in moves
}


def advance(
    state: OrderState, happening: Happening, occurred_at: datetime
) -> tuple[OrderState, Fact]:
    """The state after `happening`, and the fact to write. Raises `IllegalMove`, changing nothing."""
    state = replace(state, version=state.version + 1)
    if happening.type in (ACCEPTED, PAYMENTS_ADDED):
        return _with_payments(state, happening)
    if happening.type == RETURN_REQUESTED:
        return _with_return(state, happening)
    if happening.type in NOTES:
        return _with_note(state, happening, occurred_at)
    machine = _MACHINE_OF.get(happening.type)
    if machine is None:
        raise IllegalMove(machine="history", state=state.status, move=happening.type)
    if machine == PAYMENT:
        return _with_payment_moved(state, happening, occurred_at)
    if machine == RETURN:
        return _with_return_moved(state, happening)
    before = state.status if machine == STATUS else state.fulfillment_status
    after = lifecycle.move(machine, before, happening.type)
    fact = Fact(happening.type, machine, before, after, happening.data)
    if machine == FULFILLMENT:
        return replace(state, fulfillment_status=after), fact
    failure = _failure(happening) or state.failure
    return _stamped(replace(state, status=after, failure=failure), occurred_at), fact


def fold(events: Iterable[tuple[Happening, datetime]]) -> OrderState:
    """The state that a whole history comes to."""
    state = OrderState()
    for happening, occurred_at in events:
        state, _ = advance(state, happening, occurred_at)
    return state


def _stamped(state: OrderState, at: datetime) -> OrderState:
    """Keeps when the order came to its status."""
    match state.status:
        case Status.CONFIRMED:
            return replace(state, confirmed_at=at)
        case Status.SHIPPED:
            return replace(state, shipped_at=state.shipped_at or at)
        case Status.DELIVERED:
            return replace(state, delivered_at=state.delivered_at or at)
        case Status.COMPLETED:
            return replace(state, completed_at=at)
    return state


def _failure(happening: Happening) -> Mapping[str, JsonValue] | None:
    failure = happening.data.get("failure")
    return failure if isinstance(failure, dict) else None


def _with_payments(state: OrderState, happening: Happening) -> tuple[OrderState, Fact]:
    listed = happening.data.get("payments", [])
    assert isinstance(listed, list)
    added = tuple(
        PaymentState(id=str(p["id"]), amount=int(p["amount"]))  # type: ignore[arg-type]
        for p in listed
        if isinstance(p, dict)
    )
    accepted = happening.type == ACCEPTED
    fact = Fact(
        happening.type,
        STATUS if accepted else None,
        None,
        state.status if accepted else None,
        happening.data,
    )
    return replace(state, payments=state.payments + added), fact


def _with_note(
    state: OrderState, happening: Happening, occurred_at: datetime
) -> tuple[OrderState, Fact]:
    data = happening.data
    fact = Fact(happening.type, None, None, None, data)
    match happening.type:
        case "attention.raised":
            state = replace(state, attention=data)
        case "attention.cleared":
            state = replace(state, attention=None)
        case "hold.placed":
            state = replace(state, hold=data)
        case "hold.released":
            state = replace(state, hold=None)
        case "receipt.confirmed":
            state = replace(state, received_at=occurred_at)
        case "tracking.updated":
            state = _with_parcel_seen(state, str(data["status"]), occurred_at)
        case "payment.refused":
            payment = state.payment(str(data["payment_id"]))
            state = _replace_payment(state, replace(payment, failure_code=str(data["code"])))
    return state, fact


def _with_parcel_seen(state: OrderState, status: str, at: datetime) -> OrderState:
    """The earliest sign counts, in whatever order the carrier's messages come."""
    if status in HANDED_OVER:
        state = replace(state, shipped_at=min(state.shipped_at or at, at))
    if status == DELIVERED:
        state = replace(state, delivered_at=min(state.delivered_at or at, at))
    return state


def _with_return(state: OrderState, happening: Happening) -> tuple[OrderState, Fact]:
    """`data`: `return_id`, `lines`, `amount`."""
    requested = ReturnState(str(happening.data["return_id"]))
    for known in state.returns:
        if known.id == requested.id:
            raise IllegalMove(machine=RETURN, state=known.status, move=happening.type)
    fact = Fact(happening.type, RETURN, None, requested.status, happening.data)
    return replace(state, returns=(*state.returns, requested)), fact


def _with_return_moved(state: OrderState, happening: Happening) -> tuple[OrderState, Fact]:
    """`data`: `return_id`."""
    before = state.return_(str(happening.data["return_id"]))
    after = replace(before, status=lifecycle.move(RETURN, before.status, happening.type))
    returns = tuple(after if r.id == after.id else r for r in state.returns)
    fact = Fact(happening.type, RETURN, before.status, after.status, happening.data)
    return replace(state, returns=returns), fact


def _with_payment_moved(
    state: OrderState, happening: Happening, occurred_at: datetime
) -> tuple[OrderState, Fact]:
    """`data`: `payment_id`; for captured and refunded also `amount`; for failed also `code`.

    More cannot go back than is left of what was taken.
    """
    payment = state.payment(str(happening.data["payment_id"]))
    after = lifecycle.move(PAYMENT, payment.status, happening.type)
    moved = replace(payment, status=after)
    amount = happening.data.get("amount", 0)
    assert isinstance(amount, int)
    if after == PaymentStatus.CAPTURED:
        moved = replace(moved, captured=amount)
    elif after in (PaymentStatus.REFUNDED, PaymentStatus.PARTIALLY_REFUNDED):
        if amount > payment.captured - payment.refunded:
            raise IllegalMove(machine=PAYMENT, state=payment.status, move=happening.type)
        moved = replace(moved, refunded=payment.refunded + amount)
    elif after == PaymentStatus.FAILED:
        moved = replace(moved, failure_code=str(happening.data.get("code", payment.failure_code)))
    before_order = state.payment_status
    state = _replace_payment(state, moved)
    after_order = derive_payment_status(
        PaymentSums(p.status, p.captured, p.refunded) for p in state.payments
    )
    paid_now = after_order == PaymentStatus.CAPTURED and state.paid_at is None
    state = replace(
        state,
        payment_status=after_order,
        paid_at=occurred_at if paid_now else state.paid_at,
    )
    if after_order == before_order:
        return state, Fact(happening.type, None, None, None, happening.data)
    return state, Fact(happening.type, PAYMENT_STATUS, before_order, after_order, happening.data)


def _replace_payment(state: OrderState, payment: PaymentState) -> OrderState:
    return replace(
        state, payments=tuple(payment if p.id == payment.id else p for p in state.payments)
    )
