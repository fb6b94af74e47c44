"""What the API answers with, for OpenAPI: `rendering` writes it without going through these."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.models import Money
from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, Status

TrackingStatus = Literal[
    "unknown",
    "pre_transit",
    "picked_up",
    "in_transit",
    "out_for_delivery",
    "available_for_pickup",
    "delivery_attempted",
    "delayed",
    "exception",
    "delivered",
    "return_to_sender",
    "returned",
    "lost",
    "canceled",
]


class CustomerView(BaseModel):
    """Who buys."""

    id: str
    name: str | None
    email: str | None
    phone: str | None


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


class ShipmentView(BaseModel):
    """The order's one parcel."""

    id: str
    carrier: str
    service: str
    tracking_number: str | None
    tracking_status: TrackingStatus
    estimated_at: datetime | None


class FailureView(BaseModel):
    """Who said no, and why."""

    participant: str
    code: str
    detail: str


class LinksView(BaseModel):
    """Where to look further."""

    events: str
    track: str | None
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
    returns: list[dict[str, object]]
    review: dict[str, object] | None
    failure: FailureView | None
    attention: dict[str, object] | None = Field(description="what keeps failing, for an operator")
    waiting_for: (
        Literal["participants", "buyer", "payer", "operator", "merchant", "carrier"] | None
    ) = Field(description="who has to act next; null when it is over")
    deadline: datetime | None = Field(description="until when a pending order waits")
    allowed: list[str] = Field(description="the requests that it would take now")
    paid_at: datetime | None
    confirmed_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    received_at: datetime | None
    completed_at: datetime | None
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
