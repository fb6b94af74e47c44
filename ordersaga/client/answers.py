"""What is answered: what callers need of it. Fields that are not here are ignored."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ordersaga.client.bodies import Money


class Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class Failure(Answered):
    """Why an order did not go through."""

    participant: str
    code: str
    detail: str = ""


class PaymentView(Answered):
    id: str
    method: str
    status: str
    next_action: dict[str, JsonValue] | None = None  # what its payer has to do


class ReturnView(Answered):
    """Goods that come back; `allowed`: what their seller may say to it."""

    id: str
    status: str
    allowed: tuple[str, ...]


class HoldView(Answered):
    """Why an order stops before its money is taken."""

    kind: str
    until: datetime


class ShipmentView(Answered):
    carrier: str
    tracking_number: str | None


class Links(Answered):
    """Where more of an order is. `track`: its buyer's page, if the service has any and the key may
    change orders."""

    events: str
    tracking: str
    track: str | None
    workflow: str | None


class Order(Answered):
    """An order as it was when it was read."""

    id: str
    status: str
    payment_status: str
    fulfillment_status: str
    payments: tuple[PaymentView, ...]
    shipments: tuple[ShipmentView, ...] = ()
    failure: Failure | None
    attention: dict[str, JsonValue] | None
    returns: tuple[ReturnView, ...] = ()
    hold: HoldView | None = None
    deadline: datetime | None
    version: int
    allowed: tuple[str, ...]
    links: Links


class Stock(Answered):
    sku: str
    on_hand: int
    available: int
    reserved: int


class OrderPage(Answered):
    orders: tuple[Order, ...]
    next_cursor: str | None


class Event(Answered):
    """One thing that happened to an order; `sequence` has no gaps."""

    sequence: int
    type: str
    machine: str | None
    from_: str | None = Field(alias="from")
    to: str | None
    data: dict[str, JsonValue]
    occurred_at: datetime
    recorded_at: datetime


class LiveEvent(Event):
    """One that was streamed. `last_event_id`: a stream goes on after it."""

    order_id: str
    last_event_id: int


class EventList(Answered):
    events: tuple[Event, ...]


class Entry(Answered):
    """One change of a customer's store credit; negative: spent."""

    amount: Money
    order_id: str | None
    reason: str
    created_at: datetime


class Account(Answered):
    """A customer's store credit, one balance a currency."""

    customer_id: str
    balances: tuple[Money, ...]
    entries: tuple[Entry, ...]
