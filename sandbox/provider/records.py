"""Rows of the provider's books, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.provider.lifecycle import Status
from sandbox.provider.methods import METHODS, Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A payment intent; field by field the table `payment_intents`, which explains them."""

    sequence: int
    id: str
    created_s: int
    amount: int
    currency: str
    method: str
    capture_method: str
    payment_method: str | None
    last_token: str | None
    status: Status
    amount_capturable: int
    amount_received: int
    amount_refunded: int
    charge_id: str | None
    disputed: bool
    description: str | None
    metadata: str
    slip_days: int
    next_action: str | None
    last_payment_error: str | None
    canceled_s: int | None
    cancellation_reason: str | None

    @property
    def rules(self) -> Method:
        """What its method can do."""
        return METHODS[self.method]

    @property
    def is_waiting(self) -> bool:
        """Whether its payer has something to do."""
        return self.status is Status.REQUIRES_ACTION

    @property
    def has_slip(self) -> bool:
        """Whether its payer was given a slip that nobody has paid or failed yet."""
        return self.rules.slip and self.next_action is not None

    @property
    def is_held(self) -> bool:
        """Whether confirming only authorises and a capture takes the money."""
        return self.capture_method == "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntent:
    """What a caller decides about a new intent."""

    amount: int
    currency: str
    method: str
    capture_method: str
    token: str | None
    description: str | None
    metadata: str
    slip_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money sent back; field by field the table `refunds`."""

    sequence: int
    id: str
    created_s: int
    payment_intent: str
    charge_id: str
    amount: int
    currency: str
    reason: str | None
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is wanted: up to `most` rows older than sequence `before`."""

    before: int
    most: int
    created_from_s: int
    created_to_s: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status and JSON text. `saved`: an idempotency key replays it."""

    status: int
    body: str
    saved: bool = True
