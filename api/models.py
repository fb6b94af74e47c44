"""What the API takes: strict, bounded, and nothing unknown. Amounts are integer minor units."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, Status
from ordersaga.money import MAX_AMOUNT
from ordersaga.order import MERCHANT

MAX_LINES: Final = 200  # what a workflow's first hold reserves well within its two seconds
MAX_PAYMENTS: Final = 10  # nobody splits a tender further; each may be a call to a provider
MAX_ID: Final = 64  # characters of a customer's id or a SKU, both others' words
MAX_QUANTITY: Final = 1_000_000  # of one line
MAX_STOCK: Final = MAX_AMOUNT  # units of a SKU: a JSON reader takes them without loss
MAX_STOCK_ITEMS: Final = 10_000  # a call: 0.2 s in PostgreSQL, well within its statement timeout
MAX_STEP: Final = 64  # characters of a step's name: a word and an id
MAX_METADATA: Final = 50  # entries
MAX_PAGE: Final = 100  # orders of a list
DEFAULT_PAGE: Final = 20

FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)  # what ids and PostgreSQL can both compare
LAST_DAY: Final = datetime(9000, 1, 1, tzinfo=UTC)

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]  # RFC 5321
Token = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Amount = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT)]
Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]
Stock = Annotated[int, Field(strict=True, ge=0, le=MAX_STOCK)]


class Strict(BaseModel):
    """Frozen, and nothing unknown is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Money(Strict):
    """So many minor units of an ISO 4217 currency."""

    amount: Amount = Field(examples=[1099])
    currency: Currency = Field(examples=["USD"])


class Customer(Strict):
    """Who buys. All but `id` is personal data."""

    id: Id = Field(examples=["c-1"])
    name: Text | None = None
    email: Email | None = None
    phone: Text | None = None


class LineBody(Strict):
    """So many units of one SKU."""

    sku: Id
    quantity: Quantity
    unit_price: Money
    tax: Money | None = None


class Address(Strict):
    """Where the parcel goes."""

    name: Text | None = None
    line1: Text | None = None
    line2: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: Text | None = None
    country: Country = Field(examples=["BR"], description="ISO 3166-1 alpha-2")


class Shipping(Strict):
    """Who brings the parcel, and how."""

    carrier: Word = Field(
        default=MERCHANT, description="`merchant` (the seller ships) or `sandbox`"
    )
    service: Word = Field(default="standard")


class PaymentBody(Strict):
    """One payment. One payment of an order may leave its amount out and takes the rest."""

    method: Word = Field(examples=["card"])
    token: Token | None = Field(
        default=None, description="the provider's token, or the voucher's code; none for `balance`"
    )
    amount: Money | None = None


Payments = Annotated[tuple[PaymentBody, ...], Field(max_length=MAX_PAYMENTS)]


# Looked at in `checks`, which says better what is wrong.
Metadata = Annotated[
    dict[str, object],
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_METADATA,
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
    ),
]


class OrderBody(Strict):
    """A new order. Total = Σ quantity × unit_price + Σ tax + shipping_fee."""

    customer: Customer
    currency: Currency = Field(examples=["BRL"])
    lines: Annotated[tuple[LineBody, ...], Field(min_length=1, max_length=MAX_LINES)]
    shipping_address: Address
    shipping: Shipping = Shipping()
    shipping_fee: Money | None = None
    payments: Payments = Field(default=(), description="absent or empty: paid later, by `pay`")
    metadata: Metadata = Field(default={}, description="up to 50 words or numbers of your own")


class CancelBody(Strict):
    """Why the order shall be canceled."""

    reason: LongText = "canceled by request"


class PayBody(Strict):
    """The payments of an order that was placed without."""

    payments: Annotated[Payments, Field(min_length=1)]


class AttentionBody(Strict):
    """An operator's word for the step that keeps failing."""

    step: Annotated[str, StringConstraints(min_length=1, max_length=MAX_STEP)] = Field(
        examples=["payment:pay_01…"], description="the order's `attention.step`"
    )
    action: Literal["retry", "skip"] = Field(
        description="`retry`: try it now. `skip`: give it up for good; its cost is ours"
    )
    note: LongText = Field(description="why; kept in the order's history, with who asked")


class StockBody(Strict):
    """How many units there are, reserved ones included."""

    on_hand: Stock


class StockItem(Strict):
    """How many units there are of one SKU."""

    sku: Id
    on_hand: Stock


class StockItemsBody(Strict):
    """Many SKUs at once: all are set, or none is."""

    items: Annotated[tuple[StockItem, ...], Field(min_length=1, max_length=MAX_STOCK_ITEMS)]


class CreditBody(Strict):
    """Store credit for a customer."""

    amount: Money
    reason: LongText


class VoucherBody(Strict):
    """A voucher: money for whoever has its code."""

    code: Token
    amount: Money


class OrderListQuery(Strict):
    """Which orders a list shows."""

    status: Status | None = None
    payment_status: PaymentStatus | None = None
    fulfillment_status: FulfillmentStatus | None = None
    customer_id: Id | None = None
    attention: bool | None = None
    created_after: Annotated[AwareDatetime, Field(ge=FIRST_DAY, le=LAST_DAY)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None
