"""What an audit looks at: our tables at one moment, and the books of those we deal with.

Amounts are minor units of the order's currency. `Our…` is what our tables say, `Booked…` what a
provider or a carrier says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal

from pydantic import JsonValue

from ordersaga.lifecycle import UNDECIDED, FulfillmentStatus, PaymentStatus, Status
from ordersaga.methods import METHODS, OWN
from ordersaga.money import format_amount
from ordersaga.order import MERCHANT

SETTLED: Final = frozenset({Status.CONFIRMED, Status.SHIPPED, Status.DELIVERED, Status.COMPLETED})
UNDONE: Final = frozenset({Status.REJECTED, Status.CANCELED, Status.RETURNED})

STORE_CREDIT: Final = "store_credit"  # `to` of a `payment.refunded` that could not go back
REFUNDS: Final = frozenset({"payment.refunded", "payment.partially_refunded"})


@dataclass(frozen=True, slots=True)
class OurPayment:
    id: str
    method: str
    amount: int
    status: str
    captured: int
    refunded: int
    provider_ref: str | None = None
    failure_code: str | None = None

    @property
    def is_on_ledger(self) -> bool:
        """Whether it is paid from our own ledger, and so in nobody else's books."""
        method = METHODS.get(self.method)
        return method is not None and method.site == OWN


@dataclass(frozen=True, slots=True)
class OurEvent:
    sequence: int
    type: str
    machine: str | None
    from_state: str | None
    to_state: str | None
    data: Mapping[str, JsonValue]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class OurReservation:
    sku: str
    quantity: int
    state: str  # reserved, committed, released, restocked


@dataclass(frozen=True, slots=True)
class OurFenceRow:
    step: str
    generation: int
    op: str  # hold, undo
    answer: str | None  # of its vote; None: begun, and not known to be done


@dataclass(frozen=True, slots=True)
class OurRequest:
    """Asked of an order and not answered yet."""

    kind: str
    requested_at: datetime


@dataclass(frozen=True)
class OurOrder:
    id: str
    tenant: str
    currency: str
    total: int
    status: str
    payment_status: str
    fulfillment_status: str
    version: int
    deadline: datetime
    updated_at: datetime
    carrier: str = MERCHANT
    shipment_id: str | None = None
    tracking_number: str | None = None
    failure: Mapping[str, JsonValue] | None = None
    attention: Mapping[str, JsonValue] | None = None
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    completed_at: datetime | None = None
    decision: str | None = None
    demand: Mapping[str, int] = field(default_factory=dict)  # SKU → units
    payments: tuple[OurPayment, ...] = ()
    events: tuple[OurEvent, ...] = ()  # by sequence
    reservations: tuple[OurReservation, ...] = ()
    fence: tuple[OurFenceRow, ...] = ()
    requests: tuple[OurRequest, ...] = ()  # open ones
    ledger_held: int = 0  # the order's entries on `held`, summed
    ledger_spendable: int = 0  # … on credit and voucher accounts

    def money(self, amount: int) -> str:
        """An amount of this order, for people."""
        return format_amount(amount, self.currency)

    @property
    def is_undecided(self) -> bool:
        return self.status in UNDECIDED

    @property
    def is_settled(self) -> bool:
        """Confirmed, and nobody took it back since."""
        return self.status in SETTLED

    @property
    def is_undone(self) -> bool:
        return self.status in UNDONE

    @property
    def is_at_rest(self) -> bool:
        """Nobody is at work on it, so that others' books must say the same as ours."""
        return not self.is_undecided and not self.requests

    @property
    def ships_with_carrier(self) -> bool:
        return self.carrier != MERCHANT

    @property
    def has_live_parcel(self) -> bool:
        return self.fulfillment_status in (
            FulfillmentStatus.BOOKED,
            FulfillmentStatus.SHIPPED,
            FulfillmentStatus.DELIVERED,
        )

    @cached_property
    def was_confirmed(self) -> bool:
        return any(e.type == "order.confirmed" for e in self.events)

    @cached_property
    def credited(self) -> Mapping[str, int]:
        """Payment id → what of it went back as store credit."""
        return self._refunded_by_events(to_credit=True)

    @cached_property
    def refunded_while_confirmed(self) -> int:
        """What went back, by history, of an order that stays confirmed."""
        since = next((e.sequence for e in self.events if e.type == "order.confirmed"), 0)
        return sum(_amount(e) for e in self.events if e.type in REFUNDS and e.sequence > since > 0)

    @cached_property
    def skipped(self) -> Mapping[str, str]:
        """Step → who gave it up, and why, of steps that an operator skipped."""
        return {
            str(e.data.get("step", "")): f"{e.data.get('by', '?')}: {e.data.get('note', '')}"
            for e in self.events
            if e.type == "attention.answered" and e.data.get("action") == "skip"
        }

    def _refunded_by_events(self, *, to_credit: bool) -> Mapping[str, int]:
        sums: dict[str, int] = {}
        for event in self.events:
            if event.type in REFUNDS and (event.data.get("to") == STORE_CREDIT) == to_credit:
                payment_id = str(event.data.get("payment_id", ""))
                sums[payment_id] = sums.get(payment_id, 0) + _amount(event)
        return sums


