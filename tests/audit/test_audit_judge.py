"""Every kind of violation, planted into orders that are right, is found; and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ordersaga.audit import INVARIANTS, Books, Judgement, judge
from ordersaga.audit.evidence import OurFenceRow, OurRequest
from tests.audit.builder import NOW, Scene, clean
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
    split_tender,
    voucher_held,
)

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
}


@pytest.mark.parametrize("name", CLEAN)
def test_an_order_that_is_right_has_no_violation(name: str) -> None:
    judgement = judge(*clean(CLEAN[name]().order()))
    assert judgement.violations == ()
    assert judgement.explained == ()
    assert judgement.in_flight == ()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found_and_named(name: str) -> None:
    scene, plant, invariant = PLANTED[name]
    judgement = judge(*plant(*clean(scene().order())))
    found = [v for v in judgement.violations if v.invariant == invariant]
    assert found, f"only {judgement.violations}"
    assert all(v.detail and v.subject for v in found)


def test_every_invariant_has_a_violation_planted() -> None:
    assert {i.name for i in INVARIANTS} == {invariant for _, _, invariant in PLANTED.values()}


def test_every_invariant_was_asked_of_something() -> None:
    orders = [Scene(id="ord_1").held().confirmed(), Scene(id="ord_2").held().undone()]
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
