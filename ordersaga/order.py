"""What an order is made of: as it is accepted, as its workflow sees it, and how it answers.

Everything here is frozen data. Amounts are integer minor units of the order's one currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pydantic import JsonValue

from ordersaga import keys
from ordersaga.methods import METHODS, OWN

MERCHANT: Final = "merchant"  # the seller ships by himself: a parcel on our own site
SANDBOX: Final = "sandbox"  # the carrier that comes with the product
CARRIERS: Final = frozenset({MERCHANT, SANDBOX})


@dataclass(frozen=True)
class Line:
    """So many units of one SKU. Two lines may name the same SKU."""

    sku: str
    quantity: int
    unit_price: int
    tax: int


@dataclass(frozen=True)
class PaymentPlan:
    """One payment that the order asks for: no token, so that a workflow may see it."""

    id: str
    method: str
    amount: int

    @property
    def step(self) -> str:
        return keys.payment_step(self.id)

    @property
    def is_ours(self) -> bool:
        return METHODS[self.method].site == OWN


@dataclass(frozen=True)
class NewPayment:
    """A payment as the buyer gives it: with its provider's token or its voucher's code."""

    plan: PaymentPlan
    token: str | None


@dataclass(frozen=True)
class Parcel:
    """The one parcel of an order and who brings it."""

    id: str
    carrier: str
    service: str

    @property
    def step(self) -> str:
        return keys.parcel_step(self.id)

    @property
    def is_ours(self) -> bool:
        return self.carrier == MERCHANT


@dataclass(frozen=True)
class NewOrder:
    """An order as it is accepted. `customer` and `shipping_address` are personal data."""

    id: str
    tenant: str
    customer_id: str
    currency: str
    total: int
    shipping_fee: int
    country: str
    lines: tuple[Line, ...]
    payments: tuple[NewPayment, ...]
    parcel: Parcel
    deadline: datetime
    customer: Mapping[str, JsonValue]
    shipping_address: Mapping[str, JsonValue]
    metadata: Mapping[str, JsonValue]
    hold: Hold | None = None


@dataclass(frozen=True)
class Hold:
    """Why an order stops before its money is taken: for whom, and until when its parts are kept."""

    kind: Literal["operator", "rule", "merchant"]
    reason: str
    by: str
    until: datetime


# How remote steps are asked before the decision: by the task queue, or within the workflow's own task, and
# by the task queue only when that takes long or fails.
RemoteLane = Literal["queued", "local_first"]


@dataclass(frozen=True)
class OrderTicket:
    """What the workflow is started with: references, amounts and patience; nothing personal."""

    order_id: str
    currency: str
    total: int
    payments: tuple[PaymentPlan, ...]
    parcel: Parcel
    deadline: datetime  # until when it waits for its payer
    outage_patience_s: int  # how long a hold or a charge is retried while its provider is away
    undo_retry_cap_s: int
    completion_window_s: int  # how long after delivery it can be given back without a word
    held_until: datetime | None = None  # it has a hold
    is_resumed: bool = False  # a workflow before this one was lost, and may have begun any step
    remote_lane: RemoteLane = "queued"
    one_phase: bool = False  # where it can be; the first tickets did not say so

    @property
    def is_one_phase(self) -> bool:
        """Nobody else takes part and nothing is waited for: one transaction holds and decides."""
        is_ours = self.parcel.is_ours and all(payment.is_ours for payment in self.payments)
        is_paid = bool(self.payments) or self.total == 0
        return self.one_phase and is_ours and is_paid and self.held_until is None

    def own_steps(self, payments: Sequence[PaymentPlan]) -> tuple[str, ...]:
        """What is held on our own site when it is paid by these: all of it, or none."""
        steps = (keys.STOCK, *(payment.step for payment in payments if payment.is_ours))
        return (*steps, self.parcel.step) if self.parcel.is_ours else steps


@dataclass(frozen=True)
class Launch:
    """A ticket, and what Temporal's own pages show of the order. The customer id goes there hashed."""

    ticket: OrderTicket
    tenant: str
    customer_id: str
    units: int  # of all lines
    country: str


