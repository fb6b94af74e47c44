"""What Stripe's answers mean: believed only where they are about what was asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import stripe
from pydantic import ValidationError

from adapters.stripe.declines import decline
from adapters.stripe.objects import Charge, PaymentIntent, Refund, StripeObject, faults
from ordersaga.errors import ProviderAnswerWrong
from ordersaga.ports import MoneyState, PaymentRequest, ProviderPayment

Read = TypeVar("Read", bound=StripeObject)

LAST_MOMENT_S: Final = 253_402_300_799  # the end of 9999: what a date can say

_STATES: Final[dict[str, MoneyState]] = {
    "requires_payment_method": "unconfirmed",
    "requires_confirmation": "unconfirmed",
    "requires_action": "requires_action",
    "processing": "processing",
    "requires_capture": "held",
    "succeeded": "taken",
    "canceled": "canceled",
}
# `requires_action`: the payer has to say where to. It is accepted all the same.
_REFUNDS_UNDER_WAY: Final = frozenset({"pending", "requires_action", "succeeded"})
_REFUNDS_FAILED: Final = frozenset({"failed", "canceled"})  # nothing went back


def parsed(model: type[Read], answer: Any) -> Read:
    """An answer of the `stripe` package, typed. Raises `ProviderAnswerWrong`."""
    if not isinstance(answer, stripe.StripeObject):
        raise ProviderAnswerWrong(f"no {model.__name__}, but a {type(answer).__name__}")
    try:
        return model.model_validate(answer.to_dict())
    except ValidationError as error:
        raise ProviderAnswerWrong(f"no {model.__name__}: {faults(error)}") from None


def read_payment(
    intent: PaymentIntent, request: PaymentRequest, *, reference: str
) -> ProviderPayment:
    """How the payment stands. Raises `ProviderAnswerWrong`."""
    state = _STATES.get(intent.status)
    asked = (request.amount, request.currency.lower(), request.payment_id, reference)
    answered = (intent.amount, intent.currency, intent.metadata.get("payment_id"), intent.id)
    if asked != answered or state is None:
        raise ProviderAnswerWrong(f"asked about {asked}, told about {answered}, {intent.status!r}")
    if state == "held" and intent.amount_capturable != intent.amount:
        raise ProviderAnswerWrong(
            f"{intent.amount_capturable} are held, {intent.amount} were asked"
        )
    charge = _charge(intent)
    problem = intent.last_payment_error if state == "unconfirmed" else None
    return ProviderPayment(
        reference=intent.id,
        state=state,
        amount=intent.amount,
        captured=intent.amount_received,
        refusal=decline(problem) if problem else None,
        next_action=intent.next_action,
        expires_at=_last_moment(intent),
        refunded=charge.amount_refunded if charge and charge.captured else 0,
        is_disputed=charge is not None and charge.disputed,
    )


def read_refund(
    refund: Refund, request: PaymentRequest, *, reference: str, amount: int
) -> str | None:
    """The refund's own reference; None: it failed, and nothing went back.

    Raises `ProviderAnswerWrong`.
    """
    asked = (amount, request.currency.lower(), reference)
    answered = (refund.amount, refund.currency, refund.payment_intent)
    if asked != answered:
        raise ProviderAnswerWrong(f"asked to refund {asked}, told about {answered}")
    if refund.status in _REFUNDS_FAILED:
        return None
    if refund.status not in _REFUNDS_UNDER_WAY:
        raise ProviderAnswerWrong(f"a refund is {refund.status!r}")
    return refund.id


def _charge(intent: PaymentIntent) -> Charge | None:
    """The charge within the answer, where it was asked for and there is one."""
    charge = intent.latest_charge
    if not isinstance(charge, Charge):
        return None
    if (charge.payment_intent, charge.currency) != (intent.id, intent.currency):
        raise ProviderAnswerWrong(f"{intent.id} came with a charge of {charge.payment_intent}")
    if charge.captured and charge.amount_refunded > intent.amount_received:
        raise ProviderAnswerWrong(
            f"{charge.amount_refunded} of {intent.amount_received} were given back"
        )
    return charge


def _last_moment(intent: PaymentIntent) -> datetime | None:
    """When what the payer has in hand runs out: a slip says so, a page does not."""
    action = intent.next_action or {}
    details = action.get(str(action.get("type")))
    expires_s = details.get("expires_at") if isinstance(details, dict) else None
    if expires_s is None:
        return None
    if isinstance(expires_s, bool) or not isinstance(expires_s, int):
        raise ProviderAnswerWrong(f"{intent.id} expires at no number")
    if not 0 <= expires_s <= LAST_MOMENT_S:
        raise ProviderAnswerWrong(f"{intent.id} expires at no time that there is")
    return datetime.fromtimestamp(expires_s, UTC)
