"""What the world outside tells of an order, and what a workflow hears of it.

Two ways in, one meaning: webhooks (`PaymentMessage`, `TrackingMessage`: strict, for they are signed
and their senders can mend them) and signals by hand (`read_payment_news`, `read_carrier_news`:
tolerant, for nobody reads their refusal). All of it are hints: money counts only after its provider
was asked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from ordersaga.lifecycle import PaymentStatus
from ordersaga.methods import METHODS, OWN
from ordersaga.money import MAX_AMOUNT
from ordersaga.tracking import TrackingStatus

MAX_EVENT_ID: Final = 255  # characters: a sender's own name for a message
MAX_NAME: Final = 255  # of a provider's reference, a tracking number, an id
MAX_PLACE: Final = 200
MAX_TEXT: Final = 500  # a carrier's sentence, a bank's reason

FIRST_DAY: Final = datetime(1970, 1, 1, tzinfo=UTC)  # what every clock and database can compare
LAST_DAY: Final = datetime(9000, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("has a character that cannot be stored")
    return text


def _written_time(value: object) -> object:
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        return value
    raise ValueError("must be a time as RFC 3339 writes it, with its zone")


_Storable = AfterValidator(_storable)
EventId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EVENT_ID), _Storable]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), _Storable]
Place = Annotated[str, StringConstraints(max_length=MAX_PLACE), _Storable]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT), _Storable]
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written_time),
    Field(ge=FIRST_DAY, le=LAST_DAY),
    AfterValidator(lambda time: time.astimezone(UTC)),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- Payments --------------------------------------------------------------------------------------

PaymentFact = Literal[
    "payment.authorized",
    "payment.captured",
    "payment.failed",
    "payment.refunded",
    "payment.disputed",
]


class MessageAmount(_Strict):
    """So many minor units of an ISO 4217 currency."""

    amount: Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT)]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class PaymentData(_Strict):
    """What a message says of a payment: which one, by our id or by its provider's."""

    payment_id: Name | None = Field(default=None, examples=["pay_01…"])
    provider_ref: Name | None = Field(default=None, examples=["pi_…"])
    amount: MessageAmount | None = Field(
        default=None, description="held, taken, or given back so far, by the message's type"
    )
    reason: Text | None = None

    @model_validator(mode="after")
    def _names_a_payment(self) -> Self:
        if self.payment_id is None and self.provider_ref is None:
            raise ValueError("needs payment_id or provider_ref")
        return self


class PaymentMessage(_Strict):
    """Something happened to a payment, says its provider."""

    type: PaymentFact
    data: PaymentData

    @property
    def subject(self) -> str:
        """What the message is about, before its order is known."""
        if self.data.payment_id is not None:
            return f"payment:{self.data.payment_id}"
        return f"reference:{self.data.provider_ref}"


@dataclass(frozen=True)
class PaymentNews:
    """A payment that somebody said something about: reason enough to ask its provider."""

    event_id: str
    type: str
    payment_id: str


@dataclass(frozen=True)
class PaymentNewsTicket:
    """What looks at a payment whose order is over is started with."""

    order_id: str
    currency: str
    undo_retry_cap_s: int
    news: PaymentNews


# --- Is it news? -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KnownPayment:
    """A payment as our tables have it. Minor units."""

    id: str
    method: str
    currency: str
    status: str
    captured: int
    refunded: int


Judgement = Literal["known", "news", "perhaps"]


def judge(message: PaymentMessage, payment: KnownPayment) -> Judgement:
    """What a payment's message needs.

    `known`: our row says so already, and nobody is told. `news`: its order is told now. `perhaps`: our
    own step, which caused the message, may be about to write the same; asked again a moment later,
    what is not known by then is news.
    """
    if METHODS[payment.method].site == OWN or _is_known(message, payment):
        return "known"
    is_awaited = payment.status == PaymentStatus.REQUIRES_ACTION
    return "news" if is_awaited or message.type == "payment.disputed" else "perhaps"


