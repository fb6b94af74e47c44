"""The three machines: every state with every event, and the payment status that is derived."""

from __future__ import annotations

import itertools
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersaga.errors import IllegalMove
from ordersaga.lifecycle import (
    FINAL,
    FULFILLMENT,
    MACHINES,
    PAYMENT,
    STATUS,
    UNDECIDED,
    FulfillmentStatus,
    Move,
    PaymentStatus,
    PaymentSums,
    Status,
    allowed_requests,
    derive_payment_status,
    move,
)

STATES: dict[str, type[StrEnum]] = {
    STATUS: Status,
    PAYMENT: PaymentStatus,
    FULFILLMENT: FulfillmentStatus,
}
EVENTS = {machine: sorted({m.event for m in moves}) for machine, moves in MACHINES.items()}
EVERY_STATE_AND_EVENT = [
    (machine, str(state), event)
    for machine, states in STATES.items()
    for state in states
    for event in sorted({event for events in EVENTS.values() for event in events})
]


def _move_in_table(machine: str, state: str, event: str) -> Move | None:
    found = [m for m in MACHINES[machine] if m.event == event and state in m.sources]
    assert len(found) <= 1, f"{machine} {state} {event} is in two rows of the table"
    return found[0] if found else None


@pytest.mark.parametrize(("machine", "state", "event"), EVERY_STATE_AND_EVENT)
def test_every_state_and_event_is_a_row_of_the_table_or_refused(
    machine: str, state: str, event: str
) -> None:
    row = _move_in_table(machine, state, event)
    if row is not None:
        assert move(machine, state, event) == row.target
        return
    with pytest.raises(IllegalMove) as refused:
        move(machine, state, event)
    assert (refused.value.machine, refused.value.state, refused.value.move) == (
        machine,
        state,
        event,
    )


def test_an_unknown_machine_state_or_event_is_refused() -> None:
    for asked in [
        ("weather", "pending", "order.confirmed"),
        (STATUS, "lost", "order.confirmed"),
        (STATUS, "pending", "order.exploded"),
    ]:
        with pytest.raises(IllegalMove):
            move(*asked)


def test_an_event_belongs_to_one_machine_only() -> None:
    seen = [event for events in EVENTS.values() for event in events]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_every_state_can_be_reached_and_every_move_has_a_reason(machine: str) -> None:
    states = [str(state) for state in STATES[machine]]
    reached = {states[0]}
    while True:
        further = {m.target for m in MACHINES[machine] if reached & set(m.sources)}
        if further <= reached:
            break
        reached |= further
    assert reached == set(states)
    assert all(m.reason for m in MACHINES[machine])


# What must not happen, said without the table.

NEVER_TWICE = [
    # (machine, what has happened, what may then not happen any more)
    (STATUS, "order.confirmed", "order.confirmed"),
    (STATUS, "order.compensating", "order.confirmed"),
    (STATUS, "order.rejected", "order.confirmed"),
    (STATUS, "order.canceled", "order.confirmed"),
    (STATUS, "order.confirmed", "order.rejected"),
    (STATUS, "order.confirmed", "order.canceled"),
    (STATUS, "order.confirmed", "order.compensating"),
    (STATUS, "order.reversing", "order.shipped"),
    (PAYMENT, "payment.captured", "payment.captured"),
    (PAYMENT, "payment.captured", "payment.authorized"),
    (PAYMENT, "payment.captured", "payment.voided"),
    (PAYMENT, "payment.captured", "payment.failed"),
    (PAYMENT, "payment.voided", "payment.captured"),
    (PAYMENT, "payment.voided", "payment.refunded"),
    (PAYMENT, "payment.refunded", "payment.refunded"),
    (PAYMENT, "payment.refunded", "payment.partially_refunded"),
    (FULFILLMENT, "parcel.canceled", "parcel.booked"),
    (FULFILLMENT, "parcel.canceled", "parcel.shipped"),
    (FULFILLMENT, "parcel.shipped", "parcel.canceled"),
    (FULFILLMENT, "parcel.delivered", "parcel.canceled"),
]


@pytest.mark.parametrize(("machine", "first", "then"), NEVER_TWICE)
def test_what_would_take_or_give_money_twice_is_refused(
    machine: str, first: str, then: str
) -> None:
    targets = {m.target for m in MACHINES[machine] if m.event == first}
    assert targets
    for state in targets:
        with pytest.raises(IllegalMove):
            move(machine, state, then)


@pytest.mark.parametrize("state", [Status.REJECTED, Status.CANCELED, Status.RETURNED])
def test_nothing_follows_an_order_that_was_given_back(state: Status) -> None:
    assert not [m for m in MACHINES[STATUS] if state in m.sources]
    assert state in FINAL
    assert state not in UNDECIDED


# --- The order's payment status, by the words of the API's contract -----------------------------


def unpaid() -> PaymentSums:
    return PaymentSums("unpaid", 0, 0)


def waiting() -> PaymentSums:
    return PaymentSums("requires_action", 0, 0)


def held() -> PaymentSums:
    return PaymentSums("authorized", 0, 0)


def taken(amount: int = 500) -> PaymentSums:
    return PaymentSums("captured", amount, 0)


def partly_back(back: int = 200, of: int = 500) -> PaymentSums:
    return PaymentSums("partially_refunded", of, back)


def back(amount: int = 500) -> PaymentSums:
    return PaymentSums("refunded", amount, amount)


def voided() -> PaymentSums:
    return PaymentSums("voided", 0, 0)


def failed() -> PaymentSums:
    return PaymentSums("failed", 0, 0)


