"""What the saga needs of the world: roles, each a `Protocol`. Adapters fill them.

Every method may be repeated. An outage raises `ordersaga.errors.Unavailable`; a refusal is a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import JsonValue

from ordersaga.keys import Step
from ordersaga.order import Decision, Refusal, Standing, Vote

# --- Payment providers ------------------------------------------------------------------------

MoneyState = Literal[
    "unconfirmed",  # made, but nobody asked for money yet; or declined: it can be asked again
    "requires_action",  # waiting for the payer
    "processing",  # the provider itself waits
    "held",
    "taken",
    "canceled",  # dead for good: a late confirm of it is refused
]


@dataclass(frozen=True)
class ProviderPayment:
    """What the provider says of one payment, checked against what was asked. Minor units."""

    reference: str
    state: MoneyState
    amount: int
    captured: int
    refusal: Refusal | None = None  # the last decline, if there was one
    next_action: Mapping[str, JsonValue] | None = None  # what the payer has to do


@dataclass(frozen=True)
class PaymentRequest:
    """What is asked of a provider. `key` is the step's: the same for every try."""

    key: str
    order_id: str
    payment_id: str
    method: str
    token: str | None
    amount: int
    currency: str


class PaymentGateway(Protocol):
    """A payment provider, spoken to by the reference that `create` gave.

    All but `create` raise `ProviderAnswerWrong` where the answer is of another amount or currency.
    """

    async def create(self, request: PaymentRequest) -> str | Refusal:
        """Makes the payment without asking for money, and returns its reference."""

    async def confirm(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Asks for the money: to hold it where the method can be held, else to take it."""

    async def retrieve(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """How it stands."""

    async def capture(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Takes held money. Still `held` with a refusal: declined."""

    async def cancel(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Gives a hold back, or makes an unpaid payment unpayable. `taken`: too late, refund it."""

    async def refund(
        self, reference: str, request: PaymentRequest, *, amount: int, refund_key: str
    ) -> str:
        """Gives `amount` of taken money back, once for each `refund_key`; returns its reference."""


# --- Carriers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Booking:
    """A place that the carrier keeps for a parcel."""

    tracking_number: str


class Carrier(Protocol):
    """A carrier, spoken to by our own key of the parcel's step."""

    async def book(
        self, key: str, *, service: str, reference: str, country: str
    ) -> Booking | Refusal:
        """Keeps a place; nobody comes yet."""

    async def release(self, key: str) -> Refusal | None:
        """Tells the carrier to come."""

    async def cancel(self, key: str) -> Refusal | None:
        """Cancels, also what was never booked: a later `book` of that key is refused."""


# --- Our own site -----------------------------------------------------------------------------


class OwnSite(Protocol):
    """Stock, ledger and the merchant's parcels: each method is one transaction."""

    async def hold(self, order_id: str, steps: Sequence[str]) -> tuple[Vote, ...]:
        """Holds what these steps ask for. Each votes; a vote once given is repeated."""

    async def decide(
        self, order_id: str, objection: Refusal | None, *, nothing_else: bool
    ) -> Decision:
        """Writes the order's decision if none is written, and acts on it; returns the one that is.

        `confirm` takes all that our site holds; `undo` (`objection` says why, or a stored cancel does)
        gives it back, and ends the order where `nothing_else` has to be undone.
        A confirm that lacks somebody's yes becomes an undo (`not_held`).
        """

    async def close(self, order_id: str) -> Standing:
        """All that was asked to be undone is: ends the order, if it has not ended."""

    async def open_reversal(self, order_id: str, failure: Refusal) -> None:
        """The parcel will not come: from here on a confirmed order is given back."""

    async def reverse(self, order_id: str) -> Standing:
        """Restocks, refunds the ledger's payments, and ends the order."""

    async def refuse_cancel(self, order_id: str, refusal: Refusal) -> None:
        """Answers every open cancel of the order with no."""


# --- What remote steps write down ---------------------------------------------------------------


@dataclass(frozen=True)
class RemotePayment:
    """One payment at a provider, as our tables have it."""

    request: PaymentRequest
    reference: str | None
    captured: int


@dataclass(frozen=True)
class RemoteParcel:
    """One parcel at a carrier, as our tables have it."""

    order_id: str
    carrier: str
    service: str
    country: str


@dataclass(frozen=True)
class Begun:
    """May the step act? `vote`: it was answered before. `undone`: it is too late."""

    vote: Vote | None
    undone: bool


Destination = Literal["payer", "store_credit"]  # where money goes that is given back
Op = Literal["hold", "undo"]  # which of a step's two fence rows


class Records(Protocol):
    """What a remote step stores before and after it asks: intent, reference, vote, history.

    Each method is one short transaction; none is open while a provider thinks.
    """

    async def payment(self, step: Step, payment_id: str) -> RemotePayment: ...

    async def parcel(self, shipment_id: str) -> RemoteParcel: ...

    async def begin(self, step: Step) -> Begun:
        """Stores the intent to act. After an undo it never may."""

    async def may_take(self, step: Step) -> Vote | None:
        """None: what is held may be taken now. Else the step was undone, or its order is decided."""

    async def keep_reference(self, step: Step, payment_id: str, reference: str) -> str | None:
        """Stores the provider's reference if none is stored; returns the one that counts.

        None: the step was undone meanwhile, so nothing may be asked by this reference.
        """

    async def begin_undo(self, step: Step) -> Literal["never_began", "undo", "undone"]:
        """Bars the step for good. `never_began`: nothing was asked, and nothing ever will be."""

    async def payment_answered(self, step: Step, payment_id: str, answer: ProviderPayment) -> Vote:
        """Stores what the provider said of a hold or a charge; returns it as a vote."""

    async def payment_refused(self, step: Step, payment_id: str, refusal: Refusal) -> Vote:
        """Stores that the provider would not even make the payment."""

    async def payment_captured(self, step: Step, payment_id: str, answer: ProviderPayment) -> Vote:
        """Stores what the provider said of a capture."""

    async def payment_given_back(
        self,
        step: Step,
        op: Op,
        payment_id: str,
        *,
        amount: int,
        to: Destination,
    ) -> None:
        """Stores that nothing of this payment is left with us: `amount` (0: it was never taken) went
        back; store credit is posted here, once a step. `op`: an undo, or a refund's own hold."""

    async def parcel_answered(
        self, step: Step, shipment_id: str, answer: Booking | Refusal
    ) -> Vote:
        """Stores what the carrier said of a booking."""

    async def parcel_released(self, step: Step, shipment_id: str, refusal: Refusal | None) -> Vote:
        """Stores what the carrier said when it was told to come."""

    async def parcel_canceled(self, step: Step) -> None:
        """Stores that the carrier will not come."""

    async def raise_attention(self, order_id: str, step: str, error: str, tries: int) -> None:
        """Marks that `step` keeps failing, if no other step's mark is there."""
