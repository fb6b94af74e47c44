"""Settings come from an environment of strings, and a wrong one is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from ordersaga.config import ENV_PREFIX, Settings
from ordersaga.methods import METHODS

BASE = {f"{ENV_PREFIX}DATABASE_URL": "postgresql://nowhere"}


def read(**fields: str) -> Settings:
    return Settings.from_env({**BASE, **{ENV_PREFIX + k.upper(): v for k, v in fields.items()}})


def test_settings_survive_the_way_through_an_environment() -> None:
    settings = read(
        review_above='{"BRL": 100000, "JPY": 0}',
        merchant_accepts="true",
        completion_window_s="60",
        return_window_s="120",
        hold_patience_s="30",
    )
    assert settings.review_above == {"BRL": 100_000, "JPY": 0}
    assert settings.merchant_accepts is True
    assert Settings.from_env(settings.to_env()) == settings


def test_nobody_reviews_and_no_merchant_accepts_unless_it_is_said() -> None:
    assert (read().review_above, read().merchant_accepts) == ({}, False)
    assert read(review_above="").review_above == {}


@pytest.mark.parametrize(
    "wrong",
    ["BRL", "[]", '{"XXX": 1}', '{"brl": 1}', '{"BRL": -1}', '{"BRL": "much"}', '{"BRL": 1.5}'],
)
def test_a_review_limit_that_is_none_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read(review_above=wrong)
    assert "review_above" in str(refused.value)


def test_a_hold_by_somebody_ends_before_the_holds_on_money_do() -> None:
    shortest_s = min(m.hold_age_s for m in METHODS.values() if m.hold_age_s is not None)
    assert read().hold_patience_s < shortest_s


def test_no_methods_payer_is_cut_off_before_his_money_can_be_here() -> None:
    longest_s = max(method.payer_patience_s for method in METHODS.values())
    assert timedelta(seconds=read().payer_patience_s) >= timedelta(seconds=longest_s)
