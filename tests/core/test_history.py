"""An order's state is the fold of its history, whatever happens, legal or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from ordersaga.errors import IllegalMove
from ordersaga.history import (
    ACCEPTED,
    NOTES,
    PAYMENTS_ADDED,
    RETURN_REQUESTED,
    Fact,
    Happening,
    OrderState,
    PaymentState,
    advance,
    fold,
)
from ordersaga.lifecycle import MACHINES, PaymentSums, derive_payment_status
from ordersaga.tracking import TrackingStatus

RETURNED = ("requested", "approved", "received", "refunded")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TENDER: Mapping[str, int] = {"pay_1": 700, "pay_2": 300}  # payment id → amount


def accepted() -> Happening:
    payments: list[JsonValue] = [{"id": id_, "amount": amount} for id_, amount in TENDER.items()]
    return Happening.of(ACCEPTED, payments=payments, total=1000, currency="EUR")


def after(*happenings: Happening) -> OrderState:
    """An accepted order after these, a minute apart."""
    all_of_them = (accepted(), *happenings)
    return fold((h, BEGIN + timedelta(minutes=i)) for i, h in enumerate(all_of_them))


def of_payment(type_: str, payment_id: str = "pay_1", **data: JsonValue) -> Happening:
    return Happening.of(type_, payment_id=payment_id, **data)


def captured(payment_id: str = "pay_1") -> Happening:
    return of_payment("payment.captured", payment_id, amount=TENDER[payment_id])


def refunded(payment_id: str = "pay_1", amount: int | None = None) -> Happening:
    return of_payment("payment.refunded", payment_id, amount=amount or TENDER[payment_id])


FAILURE: dict[str, JsonValue] = {
    "participant": "payment",
    "code": "card_declined",
    "detail": "Your card was declined.",
}


# --- Whatever happens, drawn -------------------------------------------------------------------


@st.composite
def happenings(draw: st.DrawFn) -> Happening:
    """Anything the product knows, in any order: most of it will be refused."""
    moves = sorted(m.event for moves in MACHINES.values() for m in moves)
    others = [*sorted(NOTES), RETURN_REQUESTED, "order.unheard_of"]
    type_ = draw(st.sampled_from([*moves, *others]))
    payment_id = draw(st.sampled_from(sorted(TENDER)))
    if type_.startswith("payment."):
        return of_payment(type_, payment_id, amount=TENDER[payment_id], code="card_declined")
    if type_ in ("order.rejected", "order.canceled", "order.compensating"):
        return Happening.of(type_, failure=FAILURE)
    if type_.startswith("return."):  # (an order may have several; here each is the same one)
        return Happening.of(type_, return_id="ret_1")
    if type_ == "tracking.updated":
        return Happening.of(type_, status=draw(st.sampled_from(sorted(TrackingStatus))))
    if type_ == "attention.raised":
        return Happening.of(type_, step=f"payment:{payment_id}", tries=5)
    return Happening.of(type_)


class Told:
    """A state, and what a history needs to come to it again."""

    def __init__(self) -> None:
        self.state = OrderState()
        self.history: list[tuple[Happening, datetime]] = []
        self.facts: list[Fact] = []
        self.refused = 0

    def happens(self, happening: Happening) -> None:
        before = replace(self.state)
        at = BEGIN + timedelta(seconds=len(self.history))
        try:
            state, fact = advance(self.state, happening, at)
        except (IllegalMove, KeyError):  # KeyError: of a return that nobody asked for
            self.refused += 1
            assert self.state == before, "a refused happening changed something"
            return
        assert self.state == before, "the state that is left behind is not touched"
        self.state = state
        self.history.append((happening, at))
        self.facts.append(fact)


@settings(max_examples=200)
@given(drawn=st.lists(happenings(), max_size=25))
def test_the_fold_of_a_history_is_the_state_step_by_step(drawn: list[Happening]) -> None:
    told = Told()
    told.happens(accepted())
    for happening in drawn:
        told.happens(happening)
    assert fold(told.history) == told.state
    assert told.state.version == len(told.history) == 1 + len(drawn) - told.refused


@settings(max_examples=200)
@given(drawn=st.lists(happenings(), max_size=25))
def test_facts_chain_each_begins_where_the_last_of_its_machine_ended(
    drawn: list[Happening],
) -> None:
    told = Told()
    told.happens(accepted())
    standing: dict[str, str | None] = {
        "return": None,
        "status": "pending",
        "payment_status": "unpaid",
        "fulfillment_status": "unfulfilled",
    }
    for happening in drawn:
        told.happens(happening)
    for fact in told.facts[1:]:
        if fact.machine is None:
            assert fact.from_state is None
            assert fact.to_state is None
            continue
        assert fact.from_state == standing[fact.machine]
        assert fact.to_state is not None
        standing[fact.machine] = fact.to_state
    returned = [return_.status for return_ in told.state.returns]
    assert standing == {
        "return": returned[-1] if returned else None,
        "status": told.state.status,
        "payment_status": told.state.payment_status,
        "fulfillment_status": told.state.fulfillment_status,
    }


@settings(max_examples=200)
@given(drawn=st.lists(happenings(), max_size=25))
def test_no_history_gives_back_more_than_was_taken_or_takes_more_than_once(
    drawn: list[Happening],
) -> None:
    told = Told()
    told.happens(accepted())
    for happening in drawn:
        told.happens(happening)
        for payment in told.state.payments:
            assert 0 <= payment.refunded <= payment.captured <= payment.amount
        assert told.state.payment_status == derive_payment_status(
            PaymentSums(p.status, p.captured, p.refunded) for p in told.state.payments
        )


@settings(max_examples=200)
@given(drawn=st.lists(happenings(), max_size=25))
def test_a_happening_of_one_payment_leaves_the_others_alone(drawn: list[Happening]) -> None:
    told = Told()
    told.happens(accepted())
    for happening in drawn:
        before = {p.id: p for p in told.state.payments}
        told.happens(happening)
        touched = happening.data.get("payment_id")
        assert {p.id: p for p in told.state.payments if p.id != touched} == {
            id_: p for id_, p in before.items() if id_ != touched
        }
        assert [(p.id, p.amount) for p in told.state.payments] == list(TENDER.items())


# --- By hand -----------------------------------------------------------------------------------


def test_an_accepted_order_is_pending_and_has_its_payments_unpaid() -> None:
    state, fact = advance(OrderState(), accepted(), BEGIN)
    assert (state.status, state.payment_status, state.version) == ("pending", "unpaid", 1)
    assert state.payments == (PaymentState("pay_1", 700), PaymentState("pay_2", 300))
    assert (fact.machine, fact.from_state, fact.to_state) == ("status", None, "pending")


def test_payments_of_an_order_that_had_none_are_added() -> None:
    bare = Happening.of(ACCEPTED, payments=[], total=500, currency="EUR")
    added = Happening.of(PAYMENTS_ADDED, payments=[{"id": "pay_1", "amount": 500}])
    state = fold([(bare, BEGIN), (added, BEGIN)])
    assert state.payments == (PaymentState("pay_1", 500),)
    assert (state.status, state.payment_status, state.version) == ("pending", "unpaid", 2)


def test_an_order_on_its_way_to_its_buyer_keeps_when_it_came_to_each_status() -> None:
    state = after(
        Happening.of("parcel.booked"),
        captured("pay_1"),
        captured("pay_2"),
        Happening.of("order.confirmed"),
        Happening.of("parcel.shipped"),
        Happening.of("order.shipped"),
        Happening.of("parcel.delivered"),
        Happening.of("order.delivered"),
        Happening.of("order.completed"),
    )
    stamps = (
        state.paid_at,
        state.confirmed_at,
        state.shipped_at,
        state.delivered_at,
        state.completed_at,
    )
    assert stamps == tuple(BEGIN + timedelta(minutes=m) for m in (3, 4, 6, 8, 9))
    assert (state.status, state.payment_status, state.fulfillment_status) == (
        "completed",
        "captured",
        "delivered",
    )


def test_an_order_is_paid_when_the_last_payment_is_and_stays_so_when_it_is_refunded() -> None:
    assert after(captured("pay_1")).paid_at is None
    paid = after(captured("pay_1"), captured("pay_2"))
    assert paid.paid_at == BEGIN + timedelta(minutes=2)
    assert after(captured("pay_1"), captured("pay_2"), refunded("pay_1")).paid_at == paid.paid_at


def test_only_the_last_refund_makes_the_order_refunded() -> None:
    some = after(captured("pay_1"), captured("pay_2"), refunded("pay_1"))
    assert some.payment_status == "partially_refunded"
    all_ = after(captured("pay_1"), captured("pay_2"), refunded("pay_1"), refunded("pay_2"))
    assert all_.payment_status == "refunded"


def test_partial_refunds_add_up() -> None:
    partly = of_payment("payment.partially_refunded", amount=200)
    state = after(captured(), partly, partly, refunded(amount=300))
    assert state.payment("pay_1") == PaymentState("pay_1", 700, "refunded", 700, 700)


def test_why_an_order_was_undone_stays_to_its_end() -> None:
    compensating = Happening.of("order.compensating", failure=FAILURE)
    assert after(compensating).failure == FAILURE
    assert after(compensating, Happening.of("order.rejected")).failure == FAILURE


def test_attention_is_there_from_raised_to_cleared() -> None:
    raised = Happening.of("attention.raised", step="payment:pay_1", tries=5)
    assert after(raised).attention == {"step": "payment:pay_1", "tries": 5}
    assert after(raised, Happening.of("attention.cleared")).attention is None


def test_a_refused_capture_leaves_the_hold_and_remembers_why() -> None:
    state = after(
        of_payment("payment.authorized"), of_payment("payment.refused", code="capture_declined")
    )
    assert state.payment("pay_1") == PaymentState(
        "pay_1", 700, "authorized", failure_code="capture_declined"
    )


def test_more_than_is_left_of_what_was_taken_cannot_go_back() -> None:
    """And refused, it changes nothing: two parts of a payment are not more than the payment."""
    state = after(
        of_payment("payment.captured", amount=700),
        of_payment("payment.partially_refunded", amount=500),
    )
    for type_ in ("payment.partially_refunded", "payment.refunded"):
        with pytest.raises(IllegalMove):
            advance(state, of_payment(type_, amount=201), BEGIN)
    assert state.payment("pay_1").refunded == 500
    state, _ = advance(state, of_payment("payment.refunded", amount=200), BEGIN)
    assert state.payment("pay_1").refunded == 700


@pytest.mark.parametrize("type_", sorted(NOTES - {"payment.refused"}))
def test_a_note_moves_no_machine(type_: str) -> None:
    before = after()
    state, fact = advance(before, Happening.of(type_, status="delayed"), BEGIN)
    assert (fact.machine, fact.from_state, fact.to_state) == (None, None, None)
    assert (state.status, state.payments, state.returns) == ("pending", before.payments, ())
    assert state.fulfillment_status == before.fulfillment_status


def test_a_hold_is_there_from_placed_to_released() -> None:
    placed = Happening.of("hold.placed", kind="operator", reason="odd", by="key_1")
    assert after(placed).hold == {"kind": "operator", "reason": "odd", "by": "key_1"}
    assert after(placed, Happening.of("hold.released")).hold is None


def test_the_earliest_sign_says_when_a_parcel_was_shipped() -> None:
    """Whichever of the carrier's messages comes first."""
    seen = [
        (Happening.of("tracking.updated", status="delivered"), BEGIN + timedelta(days=3)),
        (Happening.of("tracking.updated", status="picked_up"), BEGIN + timedelta(days=1)),
        (Happening.of("tracking.updated", status="delayed"), BEGIN),
    ]
    for told in (seen, seen[::-1]):
        state = fold([(accepted(), BEGIN), *told])
        assert state.shipped_at == BEGIN + timedelta(days=1)
        assert state.delivered_at == BEGIN + timedelta(days=3)


def test_a_return_goes_its_way_beside_the_order() -> None:
    told = [Happening.of(f"return.{verb}", return_id="ret_1") for verb in RETURNED]
    state = after(*told)
    assert (state.return_("ret_1").status, state.status) == ("refunded", "pending")
    with pytest.raises(IllegalMove):
        advance(state, Happening.of("return.declined", return_id="ret_1"), BEGIN)


def test_a_happening_nobody_knows_is_refused() -> None:
    with pytest.raises(IllegalMove):
        advance(after(), Happening.of("order.teleported"), BEGIN)


def test_a_happening_of_a_payment_the_order_does_not_have_changes_nothing() -> None:
    before = after()
    with pytest.raises(KeyError):
        advance(before, of_payment("payment.captured", "pay_9", amount=1), BEGIN)
    assert before == after()