@dataclass(frozen=True)
class Refusal:
    """Why an order does not go on: who said so, a stable code, a sentence for people."""

    participant: str
    code: str
    detail: str

    @property
    def is_withdrawal(self) -> bool:
        """Somebody asked, or a deadline passed: the order ends `canceled`, else `rejected`."""
        return self.code in WITHDRAWALS


CANCELED: Final = "canceled"
# Why a customer cancels is his own words: kept with the request, never in history or in Temporal.
CANCEL_ASKED: Final = Refusal("customer", CANCELED, "canceled by request")
PAYMENT_EXPIRED: Final = "payment_expired"
PROVIDER_UNAVAILABLE: Final = "provider_unavailable"
HOLD_EXPIRED: Final = "hold_expired"
WITHDRAWALS: Final = frozenset({CANCELED, PAYMENT_EXPIRED, PROVIDER_UNAVAILABLE, HOLD_EXPIRED})
DECLINED_BY_MERCHANT: Final = Refusal(
    "merchant", "declined_by_merchant", "the merchant does not accept the order"
)
NOBODY_RELEASED_IT: Final = Refusal("operator", HOLD_EXPIRED, "nobody let the order go on in time")


@dataclass(frozen=True)
class Vote:
    """A participant's answer to one step. An outage is no vote: it is an exception."""

    step: str
    answer: Literal["yes", "no", "waiting"]  # waiting: for its payer, so ask again
    reference: str | None = None
    refusal: Refusal | None = None
    expires_at: datetime | None = None  # until when a payer is waited for

    @classmethod
    def yes(cls, step: str, reference: str | None = None) -> Vote:
        return cls(step, "yes", reference)

    @classmethod
    def no(cls, step: str, refusal: Refusal) -> Vote:
        return cls(step, "no", None, refusal)


@dataclass(frozen=True)
class Standing:
    """Where an order stands: its row's words."""

    status: str
    payment_status: str


Verdict = Literal[
    "confirm", "undo", "held"
]  # held: nothing is decided, somebody has to let it go on


@dataclass(frozen=True)
class Decision:
    """The order's one decision row, whoever wrote it; and where the order stands by it.

    `votes`: of what was held in the same transaction. `began`: of an undo, the steps that others may have
    been asked for, whichever task of the workflow did; no other ever will be.
    """

    verdict: Verdict
    failure: Refusal | None
    standing: Standing
    held_until: datetime | None = None
    votes: tuple[Vote, ...] = ()
    began: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefundPlan:
    """What goes back of one payment, for one reason: a row of `refunds`. Minor units."""

    id: str
    payment_id: str
    method: str
    amount: int

    @property
    def step(self) -> str:
        return keys.refund_step(self.id)

    @property
    def is_ours(self) -> bool:
        return METHODS[self.method].site == OWN


@dataclass(frozen=True)
class Followed:
    """What became of an order when its parcel was seen. `reversal`: why it has to be given back."""

    standing: Standing
    delivered_at: datetime | None
    reversal: Refusal | None = None


@dataclass(frozen=True)
class ReversalOpened:
    """Why an order is given back, and what of its money. `refusal`: too late, the parcel is on its way."""

    why: Refusal
    refusal: Refusal | None = None
    refunds: tuple[RefundPlan, ...] = ()


@dataclass(frozen=True)
class ReturnStanding:
    """How a return stands. `refunds`: what is still to do, once its goods are received."""

    status: str
    refunds: tuple[RefundPlan, ...] = ()


@dataclass(frozen=True)
class GiveBackTicket:
    """What the workflow of a return, or of a refund without one, is started with."""

    order_id: str
    currency: str
    amount: int
    undo_retry_cap_s: int
    return_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How the order ended: the workflow's result."""

    order_id: str
    status: str
    failure: Refusal | None = None


RequestKind = Literal[
    "cancel", "pay", "attention", "hold", "release", "accept", "decline", "receipt"
]


@dataclass(frozen=True)
class OrderRequest:
    """What somebody asks of an order: stored first, then delivered to its workflow as an update."""

    id: str
    kind: RequestKind
    requested_by: str
    payments: tuple[PaymentPlan, ...] = ()  # of a `pay`
    step: str = ""  # of an `attention`
    action: Literal["", "retry", "skip"] = ""
    held_until: datetime | None = None  # of a `hold`