CONTRACT = [
    ("no payment at all", [], "unpaid"),
    ("nobody was asked yet", [unpaid()], "unpaid"),
    ("one of two was asked", [unpaid(), held()], "unpaid"),
    ("all captured", [taken()], "captured"),
    ("all captured, split tender", [taken(), taken(300)], "captured"),
    ("captured and some back", [partly_back()], "partially_refunded"),
    ("one captured, one given back", [taken(), back()], "partially_refunded"),
    ("one given back, one still held", [back(), held()], "partially_refunded"),
    ("one given back, one still waits for its payer", [back(), waiting()], "partially_refunded"),
    ("all back", [back()], "refunded"),
    ("all back, split tender", [back(), back(300)], "refunded"),
    ("all that was taken is back, the rest was never taken", [back(), voided()], "refunded"),
    ("all that was taken is back, the rest was refused", [back(), failed()], "refunded"),
    ("every hold there", [held()], "authorized"),
    ("every hold there, split tender", [held(), held()], "authorized"),
    ("captured one by one: one taken, one still held", [taken(), held()], "authorized"),
    ("one waits for its payer", [waiting()], "requires_action"),
    ("one held, one waits for its payer", [held(), waiting()], "requires_action"),
    ("one taken, one waits for its payer", [taken(), waiting()], "requires_action"),
    ("nothing left, nothing was taken", [voided()], "voided"),
    ("nothing left, nothing was taken, split tender", [voided(), voided()], "voided"),
    ("nothing left and one said no", [failed()], "failed"),
    ("nothing left and one of two said no", [voided(), failed()], "failed"),
    ("one said no, the other still has its hold", [failed(), held()], "unpaid"),
]


@pytest.mark.parametrize(
    ("payments", "expected"),
    [(payments, expected) for _, payments, expected in CONTRACT],
    ids=[name for name, _, _ in CONTRACT],
)
def test_the_payment_status_says_what_the_contract_says(
    payments: list[PaymentSums], expected: str
) -> None:
    for order in itertools.permutations(payments):
        assert derive_payment_status(order) == expected


@st.composite
def possible_payments(draw: st.DrawFn) -> PaymentSums:
    """A payment as its own machine can leave it: sums that fit its status."""
    captured = draw(st.integers(min_value=1, max_value=10**12))
    match draw(st.sampled_from(PaymentStatus)):
        case PaymentStatus.CAPTURED:
            return taken(captured)
        case PaymentStatus.PARTIALLY_REFUNDED if captured > 1:
            return partly_back(draw(st.integers(min_value=1, max_value=captured - 1)), captured)
        case PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
            return back(captured)
        case status:
            return PaymentSums(status, 0, 0)


tenders = st.lists(possible_payments(), max_size=5)


@given(payments=tenders, data=st.data())
def test_the_payment_status_does_not_depend_on_the_order_of_payments(
    payments: list[PaymentSums], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(payments))
    assert derive_payment_status(shuffled) == derive_payment_status(payments)


@given(payments=tenders)
def test_the_payment_status_never_says_more_than_the_sums(payments: list[PaymentSums]) -> None:
    captured = sum(p.captured for p in payments)
    refunded = sum(p.refunded for p in payments)
    match derive_payment_status(payments):
        case PaymentStatus.CAPTURED:
            assert captured > 0
            assert refunded == 0
            assert all(p.status == "captured" for p in payments)
        case PaymentStatus.PARTIALLY_REFUNDED:
            assert 0 < refunded <= captured
        case PaymentStatus.REFUNDED:
            assert 0 < refunded == captured
            assert not {"authorized", "requires_action"} & {p.status for p in payments}
        case PaymentStatus.VOIDED | PaymentStatus.FAILED:
            assert captured == refunded == 0
            assert {p.status for p in payments} <= {"voided", "failed"}
        case PaymentStatus.AUTHORIZED | PaymentStatus.REQUIRES_ACTION | PaymentStatus.UNPAID:
            assert refunded == 0, "money that went back is always told"


@given(payments=tenders)
def test_money_that_went_back_is_told_whatever_the_other_payments_do(
    payments: list[PaymentSums],
) -> None:
    told = derive_payment_status([*payments, back()])
    assert told in (PaymentStatus.REFUNDED, PaymentStatus.PARTIALLY_REFUNDED)


# --- What may be asked of an order ---------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
def test_a_cancel_can_be_asked_before_the_carrier_has_the_parcel_and_not_after(
    status: Status,
) -> None:
    allowed = allowed_requests(status=status, has_payments=True, total=500, in_attention=False)
    assert ("cancel" in allowed) == (status in ("pending", "confirmed"))


@pytest.mark.parametrize(
    ("status", "has_payments", "total", "payable"),
    [
        ("pending", False, 500, True),
        ("pending", True, 500, False),
        ("pending", False, 0, False),
        ("compensating", False, 500, False),
        ("canceled", False, 500, False),
        ("confirmed", False, 500, False),
    ],
)
def test_an_order_is_paid_once_and_only_while_it_is_pending(
    *, status: str, has_payments: bool, total: int, payable: bool
) -> None:
    allowed = allowed_requests(
        status=status, has_payments=has_payments, total=total, in_attention=False
    )
    assert ("pay" in allowed) == payable


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("in_attention", [True, False])
def test_an_operator_can_answer_attention_in_whatever_state(
    *, status: Status, in_attention: bool
) -> None:
    allowed = allowed_requests(
        status=status, has_payments=True, total=500, in_attention=in_attention
    )
    assert ("attention" in allowed) == in_attention