def _amount(event: OurEvent) -> int:
    amount = event.data.get("amount", 0)
    return amount if isinstance(amount, int) else 0


@dataclass(frozen=True, slots=True)
class OurStock:
    """`open_reservations`: the units of all reservations that still hold this SKU."""

    tenant: str
    sku: str
    on_hand: int
    available: int
    reserved: int
    open_reservations: int


@dataclass(frozen=True, slots=True)
class OurAccount:
    """An account that can be spent from. `entries`: the sum of its entries."""

    tenant: str
    kind: str
    owner: str
    currency: str
    balance: int
    entries: int


@dataclass(frozen=True, slots=True)
class OurTransfer:
    """The entries of one transfer in one currency, summed."""

    transfer: str
    currency: str
    total: int


@dataclass(frozen=True)
class Ours:
    """Our tables at one moment."""

    read_at: datetime
    orders: tuple[OurOrder, ...] = ()
    stock: tuple[OurStock, ...] = ()
    accounts: tuple[OurAccount, ...] = ()
    transfers: tuple[OurTransfer, ...] = ()


MoneyAtProvider = Literal[
    "idle",  # nobody asked for money yet; or declined: it can be asked again
    "payable",  # its payer, or a bank, could still pay it
    "held",
    "taken",
    "dead",  # canceled: no money, ever
]


@dataclass(frozen=True, slots=True)
class BookedPayment:
    """A payment in the provider's books. `order_id`, `payment_id`: as we named it there."""

    reference: str
    order_id: str | None
    payment_id: str | None
    state: MoneyAtProvider
    currency: str
    amount: int
    received: int
    refunded: int

    @property
    def has_money(self) -> bool:
        """Whether somebody's money is there: held, or taken and not all sent back."""
        return self.state == "held" or self.received > self.refunded


@dataclass(frozen=True, slots=True)
class BookedParcel:
    """A parcel in the carrier's books, by the key that we booked it with."""

    key: str
    tracking_number: str | None  # none: canceled before it was ever booked
    state: str  # the carrier's own word
    is_live: bool  # not canceled

    @property
    def order_id(self) -> str:
        return self.key.partition(":")[0]


@dataclass(frozen=True)
class Books:
    """What the others' books say."""

    payments: tuple[BookedPayment, ...] = ()
    parcels: tuple[BookedParcel, ...] = ()

    def about(self, order_ids: Collection[str], references: Collection[str]) -> Books:
        """Only what names one of these orders, or is one of these payments."""
        return Books(
            payments=tuple(
                p for p in self.payments if p.order_id in order_ids or p.reference in references
            ),
            parcels=tuple(p for p in self.parcels if p.order_id in order_ids),
        )


# An undecided order that was moved within this time is on its way, and not judged for where it is.
# Twice the longest a hold or a charge is retried while its provider is away, and some more.
DEFAULT_SETTLE_S: Final = 150.0
# A deadline's timer fires a little late, and then the order still has to be undone.
DEADLINE_SLACK: Final = timedelta(seconds=60)


class Evidence:
    """Everything that is judged, with what the invariants look up."""

    def __init__(self, ours: Ours, books: Books, *, settle_s: float) -> None:
        self.ours = ours
        self.books = books
        self.settle = timedelta(seconds=settle_s)
        self.orders: Mapping[str, OurOrder] = {o.id: o for o in ours.orders}
        self.booked: Mapping[str, BookedPayment] = {p.reference: p for p in books.payments}
        self.booked_of: dict[str, list[BookedPayment]] = {}
        for payment in books.payments:
            self.booked_of.setdefault(payment.order_id or "", []).append(payment)
        self.parcels_of: dict[str, list[BookedParcel]] = {}
        for parcel in books.parcels:
            self.parcels_of.setdefault(parcel.order_id, []).append(parcel)

    def is_in_flight(self, order: OurOrder) -> bool:
        """On its way: what it says of itself a moment later may differ."""
        moved = max([order.updated_at, *(r.requested_at for r in order.requests)])
        return not order.is_at_rest and self.ours.read_at - moved <= self.settle

    def waits_for_payer(self, order: OurOrder) -> bool:
        """Undecided, and by right: the buyer has to pay, or to say how."""
        if order.status != Status.PENDING or self.ours.read_at > order.deadline + DEADLINE_SLACK:
            return False
        asked = any(p.status == PaymentStatus.REQUIRES_ACTION for p in order.payments)
        return asked or (not order.payments and order.total > 0)
