"""Every kind of violation, planted into orders that are right, is found; and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ordersaga.audit import INVARIANTS, Books, Judgement, judge
from ordersaga.audit.ours import OurFenceRow, OurMessage, OurParked, OurRefund, OurRequest
from tests.audit.builder import LONG_AGO, NOW, Scene
from tests.audit.planted import (
    CARD,
    PLANTED,
    canceled_boleto,
    confirmed,
    in_carrier_book,
    in_order,
    in_provider_book,
    refunded_in_part,
    rejected,
    sent_back,
    split_tender,
    voucher_held,
)
from tests.audit.planted_outbox import PLANTED_OUTBOX, forgotten
from tests.audit.planted_outside import (
    PLANTED_OUTSIDE,
    all_returned,
    delivered,
    one_returned,
    paid_by_voucher,
    slip_paid_late,
    unpaid_slip,
)
from tests.audit.tables import clean

ALL_PLANTED = PLANTED | PLANTED_OUTSIDE | PLANTED_OUTBOX

CLEAN: dict[str, Callable[[], Scene]] = {
    "confirmed": confirmed,
    "confirmed, by the merchant": lambda: Scene(carrier="merchant").held().confirmed(),
    "confirmed, split tender": lambda: split_tender().held().confirmed(),
    "confirmed, then refunded in part": refunded_in_part,
    "rejected before anything was held": lambda: Scene().undone(),
    "rejected, all released": rejected,
    "rejected, split tender": lambda: split_tender().held().undone(),
    "canceled, boleto as store credit": canceled_boleto,
    "canceled after it was confirmed": lambda: split_tender().held().confirmed().reversed(),
    "canceled, its slip never paid": unpaid_slip,
    "canceled, its slip paid late": slip_paid_late,
    "confirmed, then refunded in part to its voucher": paid_by_voucher,
    "shipped": lambda: confirmed().seen("pre_transit").seen("in_transit"),
    "delivered": delivered,
    "delivered, then said to be lost": lambda: delivered().seen("lost"),
    "delivered, completed": lambda: delivered().happened("order.completed"),
    "delivered, completed, then said to be lost": lambda: (
        delivered().happened("order.completed").seen("lost")
    ),
    "lost": lambda: Scene().lost(),
    "returned to its sender": lambda: Scene().returned_to_sender(),
    "returned by half": one_returned,
    "returned, one by one": all_returned,
    "held, then confirmed": lambda: (
        Scene().happened("hold.placed", kind="rule").happened("hold.released").held().confirmed()
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_an_order_that_is_right_has_no_violation(name: str) -> None:
    judgement = judge(*clean(CLEAN[name]().order()))
    assert judgement.violations == ()
    assert judgement.explained == ()
    assert judgement.in_flight == ()


@pytest.mark.parametrize("name", ALL_PLANTED)
def test_a_planted_violation_is_found_and_named(name: str) -> None:
    scene, plant, invariant = ALL_PLANTED[name]
    judgement = judge(*plant(*clean(scene().order())))
    found = [v for v in judgement.violations if v.invariant == invariant]
    assert found, f"only {judgement.violations}"
    assert all(v.detail and v.subject for v in found)


def test_every_invariant_has_a_violation_planted() -> None:
    assert {i.name for i in INVARIANTS} == {invariant for _, _, invariant in ALL_PLANTED.values()}


def test_every_invariant_was_asked_of_something() -> None:
    orders = [one_returned(), Scene(id="ord_2").held().undone()]
    judgement = judge(*clean(*(scene.order() for scene in orders)))
    assert {name for name, count in judgement.checked.items() if count == 0} == set()


# --- On their way, and explained ----------------------------------------------------------------


def moved(scene: Scene, ago_s: float) -> Judgement:
    ours, books = clean(replace(scene.order(), updated_at=NOW - timedelta(seconds=ago_s)))
    return judge(ours, books, settle_s=60)


def test_a_pending_order_that_moved_just_now_is_on_its_way() -> None:
    assert moved(voucher_held(), ago_s=59).in_flight == ("ord_1",)
    assert moved(voucher_held(), ago_s=59).violations == ()
    assert [v.invariant for v in moved(voucher_held(), ago_s=61).violations] == ["orders.ended"]


def test_an_order_that_waits_for_its_payer_is_explained() -> None:
    scene = Scene(tender=(("boleto", 700),)).held()
    scene.happened("payment.requires_action", payment_id="pay_ord_1_boleto")
    judgement = moved(scene, ago_s=3600)
    assert judgement.violations == ()
    assert [e.order_id for e in judgement.explained] == ["ord_1"]
    assert "waits for its payer" in judgement.explained[0].reason


def test_a_slips_own_deadline_counts_and_not_its_orders() -> None:
    scene = Scene(tender=(("boleto", 700),)).held()
    scene.happened("payment.requires_action", payment_id="pay_ord_1_boleto")
    order = scene.order()
    waiting = replace(order.payments[0], expires_at=NOW + timedelta(days=6))
    over = NOW - timedelta(days=1)
    judgement = judge(*clean(replace(order, deadline=over, payments=(waiting,))))
    assert judgement.violations == ()
    assert f"until {waiting.expires_at:%F}" in judgement.explained[0].reason


def test_a_held_order_is_explained_until_its_hold_is_over() -> None:
    def held(until: datetime) -> Judgement:
        scene = Scene().held().happened("hold.placed", kind="merchant", until=until.isoformat())
        return moved(scene, ago_s=3600)

    waiting = held(NOW + timedelta(minutes=1))
    assert waiting.violations == ()
    assert "is held (merchant) until 2026-01-01 12:01" in waiting.explained[0].reason
    over = held(NOW - timedelta(minutes=5))
    assert [v.invariant for v in over.violations] == ["orders.ended"]


def promised(ago_s: float) -> Judgement:
    """100 of the card go back: its provider has them on their way, our tables do not know it yet."""
    scene = confirmed().happened("refund.requested", request="req_1", amount=100)
    at = NOW - timedelta(seconds=ago_s)
    open_refund = OurRefund("rfd_1", CARD, 100, "request", None, "req_1", None, at)
    made = in_provider_book(refunds=(sent_back(100, "ord_1:refund:rfd_1:1:hold"),))
    return judge(*made(*clean(replace(scene.order(), refunds=(open_refund,)))), settle_s=60)


def test_a_refund_on_its_way_may_be_in_the_providers_books_and_not_in_ours() -> None:
    assert promised(ago_s=59).violations == ()
    assert promised(ago_s=59).in_flight == ("ord_1",)
    assert [v.invariant for v in promised(ago_s=61).violations] == ["refunds.made"]


def test_a_message_on_its_way_may_tell_of_what_our_tables_do_not_know() -> None:
    told = OurMessage("payments/stripe", "payment.captured", NOW - timedelta(seconds=3))
    late = in_provider_book(state="taken", received=700)
    judgement = judge(*late(*clean(replace(unpaid_slip().order(), messages=(told,)))))
    assert judgement.violations == ()
    assert judgement.in_flight == ("ord_1",)


def test_the_oldest_events_may_be_forgotten() -> None:
    assert judge(*forgotten(1, 2)(*clean(confirmed().order()))).violations == ()
    everything = range(1, len(confirmed().events) + 1)
    assert judge(*forgotten(*everything)(*clean(confirmed().order()))).violations == ()


def test_an_order_that_a_sink_does_not_take_is_explained() -> None:
    def parked(ago_s: float) -> Judgement:
        refused = OurParked("rabbitmq", 3, "too large", NOW - timedelta(seconds=ago_s))
        return judge(*clean(replace(confirmed().order(), parked=(refused,))), settle_s=60)

    assert parked(ago_s=59).explained == ()
    (explained,) = parked(ago_s=61).explained
    assert "rabbitmq does not take its event 3" in explained.reason
    assert parked(ago_s=61).violations == ()


def test_an_order_in_attention_is_explained_and_not_forgotten() -> None:
    scene = Scene().held()
    scene.decision = "undo"
    scene.happened("order.compensating", failure={"code": "canceled"})
    scene.reservation = "released"
    scene.fence += [OurFenceRow(r.step, 1, "undo", None) for r in scene.fence]
    scene.happened(
        "attention.raised", step=f"payment:{CARD}", tries=8, error="HTTP 503", since="09:00"
    )
    judgement = moved(scene, ago_s=3600)
    assert judgement.violations == ()
    assert "HTTP 503" in judgement.explained[0].reason
    assert "8 times" in judgement.explained[0].reason


def test_what_an_operator_skipped_is_explained_with_who_and_why() -> None:
    scene = Scene().held()
    answer = {"step": f"payment:{CARD}", "action": "skip", "by": "key_ops"}
    scene.happened("attention.answered", note="settled by hand", **answer).undone()
    judgement = judge(*in_provider_book(state="held")(*clean(scene.order())))
    assert judgement.violations == ()
    assert any("key_ops: settled by hand" in e.reason for e in judgement.explained)


def test_what_somebody_else_sent_back_is_explained_once_an_operator_has_seen_it() -> None:
    answer = {"step": f"books:{CARD}", "action": "skip", "by": "key_ops", "note": "a goodwill"}
    scene = confirmed().happened("attention.answered", **answer)
    behind_our_back = in_provider_book(refunds=(sent_back(100),))
    judgement = judge(*behind_our_back(*clean(scene.order())))
    assert judgement.violations == ()
    assert {e.order_id for e in judgement.explained} == {"ord_1"}


def test_a_refund_that_an_operator_gave_up_is_explained() -> None:
    scene = confirmed().happened("refund.requested", request="req_1", amount=100)
    answer = {"step": "refund:rfd_1", "action": "skip", "by": "key_ops", "note": "paid in cash"}
    scene.happened("attention.answered", **answer)
    given_up = OurRefund("rfd_1", CARD, 100, "request", None, "req_1", None, LONG_AGO)
    judgement = judge(*clean(replace(scene.order(), refunds=(given_up,))))
    assert judgement.violations == ()
    assert any("paid in cash" in e.reason for e in judgement.explained)


def test_books_are_not_compared_while_a_request_is_being_answered() -> None:
    asked = in_order(requests=(OurRequest("cancel", NOW - timedelta(seconds=1)),))
    canceled = in_carrier_book(state="canceled", is_live=False)
    judgement = judge(*canceled(*asked(*clean(confirmed().order()))))
    assert judgement.violations == ()
    assert judgement.in_flight == ("ord_1",)


def test_a_later_look_at_some_orders_replaces_what_was_said_of_them() -> None:
    wrong = clean(Scene(id="ord_1").held().confirmed().order(), Scene(id="ord_2").held().order())
    first = judge(wrong[0], Books())
    assert first.suspects == {"ord_1", "ord_2"}
    again = judge(*clean(Scene(id="ord_1").held().confirmed().order()))
    assert first.revised({"ord_1"}, by=again).suspects == {"ord_2"}
    assert first.without({"ord_1", "ord_2"}).violations == ()
