"""A link opens one order's page, and nobody makes one up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordersaga import keys
from ordersaga.links import NO_LINKS, TRACK_PATH, TrackLinks

ORDER = "ord_01M7YSM35RQCGYCAPV98JR57X1"
LINKS = TrackLinks(["the newest", "the one before"], public_url="https://orders.example")


def test_a_link_leads_to_its_order_and_says_nothing_else() -> None:
    token = LINKS.token(ORDER)
    assert token is not None
    assert LINKS.order_of(token) == ORDER
    assert (
        LINKS.url(ORDER) == f"https://orders.example{TRACK_PATH}{token}" == LINKS.public_url(ORDER)
    )
    ulid, dash, mac = token.partition("-")
    assert (f"ord_{ulid}", dash, len(mac)) == (ORDER, "-", 26)
    assert set(mac) <= set(string.ascii_lowercase + string.digits), "no mail program cuts it short"


def test_whoever_serves_it_need_not_be_known() -> None:
    links = TrackLinks(["the newest"])
    assert links.url(ORDER) == f"{TRACK_PATH}{links.token(ORDER)}"
    assert links.public_url(ORDER) == "", "a mail cannot do with a path"


def test_without_a_secret_there_are_no_links() -> None:
    assert (NO_LINKS.url(ORDER), NO_LINKS.public_url(ORDER)) == (None, "")
    assert NO_LINKS.order_of(f"{ORDER.removeprefix('ord_')}-") is None


def test_a_secret_that_was_replaced_still_opens_pages_until_it_is_gone() -> None:
    old = TrackLinks(["the one before"]).token(ORDER)
    assert old is not None
    assert old != LINKS.token(ORDER), "the first one signs"
    assert LINKS.order_of(old) == ORDER
    assert TrackLinks(["the newest"]).order_of(old) is None


@pytest.mark.parametrize("at", range(0, 53, 4))
def test_a_token_with_one_other_character_opens_nothing(at: int) -> None:
    token = LINKS.token(ORDER)
    assert token is not None
    other = token[:at] + ("a" if token[at] != "a" else "b") + token[at + 1 :]
    assert LINKS.order_of(other) is None


@given(st.text(max_size=80))
def test_nothing_that_somebody_makes_up_opens_a_page(token: str) -> None:
    assert LINKS.order_of(token) is None


def test_a_token_of_one_order_opens_no_other() -> None:
    token, other = LINKS.token(ORDER), keys.new_id("ord").removeprefix("ord_")
    assert token is not None
    assert LINKS.order_of(other + token[len(other) :]) is None


def test_what_a_plain_hmac_of_the_id_would_be_opens_nothing() -> None:
    """The signature is for these links alone: one made for another purpose is none."""
    ulid = ORDER.removeprefix("ord_")
    mac = hmac.digest(b"the newest", ulid.encode(), hashlib.sha256)[:16]
    shown = base64.b32encode(mac).decode().rstrip("=").lower()
    assert LINKS.order_of(f"{ulid}-{shown}") is None
