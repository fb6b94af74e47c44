"""What the saga needs of the world: roles, each a `Protocol`. Adapters fill them.

Every method may be repeated. An outage raises `ordersaga.errors.Unavailable`; a refusal is a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from ordersaga.keys import Step
from ordersaga.messages import CarrierNews, PaymentNews
from ordersaga.order import (
    Decision,
    Followed,
    RefundPlan,
    Refusal,
    ReturnStanding,
    ReversalOpened,
    Standing,
    Vote,
)

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
    expires_at: datetime | None = None  # a slip's last moment: it cannot be paid later
    # What was done with taken money since, by us or anybody else. Known where it was retrieved.
    refunded: int = 0  # accepted by the provider: pending refunds count
    is_disputed: bool = False  # its payer's bank asks for it


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

    All raise `ProviderAnswerWrong` where the answer is of another payment, amount or currency, and
    `ProviderMisused` where the provider does not take how it is asked: a bug, or a wrong key.
    """

    async def create(self, request: PaymentRequest) -> str | Refusal:
        """Makes the payment without asking for money, and returns its reference."""

    async def confirm(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Asks for the money: to hold it where the method can be held, else to take it."""

    async def retrieve(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """How it stands, and what became of taken money since."""

    async def capture(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Takes held money. Still `held` with a refusal: declined."""

    async def cancel(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        """Gives a hold back, or makes an unpaid payment unpayable. `taken`: too late, refund it."""

    async def refund(
        self, reference: str, request: PaymentRequest, *, amount: int, refund_key: str
    ) -> str:
        """Gives `amount` of taken money back, once for each `refund_key`; returns its reference.

        It is accepted then; the payer may have it days later.
        """


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
        self,
        order_id: str,
        objection: Refusal | None,
        *,
        nothing_else: bool,
        holding: Sequence[str] = (),
    ) -> Decision:
        """Writes the order's decision if none is written, and acts on it; returns the one that is.

        `holding`: unless there is an objection, these steps are held first; a no of theirs is one.
        A held order is not confirmed: `held`, and nothing is written; once its hold has expired, undone.

        `confirm` takes all that our site holds; `undo` (`objection` says why, or a stored cancel does)
        gives it back, and ends the order where `nothing_else` has to be undone, and no fence says otherwise.
        A confirm that lacks somebody's yes becomes an undo (`not_held`).
        """

    async def close(self, order_id: str) -> Standing:
        """All that was asked to be undone is: ends the order, if it has not ended."""

    async def follow_parcel(self, order_id: str, news: CarrierNews) -> Followed:
        """Keeps what the carrier said, once, and moves the order where the parcel's fold leads it."""

    async def resume(self, order_id: str) -> Followed:
        """The workflow of an order was lost: what it was told from outside is told again; and where its
        parcel is by what it had heard."""

    async def held_until(self, order_id: str) -> datetime | None:
        """Until when somebody holds it; None: nobody does."""

    async def complete(self, order_id: str) -> Standing:
        """A delivered order is over: its window has passed. Nothing, if it has moved on."""

    async def open_reversal(self, order_id: str, failure: Refusal) -> ReversalOpened:
        """The parcel will not come: from here on a confirmed order is given back, what is left of it.

        Refused where the merchant's own parcel is on its way and `failure` is somebody's wish.
        """

    async def reverse(self, order_id: str) -> Standing:
        """Restocks what is not lost, refunds the ledger's payments, and ends the order."""

    async def look_at_return(self, return_id: str) -> ReturnStanding:
        """How a return stands; and once its goods are here, what still has to go back for it."""

    async def settle_return(self, return_id: str) -> str:
        """Refunds the ledger's part of it, and ends the return; its status."""

    async def requested_refunds(self, request_id: str) -> tuple[RefundPlan, ...]:
        """What an operator gives back without a return."""

    async def settle_refund(self, request_id: str) -> None:
        """Refunds the ledger's part of it."""

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


Destination = Literal["payer", "store_credit"]  # where money goes that is given back
Op = Literal["hold", "undo"]  # which of a step's two fence rows


class Records(Protocol):
    """What a remote step stores before and after it asks: intent, reference, vote, history.

    Each method is one short transaction; none is open while a provider thinks.
    """

    async def payment(self, step: Step, payment_id: str) -> RemotePayment: ...

    async def parcel(self, shipment_id: str) -> RemoteParcel: ...

    async def begin(self, step: Step) -> Vote | None:
        """Stores the intent to act. None: act. Else its answer of before, or that it is too late."""

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
        payment_id: str,
        *,
        amount: int,
        to: Destination,
    ) -> None:
        """Stores that a payment was undone and nothing of it is left with us: `amount` (0: it was never
        taken) went back; store credit is posted here, once a step."""

    async def refunded(self, step: Step, plan: RefundPlan, *, to: Destination) -> None:
        """Stores that a refund was made; store credit is posted here, once a refund."""

    async def payment_examined(
        self, news: PaymentNews, answer: ProviderPayment
    ) -> tuple[RefundPlan, ...]:
        """Compares what the provider says with our tables, because of `news`.

        Money that came after its payment was given up is written down, and what has to go back is
        returned. A dispute, or a refund that nobody here asked for, calls a person.
        """

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
