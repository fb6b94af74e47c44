"""What our own tables say, all of it at one moment. Amounts are minor units of the order's currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from pydantic import JsonValue

from ordersaga import tracking
from ordersaga.config import EVENTS_KEPT_S
from ordersaga.keys import refund_step
from ordersaga.lifecycle import UNDECIDED, FulfillmentStatus, ReturnStatus, Status
from ordersaga.methods import METHODS, OWN
from ordersaga.money import format_amount
from ordersaga.order import MERCHANT
from ordersaga.tracking import Sighting, Tracking, TrackingStatus

SETTLED: Final = frozenset({Status.CONFIRMED, Status.SHIPPED, Status.DELIVERED, Status.COMPLETED})
UNDONE: Final = frozenset({Status.REJECTED, Status.CANCELED, Status.RETURNED})

STORE_CREDIT: Final = "store_credit"  # `to` of a `payment.refunded` that could not go back
PAYER: Final = "payer"  # … and of one that went back through its provider
REFUNDS: Final = frozenset({"payment.refunded", "payment.partially_refunded"})
HERE_AGAIN: Final = frozenset({ReturnStatus.RECEIVED, ReturnStatus.REFUNDED})


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
    expires_at: datetime | None = None  # until when its payer is waited for

    @property
    def is_on_ledger(self) -> bool:
        """Whether it is paid from our own ledger, and so in nobody else's books."""
        method = METHODS.get(self.method)
        return method is not None and method.site == OWN


@dataclass(frozen=True, slots=True)
class OurRefund:
    """What goes back of one payment, for one reason. No `destination`: not yet."""

    id: str
    payment_id: str
    amount: int
    cause: str  # reversal, return, request, late
    return_id: str | None
    request_id: str | None
    destination: str | None
    created_at: datetime

    @property
    def is_done(self) -> bool:
        return self.destination is not None

    @property
    def step(self) -> str:
        return refund_step(self.id)


@dataclass(frozen=True, slots=True)
class OurReturnLine:
    """So many units of one line of the order, and what they bring back."""

    line: int
    quantity: int
    amount: int


@dataclass(frozen=True, slots=True)
class OurReturn:
    id: str
    status: str
    amount: int
    updated_at: datetime
    lines: tuple[OurReturnLine, ...] = ()

    @property
    def is_here_again(self) -> bool:
        """Whether its goods are."""
        return self.status in HERE_AGAIN


@dataclass(frozen=True, slots=True)
class OurMessage:
    """Something from outside about an order that has not heard of it."""

    source: str
    type: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OurEvent:
    sequence: int
    type: str
    machine: str | None
    from_state: str | None
    to_state: str | None
    data: Mapping[str, JsonValue]
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class OurOutboxRow:
    """An event on its way to others. No `position`: no relay has seen it yet."""

    sequence: int
    created_at: datetime
    position: int | None


@dataclass(frozen=True, slots=True)
class OurParked:
    """A sink that does not take an order's event, and why."""

    sink: str
    sequence: int
    error: str
    parked_at: datetime


@dataclass(frozen=True, slots=True)
class OurLine:
    number: int
    sku: str
    quantity: int
    unit_price: int
    tax: int


