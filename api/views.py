"""What the API answers with, for OpenAPI: `rendering` writes it without going through these."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.models import Money
from api.outlook import WaitingFor
from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, ReturnStatus, Status
from ordersaga.tracking import TrackingStatus


class CustomerView(BaseModel):
    """Who buys."""

    id: str
    name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    notify: str | None


class LineView(BaseModel):
    """So many units of one SKU."""

    sku: str
    quantity: int
    unit_price: Money
    tax: Money


class PaymentView(BaseModel):
    """One payment of the order."""

    id: str
    method: str
    status: PaymentStatus
    amount: Money
    captured: Money
    refunded: Money
    next_action: dict[str, object] | None = Field(description="what the payer has to do")
    expires_at: datetime | None = Field(description="until when its payer is waited for")


class ShipmentView(BaseModel):
    """The order's one parcel."""

    id: str
    carrier: str
    service: str
    tracking_number: str | None
    tracking_status: TrackingStatus
    estimated_at: datetime | None


class ReturnLineView(BaseModel):
    """So many units of one line, and what they bring back."""

    sku: str
    quantity: int
    amount: Money


class ReturnView(BaseModel):
    """Goods that come back."""

    id: str = Field(examples=["ret_01M7YSM35RQCGYCAPV98JR57X1"])
    status: ReturnStatus
    reason: str
    amount: Money = Field(
        description="what goes back for it: as far as is known until its goods are here. The shipping "
        "fee goes back with the last goods of the order, and never more than is left"
    )
    lines: list[ReturnLineView]
    requested_at: datetime
    allowed: list[str] = Field(description="what the seller may say to it now")


class RefundView(BaseModel):
    """What goes back of one payment, for one reason."""

    id: str
    payment_id: str
    amount: Money
    cause: Literal["reversal", "return", "request", "late"]
    return_id: str | None
    created_at: datetime
    refunded_at: datetime | None = Field(description="null: still to do")
    destination: str | None = Field(description="where it went, once it is done")


class ReviewView(BaseModel):
    """What the buyer thinks of it."""

    rating: int = Field(ge=1, le=5)
    comment: str
    created_at: datetime


class HoldView(BaseModel):
    """Why an order stops before its money is taken."""

    kind: Literal["operator", "rule", "merchant"]
    reason: str
    since: datetime
    until: datetime = Field(description="when it is given up, unless somebody lets it go on")


class SightingView(BaseModel):
    """One thing that a carrier said of a parcel."""

    status: TrackingStatus
    occurred_at: datetime
    location: str | None
    detail: str | None
    estimated_at: datetime | None


class TrackingView(BaseModel):
    """All that was said of a parcel, oldest first by its carrier's clock."""

    events: list[SightingView]


class AttentionView(BaseModel):
    """What keeps failing, and what an operator may do about it."""

    step: str
    error: str
    tries: int
    since: datetime
    actions: list[Literal["retry", "skip"]]


class FailureView(BaseModel):
    """Who said no, and why."""

    participant: str
    code: str
    detail: str


class LinksView(BaseModel):
    """Where to look further."""

    events: str
    track: str | None = Field(
        description="its page for the buyer, who needs no key: whoever has this link may open it,"
        " and cancel; null for a key with neither `orders:write` nor `ops`"
    )
    tracking: str = Field(description="where its parcel was seen")
    workflow: str | None = Field(description="the order in Temporal's UI")


class OrderView(BaseModel):
    """An order as it is now."""

    id: str
    status: Status
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    total: Money
    currency: str
    customer: CustomerView
    lines: list[LineView]
    shipping_address: dict[str, str | None]
    shipping_fee: Money
    payments: list[PaymentView]
    shipments: list[ShipmentView]
    returns: list[ReturnView]
    refunds: list[RefundView]
    review: ReviewView | None
    hold: HoldView | None
    failure: FailureView | None
    attention: AttentionView | None
    waiting_for: WaitingFor | None = Field(description="who has to act next; null when it is over")
    deadline: datetime | None = Field(
        description="until when a pending order waits: for its payer, its buyer, or who holds it"
    )
    allowed: list[str] = Field(description="the requests that it would take now")
    paid_at: datetime | None
    confirmed_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    received_at: datetime | None
    completed_at: datetime | None
    erased_at: datetime | None = Field(
        description="since when nobody knows whose it was: `customer` and `shipping_address` are empty"
    )
    metadata: dict[str, str | int | float | bool | None]
    version: int = Field(description="how many events its history has")
    created_at: datetime
    updated_at: datetime
    links: LinksView


class OrderPage(BaseModel):
    """Some orders, newest first."""

    orders: list[OrderView]
    next_cursor: str | None = Field(description="null: these were the last")


class EventView(BaseModel):
    """One thing that happened to an order."""

    sequence: int
    type: str
    machine: str | None
    from_: str | None = Field(alias="from")
    to: str | None
    data: dict[str, object]
    occurred_at: datetime
    recorded_at: datetime


class EventList(BaseModel):
    """An order's whole history."""

    events: list[EventView]


class StockView(BaseModel):
    """Units of one SKU: on_hand = available + reserved."""

    sku: str
    on_hand: int
    available: int
    reserved: int


class StockList(BaseModel):
    """Units of many SKUs, in the order of their SKU."""

    items: list[StockView]


class EntryView(BaseModel):
    """One change of a customer's store credit."""

    transfer: str
    amount: Money = Field(description="negative: spent")
    order_id: str | None
    reason: str
    created_at: datetime


class AccountView(BaseModel):
    """A customer's store credit."""

    customer_id: str
    balances: list[Money] = Field(description="one a currency")
    entries: list[EntryView] = Field(description="the newest, newest first")


class VoucherView(BaseModel):
    """A voucher and what is left of it."""

    code: str
    amount: Money
    balance: Money


class ReceiptView(BaseModel):
    """What became of a message: `seen_before` and `ignored` change nothing."""

    message: Literal["kept", "seen_before", "ignored"]


class HealthView(BaseModel):
    """Whether this process works, and what it works with."""

    status: Literal["ok", "unavailable"]


class ReadinessView(BaseModel):
    """Whether what this process needs is there."""

    status: Literal["ok", "unavailable"]
    postgres: bool
    temporal: bool


class FieldErrorView(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="RFC 6901, into the body; or `/query/…`")
    detail: str


class ProblemView(BaseModel):
    """RFC 9457. `code` is for programs and never changes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldErrorView] | None = None
    allowed: list[str] | None = None
