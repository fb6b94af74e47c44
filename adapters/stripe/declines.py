"""Stripe's reasons for a no, in our own stable words.

Source: https://docs.stripe.com/declines/codes and, for wallets and slips, /error-codes. Stripe's own
sentences are never passed on: they may repeat what was sent, and a thief need not know that a card is
reported stolen.
"""

from __future__ import annotations

from typing import Final

from adapters.stripe.objects import Problem
from ordersaga.order import Refusal

CARD_DECLINED: Final = "card_declined"
CAPTURE_DECLINED: Final = "capture_declined"
INVALID_PAYMENT_METHOD: Final = "invalid_payment_method"
METHOD_NOT_AVAILABLE: Final = "method_not_available"
AMOUNT_NOT_ACCEPTED: Final = "amount_not_accepted"

# Our code → what people are told.
SENTENCES: Final = {
    CARD_DECLINED: "The bank declined the payment.",
    "insufficient_funds": "There is not enough money for it.",
    "limit_exceeded": "The amount, or the number of payments, is beyond the card's limit.",
    "expired_card": "The card has expired.",
    "incorrect_card_details": "The card's number, date, code or address is not right.",
    "authentication_failed": "The payer did not prove to be the card's owner.",
    "payment_not_allowed": "The card cannot be used for a payment of this kind or currency.",
    "bank_unavailable": "The bank could not be reached, or asks to try again later.",
    "payment_not_completed": "The payer did not complete the payment.",
    CAPTURE_DECLINED: "The money was held, and the bank refused to give it.",
    INVALID_PAYMENT_METHOD: "The provider does not know this means of payment, or cannot use it.",
    METHOD_NOT_AVAILABLE: "The merchant's account does not take this method in this currency.",
    AMOUNT_NOT_ACCEPTED: "The amount is too small or too large for this method.",
}

# Our code ← Stripe's. What is not here is `card_declined`: generic_decline, do_not_honor, call_issuer,
# and all that must not be told apart from them: fraudulent, lost_card, stolen_card, pickup_card, …
_REASONS: Final = {
    "insufficient_funds": ("insufficient_funds",),
    "limit_exceeded": (
        "card_velocity_exceeded",
        "withdrawal_count_limit_exceeded",
        "invalid_amount",
    ),
    "expired_card": ("expired_card", "invalid_expiry_month", "invalid_expiry_year"),
    "incorrect_card_details": (
        "incorrect_number",
        "invalid_number",
        "incorrect_cvc",
        "invalid_cvc",
        "incorrect_zip",
        "incorrect_address",
        "incorrect_pin",
        "invalid_pin",
        "invalid_account",
    ),
    "authentication_failed": (
        "authentication_required",
        "payment_intent_authentication_failure",
        "pin_try_exceeded",
        "offline_pin_required",
        "online_or_offline_pin_required",
    ),
    "payment_not_allowed": (
        "card_not_supported",
        "currency_not_supported",
        "service_not_allowed",
        "transaction_not_allowed",
        "not_permitted",
    ),
    "bank_unavailable": (
        "issuer_not_available",
        "processing_error",
        "reenter_transaction",
        "try_again_later",
    ),
    "payment_not_completed": (
        "payment_intent_payment_attempt_failed",
        "payment_intent_payment_attempt_expired",
        "payment_method_provider_decline",
        "payment_method_provider_timeout",
        "payment_method_customer_decline",
    ),
    INVALID_PAYMENT_METHOD: (
        "payment_method_unactivated",
        "payment_method_invalid_parameter",
        "payment_intent_incompatible_payment_method",
    ),
    METHOD_NOT_AVAILABLE: (
        "payment_method_not_available",
        "payment_method_currency_mismatch",
    ),
    AMOUNT_NOT_ACCEPTED: ("amount_too_small", "amount_too_large"),
}
_OURS: Final = {theirs: ours for ours, reasons in _REASONS.items() for theirs in reasons}


def refusal(code: str) -> Refusal:
    """A no by its own code of ours."""
    return Refusal("payment", code, SENTENCES[code])


def is_known(problem: Problem) -> bool:
    """Whether Stripe's reason is one that concerns the payer, not the way it was asked."""
    return problem.decline_code is not None or problem.code in _OURS


def decline(problem: Problem) -> Refusal:
    """A no in our words: by the bank's reason, else by Stripe's."""
    for theirs in (problem.decline_code, problem.code):
        if theirs in _OURS:
            return refusal(_OURS[theirs])
    return refusal(CARD_DECLINED)