def _is_known(message: PaymentMessage, payment: KnownPayment) -> bool:
    told = message.data.amount
    if told is not None and told.currency != payment.currency:
        return False
    is_taken = payment.captured > 0
    match message.type:
        case "payment.authorized":  # a void is the provider's own word: the message is older
            return is_taken or payment.status in (PaymentStatus.AUTHORIZED, PaymentStatus.VOIDED)
        case "payment.captured":
            return is_taken and (told is None or told.amount == payment.captured)
        case "payment.failed":
            return payment.status in (PaymentStatus.FAILED, PaymentStatus.VOIDED)
        case "payment.refunded":
            back = payment.captured if told is None else told.amount
            return is_taken and payment.refunded >= back
        case "payment.disputed":
            return False


# --- Parcels ---------------------------------------------------------------------------------------

TRACKING_UPDATED: Final = "tracking.updated"


class TrackingData(_Strict):
    """What a carrier says of a parcel. `occurred_at`: by its own clock."""

    tracking_number: Name
    status: TrackingStatus
    occurred_at: Time
    location: Place | None = None
    detail: Text | None = None
    estimated_at: Time | None = Field(default=None, description="when it will be delivered")


class TrackingMessage(_Strict):
    """A parcel was seen, says its carrier."""

    type: Literal["tracking.updated"]
    data: TrackingData

    @property
    def subject(self) -> str:
        """What the message is about, before its order is known."""
        return f"tracking:{self.data.tracking_number}"


@dataclass(frozen=True)
class CarrierNews:
    """What a carrier said of a parcel. `location` and `detail` may be personal: never in history."""

    event_id: str
    status: str
    occurred_at: datetime
    tracking_number: str
    location: str | None = None
    detail: str | None = None
    estimated_at: datetime | None = None


def carrier_news(event_id: str, data: TrackingData) -> CarrierNews:
    """What the order's workflow is told of it."""
    return CarrierNews(
        event_id=event_id,
        status=data.status.value,
        occurred_at=data.occurred_at,
        tracking_number=data.tracking_number,
        location=data.location,
        detail=data.detail,
        estimated_at=data.estimated_at,
    )


# --- Signals by hand -------------------------------------------------------------------------------

_EVENT_ID: Final[TypeAdapter[str]] = TypeAdapter(EventId)
Message = TypeVar("Message", PaymentMessage, TrackingMessage)


def read_payment_news(raw: object) -> PaymentNews | None:
    """What a `payment_event` signal says; None where that is nothing.

    It names its payment by `payment_id`: a workflow knows no provider's references.
    """
    if isinstance(raw, PaymentNews):
        return raw
    read = _read_signal(PaymentMessage, PaymentData.model_fields, raw)
    if read is None:
        return None
    event_id, message = read
    if message.data.payment_id is None:
        return None
    return PaymentNews(event_id, message.type, message.data.payment_id)


def read_carrier_news(raw: object) -> CarrierNews | None:
    """What a `carrier_event` signal says; None where that is nothing. Its `type` may be left out."""
    if isinstance(raw, CarrierNews):
        return raw
    if isinstance(raw, Mapping):
        raw = {"type": TRACKING_UPDATED, **raw}
    read = _read_signal(TrackingMessage, TrackingData.model_fields, raw)
    if read is None:
        return None
    event_id, message = read
    return carrier_news(event_id, message.data)


def _read_signal(
    model: type[Message], fields: Collection[str], raw: object
) -> tuple[str, Message] | None:
    """A message and its id, from `{event_id, type, data: {…}}` or the same without `data` around.

    What we do not know is left out. Without an id, a hash of what is said is one.
    """
    if not isinstance(raw, Mapping):
        return None
    said = raw.get("data", raw)
    if not isinstance(said, Mapping):
        return None
    data = {name: said[name] for name in fields if name in said}
    event_id = raw.get("event_id")
    try:
        message = model.model_validate({"type": raw.get("type"), "data": data})
        if event_id is None:
            return hash_of(message), message
        return _EVENT_ID.validate_python(event_id), message
    except ValidationError:
        return None


def hash_of(message: BaseModel) -> str:
    """The same for messages that say the same, however they were written."""
    said = message.model_dump(mode="json", exclude_none=True)
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
