"""The machines: every state with every event, and the payment status that is derived."""

from __future__ import annotations

import itertools
from dataclasses import replace
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
    RETURN,
    STATUS,
    UNDECIDED,
    Circumstances,
    FulfillmentStatus,
    Move,
    PaymentStatus,
    PaymentSums,
    ReturnStatus,
    Status,
    allowed_requests,
    allowed_return_requests,
    derive_payment_status,
    move,
)

STATES: dict[str, type[StrEnum]] = {
    STATUS: Status,
    PAYMENT: PaymentStatus,
    FULFILLMENT: FulfillmentStatus,
    RETURN: ReturnStatus,
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
    (PAYMENT, "payment.refunded", "payment.captured"),
    (PAYMENT, "payment.voided", "payment.refunded"),
    (PAYMENT, "payment.refunded", "payment.refunded"),
    (PAYMENT, "payment.refunded", "payment.partially_refunded"),
    (FULFILLMENT, "parcel.canceled", "parcel.booked"),
    (FULFILLMENT, "parcel.canceled", "parcel.shipped"),
    (FULFILLMENT, "parcel.shipped", "parcel.canceled"),
    (FULFILLMENT, "parcel.delivered", "parcel.canceled"),
    (RETURN, "return.received", "return.received"),
    (RETURN, "return.received", "return.declined"),
    (RETURN, "return.declined", "return.received"),
    (RETURN, "return.refunded", "return.received"),
    (RETURN, "return.refunded", "return.refunded"),
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

PLAIN = Circumstances(
    total=500,
    has_payments=True,
    is_ours_to_ship=True,
    in_attention=False,
    cancel_is_open=False,
    held_by=None,
    is_returnable=True,
    is_refundable=True,
    is_reviewed=False,
)
EVERYTHING = {
    "pending": {"hold", "cancel"},
    "confirmed": {"ship", "cancel", "refunds"},
    "shipped": {"confirm-receipt", "refunds"},
    "delivered": {"confirm-receipt", "returns", "refunds"},
    "completed": {"returns", "review", "refunds"},
    "compensating": set(),
    "rejected": set(),
    "canceled": set(),
    "returned": set(),
}


def allowed(status: str, **circumstances: object) -> set[str]:
    """What a plain order takes, but for these circumstances."""
    return set(allowed_requests(status, replace(PLAIN, **circumstances)))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", list(Status))
def test_an_order_takes_what_its_status_allows_and_nothing_else(status: Status) -> None:
    assert allowed(status) == EVERYTHING[status]


@pytest.mark.parametrize(
    ("status", "circumstances", "request_", "is_allowed"),
    [
        ("pending", {"has_payments": False}, "pay", True),
        ("pending", {"has_payments": False, "total": 0}, "pay", False),
        ("compensating", {"has_payments": False}, "pay", False),
        ("canceled", {"has_payments": False}, "pay", False),
        ("confirmed", {"has_payments": False}, "pay", False),
        ("pending", {"held_by": "operator"}, "hold", False),
        ("pending", {"cancel_is_open": True}, "hold", False),
        ("pending", {"held_by": "operator"}, "release", True),
        ("pending", {"held_by": "rule"}, "release", True),
        ("pending", {"held_by": "merchant"}, "release", False),
        ("compensating", {"held_by": "operator"}, "release", False),
        ("pending", {"held_by": "operator", "cancel_is_open": True}, "release", False),
        ("pending", {"held_by": "merchant"}, "accept", True),
        ("pending", {"held_by": "merchant"}, "decline", True),
        ("pending", {"held_by": "operator"}, "accept", False),
        ("pending", {"held_by": "rule"}, "decline", False),
        ("compensating", {"held_by": "merchant"}, "accept", False),
        ("pending", {"held_by": "merchant", "cancel_is_open": True}, "accept", False),
        ("pending", {"held_by": "merchant", "cancel_is_open": True}, "decline", False),
        ("confirmed", {"is_ours_to_ship": False}, "ship", False),
        ("confirmed", {"cancel_is_open": True}, "ship", False),
        ("confirmed", {"cancel_is_open": True}, "cancel", True),
        ("delivered", {"is_returnable": False}, "returns", False),
        ("completed", {"is_returnable": False}, "returns", False),
        ("completed", {"is_reviewed": True}, "review", False),
        ("confirmed", {"is_refundable": False}, "refunds", False),
        ("completed", {"is_refundable": False}, "refunds", False),
    ],
)
def test_its_circumstances_can_still_refuse(
    *, status: str, circumstances: dict[str, object], request_: str, is_allowed: bool
) -> None:
    assert (request_ in allowed(status, **circumstances)) == is_allowed


@pytest.mark.parametrize("status", list(Status))
def test_an_operator_can_answer_attention_in_whatever_state(status: Status) -> None:
    assert allowed(status, in_attention=True) == EVERYTHING[status] | {"attention"}


@pytest.mark.parametrize(
    ("return_status", "expected"),
    [
        ("requested", ("approve", "decline")),
        ("approved", ("decline", "receive")),
        ("received", ()),
        ("refunded", ()),
        ("declined", ()),
    ],
)
def test_a_return_is_approved_then_received_or_declined_before_that(
    return_status: str, expected: tuple[str, ...]
) -> None:
    for status in ("delivered", "completed"):
        assert allowed_return_requests(status, return_status) == expected


@pytest.mark.parametrize("status", ["compensating", "returned"])
def test_goods_of_an_order_that_goes_back_as_a_whole_do_not_come_back_once_more(
    status: str,
) -> None:
    assert allowed_return_requests(status, "requested") == ("decline",)
    assert allowed_return_requests(status, "approved") == ("decline",)
