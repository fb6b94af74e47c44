"""Amounts are shown to the last minor unit, in each currency's own decimals."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordersaga.money import MAX_AMOUNT, MINOR_UNIT_DECIMALS, format_amount


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (9558, "BRL", "95.58 BRL"),
        (5, "EUR", "0.05 EUR"),
        (0, "USD", "0.00 USD"),
        (-250, "USD", "-2.50 USD"),
        (123_456_789, "USD", "1,234,567.89 USD"),
        (1099, "JPY", "1,099 JPY"),
        (0, "JPY", "0 JPY"),
        (1099, "KWD", "1.099 KWD"),
        (7, "KWD", "0.007 KWD"),
        (1_000_000, "KWD", "1,000.000 KWD"),
    ],
)
def test_an_amount_is_shown_in_the_decimals_of_its_currency(
    amount: int, currency: str, shown: str
) -> None:
    assert format_amount(amount, currency) == shown


@given(
    amount=st.integers(min_value=-MAX_AMOUNT, max_value=MAX_AMOUNT),
    currency=st.sampled_from(sorted(MINOR_UNIT_DECIMALS)),
)
@example(amount=MAX_AMOUNT - 7, currency="USD")  # more digits than a float has cents for
def test_no_minor_unit_is_lost_in_showing_it(amount: int, currency: str) -> None:
    number, _, unit = format_amount(amount, currency).partition(" ")
    whole, _, fraction = number.replace(",", "").partition(".")
    assert unit == currency
    assert len(fraction) == MINOR_UNIT_DECIMALS[currency]
    assert int(whole + fraction) == amount


def test_a_currency_nobody_pays_with_is_not_formatted() -> None:
    with pytest.raises(KeyError):
        format_amount(1, "XXX")


def test_every_currency_is_a_code_of_three_letters_with_zero_to_three_decimals() -> None:
    for currency, decimals in MINOR_UNIT_DECIMALS.items():
        assert currency.isalpha()
        assert currency.isupper()
        assert len(currency) == 3
        assert decimals in (0, 2, 3)


NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"


def test_the_currencies_without_two_decimals_are_those_of_iso_4217() -> None:
    """A wrong one would charge a hundred times too much, or too little."""

    def codes_of(decimals: int) -> str:
        return " ".join(sorted(c for c, d in MINOR_UNIT_DECIMALS.items() if d == decimals))

    assert (codes_of(0), codes_of(3)) == (NO_DECIMALS, THREE_DECIMALS)
