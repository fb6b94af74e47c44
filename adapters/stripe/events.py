"""Stripe's webhooks: who sent one, and what it says of a payment. Nothing personal is kept of it.

Signed in Stripe's own scheme (https://docs.stripe.com/webhooks/signature), checked by its own package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

import stripe
from pydantic import ValidationError

from adapters.stripe.declines import decline
from adapters.stripe.objects import (
    Charge,
    Dispute,
    Id,
    PaymentIntent,
    StripeObject,
    faults,
    our_payment_id,
)
from ordersaga.errors import BadBody, BadSignature
from ordersaga.messages import PaymentFact

TOLERANCE_S: Final = 300  # Stripe's own; also how long a copy of a message could be sent again
PAYMENT_CANCELED: Final = "payment_canceled"  # the reason, where no bank gave one

_CODE = re.compile(r"[a-z_]{1,100}")  # a reason that is a word of Stripe's, not of a person

T = TypeVar("T", bound=StripeObject)


@dataclass(frozen=True, kw_only=True)
class StripeFact:
    """What one message says of one payment: a hint, until Stripe was asked.

    `payment_id`: ours, where Stripe repeats it; None: found by `provider_ref`, the payment intent.
    `amount`, in minor units: held, taken, or given back so far; of a dispute or a failure, what it
    is about. `reason`: a code.
    """

    event_id: str
    type: PaymentFact
    payment_id: str | None
    provider_ref: str
    amount: int
    currency: str
    reason: str | None = None


def verify_and_read(
    payload: bytes, header: str | None, secrets: Sequence[str], now: datetime
) -> StripeFact | None:
    """What the message says; None where it is nothing that concerns us.

    `header`: `Stripe-Signature`. `secrets`: any of them may have signed it. Raises `BadSignature`
    and `BadBody`.
    """
    _check(payload, header, secrets, now)
    read = _READERS.get(_read(_Envelope, payload).type)
    return read(payload) if read else None


# --- Who sent it ----------------------------------------------------------------------------------


def _check(payload: bytes, header: str | None, secrets: Sequence[str], now: datetime) -> None:
    if header is None or not header.isascii():
        raise BadSignature("a Stripe-Signature is needed")
    # All are tried: how long it takes says nothing about any of them.
    fits = [_is_signed(payload, header, secret) for secret in secrets]
    if not any(fits):
        raise BadSignature("the Stripe-Signature does not fit")
    # The package looks for messages that are too old only, and by its own clock.
    if abs(now.timestamp() - _signed_at_s(header)) > TOLERANCE_S:
        raise BadSignature("the Stripe-Signature is more than 5 minutes off")


def _is_signed(payload: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):  # what is signed is text
        return False
    return True


def _signed_at_s(header: str) -> int:
    """When a header that fits says that it was signed: by its first `t`, which is the one signed."""
    parts = (part.split("=") for part in header.split(","))
    return next(int(part[1]) for part in parts if part[0] == "t")


# --- What it says ---------------------------------------------------------------------------------


class _Envelope(StripeObject):
    id: Id
    type: str


class _Data(StripeObject, Generic[T]):
    object: T


class _Event(_Envelope, Generic[T]):
    data: _Data[T]


def _read(model: type[T], payload: bytes) -> T:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise BadBody(faults(error)) from None


def _of_intent(
    type_: PaymentFact,
    *,
    amount: Callable[[PaymentIntent], int],
    reason: Callable[[PaymentIntent], str | None] = lambda _: None,
) -> Callable[[bytes], StripeFact]:
    """How a `payment_intent.…` event is read."""

    def read(payload: bytes) -> StripeFact:
        event = _read(_Event[PaymentIntent], payload)
        intent = event.data.object
        return StripeFact(
            event_id=event.id,
            type=type_,
            payment_id=our_payment_id(intent.metadata),
            provider_ref=intent.id,
            amount=amount(intent),
            currency=intent.currency.upper(),
            reason=reason(intent),
        )

    return read


def _refunded(payload: bytes) -> StripeFact | None:
    event = _read(_Event[Charge], payload)
    charge = event.data.object
    # Not captured: a hold that was given up, which older API versions call a refund, too.
    if charge.payment_intent is None or not charge.captured:
        return None
    return StripeFact(
        event_id=event.id,
        type="payment.refunded",
        payment_id=our_payment_id(charge.metadata),
        provider_ref=charge.payment_intent,
        amount=charge.amount_refunded,
        currency=charge.currency.upper(),
    )


def _disputed(payload: bytes) -> StripeFact | None:
    event = _read(_Event[Dispute], payload)
    dispute = event.data.object
    if dispute.payment_intent is None:
        return None
    return StripeFact(
        event_id=event.id,
        type="payment.disputed",
        payment_id=None,  # Stripe does not repeat it here
        provider_ref=dispute.payment_intent,
        amount=dispute.amount,
        currency=dispute.currency.upper(),
        reason=dispute.reason if _CODE.fullmatch(dispute.reason) else None,
    )


def _why(intent: PaymentIntent) -> str:
    problem = intent.last_payment_error
    return decline(problem).code if problem else PAYMENT_CANCELED


# Stripe's event → how it is read. All others are accepted, and nothing is to do.
_READERS: Final[Mapping[str, Callable[[bytes], StripeFact | None]]] = {
    "payment_intent.amount_capturable_updated": _of_intent(
        "payment.authorized", amount=lambda intent: intent.amount_capturable
    ),
    "payment_intent.succeeded": _of_intent(
        "payment.captured", amount=lambda intent: intent.amount_received
    ),
    "payment_intent.payment_failed": _of_intent(
        "payment.failed", amount=lambda intent: intent.amount, reason=_why
    ),
    "payment_intent.canceled": _of_intent(
        "payment.failed", amount=lambda intent: intent.amount, reason=lambda _: PAYMENT_CANCELED
    ),
    "charge.refunded": _refunded,
    "charge.dispute.created": _disputed,
}
EVENTS: Final = tuple(_READERS)  # what an endpoint at Stripe has to be subscribed to
