"""Stripe's objects as far as we read them, in answers and in webhooks alike. Amounts are minor units."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from ordersaga.money import MAX_AMOUNT

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,255}$")]
Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT)]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
Metadata = dict[str, str]

_OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")  # other integrations may use the same account


class StripeObject(BaseModel):
    """What else it says is left out: it may be personal."""

    model_config = ConfigDict(frozen=True, strict=True)  # a number that came as text is none


class Problem(StripeObject):
    """Why something was refused. Its `message` is not read: it may repeat what was sent."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None  # the bank's own reason, where Stripe has it
    param: str | None = None


class Charge(StripeObject):
    """Money that moved, or is held, for a payment intent."""

    id: Id
    payment_intent: Id | None
    amount: Amount
    amount_refunded: Amount
    currency: Currency
    captured: bool
    disputed: bool = False
    metadata: Metadata | None = None


class PaymentIntent(StripeObject):
    """A payment, from its making to its end."""

    id: Id
    status: str
    amount: Amount
    amount_capturable: Amount
    amount_received: Amount
    currency: Currency
    metadata: Metadata
    payment_method_types: list[str] | None = None
    latest_charge: Charge | Id | None = None  # its id, unless it was asked for
    last_payment_error: Problem | None = None
    next_action: dict[str, JsonValue] | None = None


class Refund(StripeObject):
    """Money on its way back."""

    id: Id
    payment_intent: Id | None
    amount: Amount
    currency: Currency
    status: str | None
    metadata: Metadata | None = None


class Dispute(StripeObject):
    """A payer's bank asks for money back."""

    id: Id
    payment_intent: Id | None
    amount: Amount
    currency: Currency
    reason: str


def our_payment_id(metadata: Metadata | None) -> str | None:
    """What we wrote beside a payment; None where it is not one of ours."""
    found = (metadata or {}).get("payment_id", "")
    return found if _OUR_ID.fullmatch(found) else None


def faults(error: ValidationError) -> str:
    """What was wrong and where, without any of what was sent."""
    return ", ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'all of it'}: {fault['type']}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    )
