"""What is sent. Ranges are the API's to judge: a client that checks them cannot show its no."""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictInt


class Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Money(Sent):
    """Minor units of an ISO 4217 currency."""

    amount: StrictInt
    currency: str


class Customer(Sent):
    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    notify: str = "all"


class OrderLine(Sent):
    sku: str
    quantity: StrictInt
    unit_price: Money
    tax: Money | None = None


class Address(Sent):
    country: str
    name: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None


class Shipping(Sent):
    carrier: str = "merchant"
    service: str = "standard"


class Payment(Sent):
    method: str
    amount: Money | None = None
    token: str | None = None


Sequenced = TypeVar("Sequenced")
Listed = Annotated[tuple[Sequenced, ...], Field(strict=False)]  # JSON has lists only


class NewOrder(Sent):
    """The body of `POST /v1/orders`."""

    customer: Customer
    currency: str
    lines: Listed[OrderLine]
    shipping_address: Address
    shipping: Shipping | None = None
    shipping_fee: Money | None = None
    payments: Listed[Payment] = ()
    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def total(self) -> int:
        """Minor units, as the API reckons them."""
        lines = sum(
            line.quantity * line.unit_price.amount + (line.tax.amount if line.tax else 0)
            for line in self.lines
        )
        return lines + (self.shipping_fee.amount if self.shipping_fee else 0)


class StockItem(Sent):
    sku: str
    on_hand: StrictInt


class ReturnLine(Sent):
    sku: str
    quantity: StrictInt


class Move(Sent):
    """The body of a move of an order, `POST /v1/orders/{id}/{path}`: see `ordersaga.client.moves`."""

    path: ClassVar[str]


class Nothing(Sent):
    pass


class Cancel(Sent):
    reason: str


class StockItems(Sent):
    items: tuple[StockItem, ...]


class Voucher(Sent):
    code: str
    amount: Money


class Credit(Sent):
    amount: Money
    reason: str