@dataclass(frozen=True, slots=True)
class OurReservation:
    sku: str
    quantity: int
    state: str  # reserved, committed, released, restocked
    restocked: int = 0  # units that came back


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
    shipping_fee: int = 0
    carrier: str = MERCHANT
    shipment_id: str | None = None
    tracking_number: str | None = None
    tracking_status: str = TrackingStatus.UNKNOWN
    estimated_at: datetime | None = None
    failure: Mapping[str, JsonValue] | None = None
    attention: Mapping[str, JsonValue] | None = None
    hold: Mapping[str, JsonValue] | None = None
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    received_at: datetime | None = None
    completed_at: datetime | None = None
    decision: str | None = None
    lines: tuple[OurLine, ...] = ()
    payments: tuple[OurPayment, ...] = ()
    events: tuple[OurEvent, ...] = ()  # by sequence
    reservations: tuple[OurReservation, ...] = ()
    fence: tuple[OurFenceRow, ...] = ()
    requests: tuple[OurRequest, ...] = ()  # open ones
    refunds: tuple[OurRefund, ...] = ()  # by id
    returns: tuple[OurReturn, ...] = ()  # by id
    sightings: tuple[Sighting, ...] = ()  # of its parcel
    messages: tuple[OurMessage, ...] = ()  # undelivered ones that tell what our rows do not say
    outbox: tuple[OurOutboxRow, ...] = ()  # by sequence
    parked: tuple[OurParked, ...] = ()
    ledger_held: int = 0  # the order's entries on `held`, summed
    ledger_spendable: int = 0  # … on credit and voucher accounts
    # Transfer → what it brought to a credit or voucher account.
    ledger_credits: Mapping[str, int] = field(default_factory=dict)

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
        return not (self.is_undecided or self.requests or self.open_refunds or self.messages)

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
    def demand(self) -> Mapping[str, int]:
        """SKU → units."""
        return _summed((line.sku, line.quantity) for line in self.lines)

    @cached_property
    def was_confirmed(self) -> bool:
        return self.has_happened("order.confirmed")

    @cached_property
    def was_reversed(self) -> bool:
        """Given back as a whole, or on its way there."""
        return self.has_happened("order.reversing")

    @cached_property
    def parcel_is_lost(self) -> bool:
        """Its goods never come back."""
        code = (self.failure or {}).get("code")
        return self.was_reversed and code == tracking.PARCEL_LOST.code

    @cached_property
    def parcel(self) -> Tracking:
        """Where it is, by all that its carrier said."""
        return tracking.fold(self.sightings)

    @cached_property
    def open_refunds(self) -> tuple[OurRefund, ...]:
        """What still goes back, unless an operator gave that up."""
        return tuple(
            refund
            for refund in self.refunds
            if not refund.is_done and refund.step not in self.skipped
        )

    @cached_property
    def sent_back(self) -> Mapping[str, int]:
        """SKU → units that returns brought back to the shelf."""
        skus = {line.number: line.sku for line in self.lines}
        return _summed(
            (skus.get(line.line, ""), line.quantity)
            for return_ in self.returns
            if return_.is_here_again
            for line in return_.lines
        )

    @cached_property
    def is_all_sent_back(self) -> bool:
        return self.sent_back == self.demand

    @cached_property
    def credited(self) -> Mapping[str, int]:
        """Payment id → what of it went back as store credit."""
        return _summed(
            (str(e.data.get("payment_id", "")), amount_of(e))
            for e in self.events
            if e.type in REFUNDS and e.data.get("to") == STORE_CREDIT
        )

    @cached_property
    def undone_by_events(self) -> Mapping[str, int]:
        """Payment id → what of it went back in an undo: that has no row of its own."""
        return _summed(
            (str(e.data.get("payment_id", "")), amount_of(e))
            for e in self.events
            if e.type in REFUNDS and "refund_id" not in e.data
        )

    @cached_property
    def refunded_while_confirmed(self) -> int:
        """What went back, by history, of an order that stays confirmed."""
        since = next((e.sequence for e in self.events if e.type == "order.confirmed"), 0)
        return sum(
            amount_of(e) for e in self.events if e.type in REFUNDS and e.sequence > since > 0
        )

    @cached_property
    def skipped(self) -> Mapping[str, str]:
        """Step → who gave it up, and why, of steps that an operator skipped."""
        return {
            str(e.data.get("step", "")): f"{e.data.get('by', '?')}: {e.data.get('note', '')}"
            for e in self.events
            if e.type == "attention.answered" and e.data.get("action") == "skip"
        }

    def has_happened(self, *types: str) -> bool:
        return any(e.type in types for e in self.events)


def amount_of(event: OurEvent) -> int:
    """What an event moved; 0 where it says nothing of that."""
    amount = event.data.get("amount", 0)
    return amount if isinstance(amount, int) else 0


def _summed(amounts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, 0) + amount
    return sums


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


@dataclass(frozen=True, slots=True)
class OurCursor:
    """How far a sink has heard of a partition's events."""

    sink: str
    partition: int
    position: int


@dataclass(frozen=True, slots=True)
class OurRelay:
    """`newest`: the last position given. `strays`: outbox rows (order, sequence) of no order."""

    newest: int
    cursors: tuple[OurCursor, ...] = ()
    strays: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Ours:
    """Our tables at one moment."""

    read_at: datetime
    orders: tuple[OurOrder, ...] = ()
    stock: tuple[OurStock, ...] = ()
    accounts: tuple[OurAccount, ...] = ()
    transfers: tuple[OurTransfer, ...] = ()
    relay: tuple[OurRelay, ...] = ()  # one, or not read
    events_kept_s: float = EVENTS_KEPT_S
