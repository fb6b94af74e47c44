"""Stripe's reasons for a no, in our own words."""

from __future__ import annotations

import pytest

from adapters.stripe.declines import decline
from adapters.stripe.objects import Problem
from ordersaga.order import WITHDRAWALS

# All that https://docs.stripe.com/declines/codes lists for cards.
BY_THEIRS = {
    "approve_with_id": "card_declined",
    "authentication_required": "authentication_failed",
    "call_issuer": "card_declined",
    "card_not_supported": "payment_not_allowed",
    "card_velocity_exceeded": "limit_exceeded",
    "currency_not_supported": "payment_not_allowed",
    "do_not_honor": "card_declined",
    "do_not_try_again": "card_declined",
    "duplicate_transaction": "card_declined",
    "expired_card": "expired_card",
    "fraudulent": "card_declined",
    "generic_decline": "card_declined",
    "incorrect_address": "incorrect_card_details",
    "incorrect_cvc": "incorrect_card_details",
    "incorrect_number": "incorrect_card_details",
    "incorrect_pin": "incorrect_card_details",
    "incorrect_zip": "incorrect_card_details",
    "insufficient_funds": "insufficient_funds",
    "invalid_account": "incorrect_card_details",
    "invalid_amount": "limit_exceeded",
    "invalid_cvc": "incorrect_card_details",
    "invalid_expiry_month": "expired_card",
    "invalid_expiry_year": "expired_card",
    "invalid_number": "incorrect_card_details",
    "invalid_pin": "incorrect_card_details",
    "issuer_not_available": "bank_unavailable",
    "lost_card": "card_declined",
    "merchant_blacklist": "card_declined",
    "new_account_information_available": "card_declined",
    "no_action_taken": "card_declined",
    "not_permitted": "payment_not_allowed",
    "offline_pin_required": "authentication_failed",
    "online_or_offline_pin_required": "authentication_failed",
    "pickup_card": "card_declined",
    "pin_try_exceeded": "authentication_failed",
    "processing_error": "bank_unavailable",
    "reenter_transaction": "bank_unavailable",
    "restricted_card": "card_declined",
    "revocation_of_all_authorizations": "card_declined",
    "revocation_of_authorization": "card_declined",
    "security_violation": "card_declined",
    "service_not_allowed": "payment_not_allowed",
    "stolen_card": "card_declined",
    "stop_payment_order": "card_declined",
    "testmode_decline": "card_declined",
    "transaction_not_allowed": "payment_not_allowed",
    "try_again_later": "bank_unavailable",
    "withdrawal_count_limit_exceeded": "limit_exceeded",
}


@pytest.mark.parametrize(("theirs", "ours"), BY_THEIRS.items())
def test_every_decline_code_of_stripes_has_a_word_of_ours(theirs: str, ours: str) -> None:
    refusal = decline(Problem(code="card_declined", decline_code=theirs))
    assert (refusal.participant, refusal.code) == ("payment", ours)
    assert refusal.detail.endswith(".")


@pytest.mark.parametrize("theirs", ["fraudulent", "lost_card", "stolen_card", "pickup_card"])
def test_a_thief_is_told_no_more_than_anybody(theirs: str) -> None:
    anybody = decline(Problem(code="card_declined", decline_code="generic_decline"))
    assert decline(Problem(code="card_declined", decline_code=theirs)) == anybody


@pytest.mark.parametrize("problem", [Problem(), Problem(code="of_tomorrow", decline_code="odd")])
def test_a_reason_that_nobody_knows_is_a_decline(problem: Problem) -> None:
    assert decline(problem).code == "card_declined"


def test_no_decline_is_taken_for_somebody_who_withdrew() -> None:
    """A word of ours for a cancel or a deadline would end the order as canceled, not rejected."""
    assert not {decline(Problem(code=theirs)).code for theirs in BY_THEIRS} & WITHDRAWALS
