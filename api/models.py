"""What the API takes: strict, bounded, and nothing unknown. Amounts are integer minor units."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, Status
from ordersaga.messages import Time
from ordersaga.money import MAX_AMOUNT
from ordersaga.order import MERCHANT

MAX_LINES: Final = 200  # what a workflow's first hold reserves well within its two seconds
MAX_PAYMENTS: Final = 10  # nobody splits a tender further; each may be a call to a provider
MAX_ID: Final = 64  # characters of a customer's id or a SKU, both others' words
ID_PATTERN: Final = r"^[^\x00-\x1f\x7f]+$"  # no control characters: it stands in paths, too
MAX_QUANTITY: Final = 1_000_000  # of one line
MAX_STOCK: Final = MAX_AMOUNT  # units of a SKU: a JSON reader takes them without loss
MAX_STOCK_ITEMS: Final = 10_000  # a call: 0.2 s in PostgreSQL, well within its statement timeout
MAX_STEP: Final = 64  # characters of a step's name: a word and an id
MAX_COMMENT: Final = 2_000  # characters of a review
MAX_METADATA: Final = 50  # entries
MAX_POSITION: Final = 2**63 - 1  # of an event, as PostgreSQL counts
MAX_PAGE: Final = 100  # orders of a list
DEFAULT_PAGE: Final = 20

Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]  # RFC 5321
Locale = Annotated[  # a BCP 47 tag
    str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")
]
Token = Annotated[str, StringConstraints(min_length=1, max_length=255)]
TrackingNumber = Annotated[  # carriers' own, and all of them print theirs on a label
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")
]
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
    locale: Locale | None = Field(
        default=None,
        examples=["zh-CN"],
        description="whose words and figures his mails have; none is shown as `en`, and mails are in"
        " English, but his order's page is in the language of his browser",
    )
    notify: Literal["all", "none"] = Field(
        default="all", description="`none`: he gets no mail about this order"
    )


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
        examples=["retry"],
        description="`retry`: try it now. `skip`: give it up for good; its cost is ours",
    )
    note: LongText = Field(
        examples=["paid back by hand"],
        description="why; kept in the order's history, with who asked",
    )


class HoldBody(Strict):
    """Why an order shall stop before its money is taken."""

    reason: LongText = Field(
        examples=["looks like a stolen card"], description="kept in the order's history"
    )


class ReleaseBody(Strict):
    """Why a held order may go on."""

    reason: LongText = Field(default="released", description="kept in the order's history")


class AcceptBody(Strict):
    """The merchant takes the order."""

    reason: LongText = Field(default="accepted", description="kept in the order's history")


class DeclineBody(Strict):
    """The merchant does not take the order."""

    reason: LongText = Field(default="declined", examples=["cannot be made in time"])


class ShipBody(Strict):
    """The merchant has handed his parcel over."""

    tracking_number: TrackingNumber = Field(
        examples=["BR123456789"], description="visible ASCII, without spaces; of no other parcel"
    )


class ReceiptBody(Strict):
    """The buyer has it: nothing more to say."""


class ReviewBody(Strict):
    """What the buyer thinks of it."""

    rating: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(examples=[5])
    comment: Annotated[str, StringConstraints(max_length=MAX_COMMENT)] = Field(
        default="", examples=["came quickly"]
    )


class ReturnLineBody(Strict):
    """So many units of one SKU."""

    sku: Id = Field(examples=["tea"])
    quantity: Quantity = Field(examples=[1])


ReturnLines = Annotated[tuple[ReturnLineBody, ...], Field(min_length=1, max_length=MAX_LINES)]


class ReturnBody(Strict):
    """Goods that the buyer wants to send back."""

    lines: ReturnLines | None = Field(
        default=None, description="each SKU once; absent: all that was not sent back yet"
    )
    reason: LongText = Field(examples=["too small"], description="never in the order's history")


class ReturnMoveBody(Strict):
    """The seller's word on a return: nothing more to say."""


class RefundBody(Strict):
    """Money that goes back without goods: to the order's payments, the newest first."""

    amount: Money
    reason: LongText = Field(examples=["arrived late"], description="kept in the order's history")


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


class OrderFilterQuery(Strict):
    """Which orders are shown."""

    status: Status | None = None
    payment_status: PaymentStatus | None = None
    fulfillment_status: FulfillmentStatus | None = None
    customer_id: Id | None = None
    attention: bool | None = None
    created_after: Time | None = None


class OrderListQuery(OrderFilterQuery):
    """Which orders a list shows, and how many at once."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None


class StreamQuery(Strict):
    """Where a stream begins."""

    last_event_id: Annotated[int, Field(ge=0, le=MAX_POSITION)] | None = Field(
        default=None, description="as the header `Last-Event-ID`, for who cannot send one"
    )
