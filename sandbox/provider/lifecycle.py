"""The life of a payment intent: one table of moves, the provider's own.

Source: Stripe's payment intent states. Declined is not dead (it can be confirmed again); canceled
and succeeded are final. But for one move of our own, harsher than Stripe: whoever has a slip in hand
can take it to a bank after we canceled it, and the money comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sandbox.provider.errors import UnexpectedStateError


class Status(StrEnum):
    """Where an intent stands; Stripe's words."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class Event(StrEnum):
    """What can happen to an intent."""

    CONFIRM_HELD = "confirm_held"
    CONFIRM_CHARGED = "confirm_charged"
    CONFIRM_WAITS_FOR_PAYER = "confirm_waits_for_payer"
    CONFIRM_WAITS_FOR_BANK = "confirm_waits_for_bank"
    CONFIRM_DECLINED = "confirm_declined"
    PAYER_HELD = "payer_held"
    PAYER_CHARGED = "payer_charged"
    PAYER_FAILED = "payer_failed"
    CANCELED_SLIP_PAID = "canceled_slip_paid"
    CAPTURED = "captured"
    CAPTURE_DECLINED = "capture_declined"
    CANCELED = "canceled"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Move:
    """Where an event leads, and the webhook that tells of it (None: nothing changed)."""

    to: Status
    webhook: str | None


_HOLD = Move(Status.REQUIRES_CAPTURE, "payment_intent.amount_capturable_updated")
_PAID = Move(Status.SUCCEEDED, "payment_intent.succeeded")
_ASKED = Move(Status.REQUIRES_ACTION, "payment_intent.requires_action")
_STILL_ASKED = Move(Status.REQUIRES_ACTION, None)  # the slip or the link given first stays good
_AT_BANK = Move(Status.PROCESSING, "payment_intent.processing")
_NO = Move(Status.REQUIRES_PAYMENT_METHOD, "payment_intent.payment_failed")
_STILL_HELD = Move(Status.REQUIRES_CAPTURE, None)  # a refused capture leaves the hold
_CANCELED = Move(Status.CANCELED, "payment_intent.canceled")
_STAYS_PAID = Move(Status.SUCCEEDED, None)  # the charge tells of refunds and disputes

MOVES: dict[tuple[Status, Event], Move] = {
    (Status.REQUIRES_PAYMENT_METHOD, Event.CONFIRM_HELD): _HOLD,
    (Status.REQUIRES_PAYMENT_METHOD, Event.CONFIRM_CHARGED): _PAID,
    (Status.REQUIRES_PAYMENT_METHOD, Event.CONFIRM_WAITS_FOR_PAYER): _ASKED,
    (Status.REQUIRES_PAYMENT_METHOD, Event.CONFIRM_WAITS_FOR_BANK): _AT_BANK,
    (Status.REQUIRES_PAYMENT_METHOD, Event.CONFIRM_DECLINED): _NO,
    (Status.REQUIRES_PAYMENT_METHOD, Event.CANCELED): _CANCELED,
    (Status.REQUIRES_CONFIRMATION, Event.CONFIRM_HELD): _HOLD,
    (Status.REQUIRES_CONFIRMATION, Event.CONFIRM_CHARGED): _PAID,
    (Status.REQUIRES_CONFIRMATION, Event.CONFIRM_WAITS_FOR_PAYER): _ASKED,
    (Status.REQUIRES_CONFIRMATION, Event.CONFIRM_WAITS_FOR_BANK): _AT_BANK,
    (Status.REQUIRES_CONFIRMATION, Event.CONFIRM_DECLINED): _NO,
    (Status.REQUIRES_CONFIRMATION, Event.CANCELED): _CANCELED,
    (Status.REQUIRES_ACTION, Event.CONFIRM_HELD): _HOLD,
    (Status.REQUIRES_ACTION, Event.CONFIRM_CHARGED): _PAID,
    (Status.REQUIRES_ACTION, Event.CONFIRM_WAITS_FOR_PAYER): _STILL_ASKED,
    (Status.REQUIRES_ACTION, Event.CONFIRM_WAITS_FOR_BANK): _AT_BANK,
    (Status.REQUIRES_ACTION, Event.CONFIRM_DECLINED): _NO,
    (Status.REQUIRES_ACTION, Event.PAYER_HELD): _HOLD,
    (Status.REQUIRES_ACTION, Event.PAYER_CHARGED): _PAID,
    (Status.REQUIRES_ACTION, Event.PAYER_FAILED): _NO,
    (Status.REQUIRES_ACTION, Event.CANCELED): _CANCELED,
    (Status.PROCESSING, Event.PAYER_HELD): _HOLD,
    (Status.PROCESSING, Event.PAYER_CHARGED): _PAID,
    (Status.PROCESSING, Event.PAYER_FAILED): _NO,
    (Status.PROCESSING, Event.CANCELED): _CANCELED,
    (Status.REQUIRES_CAPTURE, Event.CAPTURED): _PAID,
    (Status.REQUIRES_CAPTURE, Event.CAPTURE_DECLINED): _STILL_HELD,
    (Status.REQUIRES_CAPTURE, Event.CANCELED): _CANCELED,
    (Status.CANCELED, Event.CANCELED_SLIP_PAID): _PAID,
    (Status.SUCCEEDED, Event.REFUNDED): _STAYS_PAID,
    (Status.SUCCEEDED, Event.DISPUTED): _STAYS_PAID,
}

VERBS: dict[Event, str] = {
    Event.CONFIRM_HELD: "confirm",
    Event.CONFIRM_CHARGED: "confirm",
    Event.CONFIRM_WAITS_FOR_PAYER: "confirm",
    Event.CONFIRM_WAITS_FOR_BANK: "confirm",
    Event.CONFIRM_DECLINED: "confirm",
    Event.PAYER_HELD: "pay",
    Event.PAYER_CHARGED: "pay",
    Event.PAYER_FAILED: "fail",
    Event.CANCELED_SLIP_PAID: "pay",
    Event.CAPTURED: "capture",
    Event.CAPTURE_DECLINED: "capture",
    Event.CANCELED: "cancel",
    Event.REFUNDED: "refund",
    Event.DISPUTED: "dispute",
}


def move(status: Status, event: Event) -> Move:
    """Where the event leads from here.

    Raises UnexpectedStateError (HTTP 400) when the table has no such move.
    """
    found = MOVES.get((status, event))
    if found is None:
        allowed = tuple(at.value for at, what in MOVES if what is event)
        raise UnexpectedStateError(verb=VERBS[event], status=status, allowed=allowed)
    return found
