"""What the page of an order can say, it can say in both languages: nothing is missing in either."""

from __future__ import annotations

import string
from typing import Any, Final, get_args

import pytest

from adapters.mail import writing
from adapters.mail.figures import LANGUAGES
from adapters.postgres.reversal import ALREADY_COMPLETED, ALREADY_SHIPPED
from adapters.stripe import declines
from api.outlook import WaitingFor
from api.pages.track import MOVES
from api.pages.track_forms import CANCEL_REASONS, RETURN_REASONS
from api.pages.track_timeline import UNTOLD
from api.pages.track_view import BY_SHOP, FORMS, NOBODY, OPEN_RETURNS, STEPS, WAY
from api.pages.track_words import speaker_for, words_in
from ordersaga.event_schemas import DATA
from ordersaga.lifecycle import FINAL, ReturnStatus, Status
from ordersaga.methods import METHODS
from ordersaga.order import DECLINED_BY_MERCHANT, WITHDRAWALS
from ordersaga.tracking import REVERSALS, TrackingStatus

# Codes of a failure that an order can end with. The rest are our own mistakes, and have the one sentence.
CODES: Final = {
    *WITHDRAWALS,
    DECLINED_BY_MERCHANT.code,
    *(refusal.code for refusal in REVERSALS.values()),
    *declines.SENTENCES,
    "out_of_stock",
    "unknown_sku",
    "unknown_voucher",
    "shipping_refused",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_whoever_is_waited_for_has_words(language: str) -> None:
    words = words_in(language)
    assert {str(status) for status in Status} <= set(words.status)
    places = {f"{status}.{who}" for status in Status for who in (*get_args(WaitingFor), NOBODY)}
    assert set(words.status) <= places | {BY_SHOP} | set(Status)
    assert BY_SHOP in set(words.status) & set(words.next), "no carrier brings it"
    assert {*get_args(WaitingFor), NOBODY} <= set(words.next)
    returns = {f"return.{status}" for status in OPEN_RETURNS}
    assert returns <= set(words.next)
    assert set(words.next) <= places | returns | {BY_SHOP} | {*get_args(WaitingFor), NOBODY}
    assert set(words.step) == set(STEPS)
    assert len(WAY) == len(STEPS)
    assert set(words.return_status) == set(ReturnStatus)
    assert set(words.method) == set(METHODS)
    assert words.tracking.keys() == set(TrackingStatus)
    assert {f"{status}.{NOBODY}" for status in FINAL} & set(words.next), "none is said for nothing"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_event_of_an_order_is_told_or_kept_for_us_on_purpose(language: str) -> None:
    told = set(words_in(language).event)
    assert told | UNTOLD == set(DATA)
    assert not told & UNTOLD


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_for_money_to_go_back_has_words(language: str) -> None:
    ways = DATA["payment.refunded"]["to"].schema["enum"]
    assert isinstance(ways, list)
    assert set(words_in(language).to) == {str(way) for way in ways}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_for_an_order_to_end_has_a_sentence_of_its_own(language: str) -> None:
    why = writing.words_in(language).why
    assert not CODES - set(why)
    assert not {ALREADY_SHIPPED.code, ALREADY_COMPLETED.code} & set(why), "those refuse a cancel"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_and_every_choice_in_it_has_words(language: str) -> None:
    words = words_in(language)
    assert MOVES.keys() == FORMS.keys()
    for form in FORMS:
        assert {form, f"{form}_button"} <= set(words.page)
    assert tuple(words.cancel_reason) == CANCEL_REASONS
    assert tuple(words.return_reason) == RETURN_REASONS
    assert set(words.stars) == {"1", "2", "3", "4", "5"}


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    english, chinese = (_facts_in(words_in(language).model_dump()) for language in LANGUAGES)
    assert english == chinese
    assert len(english) > 150


@pytest.mark.parametrize(
    ("wish", "customers", "accepts", "language"),
    [
        (None, None, "", "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "en;q=0.2, zh;q=0.7", "zh"),
        (None, None, "pt-BR, de;q=0.5", "en"),
        (None, None, "pt-BR, zh;q=0.1", "zh"),
        (None, None, "zh;q=0, *", "en"),
        (None, None, ";;;q=, zh;q=much, ,", "en"),
        (None, "zh-Hant-TW", "en", "zh"),
        (None, "pt-BR", "zh", "en"),
        ("en", "zh-CN", "zh", "en"),
        ("zh", "en", "en", "zh"),
        ("xx", "zh", "en", "zh"),
        ("<script>", None, "en", "en"),
    ],
)
def test_a_page_is_in_the_language_that_is_wished_the_customers_or_the_browsers(
    wish: str | None, customers: str | None, accepts: str, language: str
) -> None:
    speaker = speaker_for(wish=wish, customers=customers, accepts=accepts)
    assert speaker.reader.language == language


def _facts_in(node: Any, path: str = "") -> dict[str, set[str | None]]:
    """Where something is said → the facts within its braces."""
    if isinstance(node, dict):
        return {
            k: v
            for name, inner in node.items()
            for k, v in _facts_in(inner, f"{path}/{name}").items()
        }
    return {path: {name for _, name, _, _ in string.Formatter().parse(node) if name}}
