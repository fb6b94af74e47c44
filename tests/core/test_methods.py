"""The table of payment methods: what the saga relies on in each row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ordersaga.methods import HOUR_S, METHODS, OWN, PROVIDER, SLIP_CLEARING_S, Method
from ordersaga.order import PaymentPlan

ALL = list(METHODS.values())
NOW = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)

each = pytest.mark.parametrize("method", ALL, ids=lambda m: m.name)


@each
def test_a_method_is_found_under_its_own_name(method: Method) -> None:
    assert METHODS[method.name] is method


@pytest.mark.parametrize("method", [m for m in ALL if m.site == OWN], ids=lambda m: m.name)
def test_our_own_money_can_be_held_and_given_back(method: Method) -> None:
    """It is held and taken with the stock in one transaction: nothing else is written for it."""
    assert method.holdable
    assert method.refundable
    assert method.settlement == "at_once"
    assert method.payer_patience_s == 0, "nobody has to act"
    assert method.hold_age_s is None, "only the order's workflow ends a hold of ours"


@each
def test_only_a_hold_has_an_age_and_only_of_a_hold_a_part_can_be_taken(method: Method) -> None:
    if not method.holdable:
        assert method.hold_age_s is None
        assert not method.partial_capture
    if method.holdable and method.site == PROVIDER:
        assert method.hold_age_s is not None, "no provider holds money without end"


@each
def test_money_that_somebody_else_settles_is_never_held(method: Method) -> None:
    assert method.settlement == "at_once" or not method.holdable


@each
def test_only_slow_money_clears_for_days_and_its_payer_is_waited_for_that_long(
    method: Method,
) -> None:
    assert method.slow == (method.settlement == "by_slip") == (method.clearing_s > 0)
    assert method.payer_patience_s > method.clearing_s or method.site == OWN


def test_every_hold_outlasts_all_that_an_order_waits_for_its_payers() -> None:
    """Held first, then those who pay on a page, then those who pay a slip: one after the other."""
    on_a_page = max(m.payer_patience_s for m in ALL if not m.slow)
    by_slip = max(m.payer_patience_s for m in ALL if m.slow)
    least = min(m.hold_age_s for m in ALL if m.hold_age_s is not None)
    assert on_a_page + by_slip < least


@pytest.mark.parametrize(
    ("name", "holdable", "partial_capture", "refundable", "settlement"),
    [
        ("card", True, True, True, "at_once"),
        ("debit_card", False, False, True, "at_once"),
        ("alipay", False, False, True, "on_page"),
        ("wechat_pay", False, False, True, "on_page"),
        ("boleto", False, False, False, "by_slip"),
    ],
)
def test_the_providers_methods_are_what_the_provider_can_do(
    *, name: str, holdable: bool, partial_capture: bool, refundable: bool, settlement: str
) -> None:
    method = METHODS[name]
    assert method.site == PROVIDER
    assert (method.holdable, method.partial_capture) == (holdable, partial_capture)
    assert (method.refundable, method.settlement) == (refundable, settlement)


def test_a_slip_is_of_its_own_countrys_money() -> None:
    assert METHODS["boleto"].currencies == frozenset({"BRL"})


def test_a_slip_is_waited_for_until_the_bank_must_have_said_that_it_was_paid() -> None:
    boleto = METHODS["boleto"]
    last_moment = NOW + timedelta(days=2)
    by_its_own_word = boleto.waits_until(asked_at=NOW, expires_at=last_moment)
    assert by_its_own_word == last_moment + timedelta(seconds=SLIP_CLEARING_S)
    assert boleto.waits_until(asked_at=NOW, expires_at=None) == NOW + timedelta(days=6)


def test_a_payer_on_a_page_is_waited_for_an_hour() -> None:
    until = METHODS["card"].waits_until(asked_at=NOW, expires_at=None)
    assert until == NOW + timedelta(seconds=HOUR_S)


def test_a_payment_knows_whether_it_is_ours() -> None:
    ours = {name for name in METHODS if PaymentPlan("pay_1", name, 1).is_ours}
    assert ours == {"balance", "voucher"}
