"""The table of payment methods: what the saga relies on in each row."""

from __future__ import annotations

import pytest

from ordersaga.methods import METHODS, OWN, PROVIDER, Method, asking_order
from ordersaga.order import PaymentPlan

ALL = list(METHODS.values())


@pytest.mark.parametrize("method", ALL, ids=lambda m: m.name)
def test_a_method_is_found_under_its_own_name(method: Method) -> None:
    assert METHODS[method.name] is method


@pytest.mark.parametrize("method", [m for m in ALL if m.site == OWN], ids=lambda m: m.name)
def test_our_own_money_can_be_held_and_given_back(method: Method) -> None:
    """It is held and taken with the stock in one transaction: nothing else is written for it."""
    assert method.holdable
    assert method.refundable
    assert not method.slow


@pytest.mark.parametrize("method", ALL, ids=lambda m: m.name)
def test_slow_money_is_never_held(method: Method) -> None:
    assert not (method.slow and method.holdable)


@pytest.mark.parametrize(
    ("name", "holdable", "refundable", "slow"),
    [
        ("card", True, True, False),
        ("debit_card", False, True, False),
        ("alipay", False, True, False),
        ("wechat_pay", False, True, False),
        ("boleto", False, False, True),
    ],
)
def test_the_providers_methods_are_what_the_provider_can_do(
    *, name: str, holdable: bool, refundable: bool, slow: bool
) -> None:
    method = METHODS[name]
    assert method.site == PROVIDER
    assert (method.holdable, method.refundable, method.slow) == (holdable, refundable, slow)


def test_a_slip_is_asked_for_after_every_other_charge() -> None:
    by_asking = sorted(METHODS, key=asking_order)
    slow = [name for name in by_asking if METHODS[name].slow]
    assert by_asking[-len(slow) :] == slow


def test_a_slip_is_of_its_own_countrys_money() -> None:
    assert METHODS["boleto"].currencies == frozenset({"BRL"})


def test_a_payment_knows_whether_it_is_ours() -> None:
    ours = {name for name in METHODS if PaymentPlan("pay_1", name, 1).is_ours}
    assert ours == {"balance", "voucher"}
