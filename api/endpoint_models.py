"""What the API takes and answers about endpoints: where a tenant wants to be told of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from adapters.egress import MOST_URL_CHARACTERS
from adapters.postgres.webhook_endpoints import DeliveryStatus, DisabledWhy
from api.models import DEFAULT_PAGE, MAX_PAGE, Strict
from ordersaga.messages import Time

MAX_EVENT_TYPES: Final = 50  # of one endpoint: there are about as many
DEFAULT_OVERLAP_S: Final = 24 * 3600
MAX_OVERLAP_S: Final = 7 * 24 * 3600

EventFilter = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^(\*|[a-z_]+\.([a-z_]+|\*))$"),
]


class EndpointBody(Strict):
    """Where to send what."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=MOST_URL_CHARACTERS)] = Field(
        examples=["https://shop.example/hooks/orders"],
        description="`https://`, on the public internet; without user, password and fragment",
    )
    event_types: Annotated[
        tuple[EventFilter, ...], Field(min_length=1, max_length=MAX_EVENT_TYPES)
    ] = Field(
        default=("*",),
        description="as an order's events name them: `order.confirmed`; `payment.*`; `*`, all",
    )
    description: Annotated[str, StringConstraints(max_length=200)] = ""


class RotationBody(Strict):
    """A new secret."""

    overlap_s: Annotated[int, Field(strict=True, ge=0, le=MAX_OVERLAP_S)] = Field(
        default=DEFAULT_OVERLAP_S, description="for how long those before it sign beside it"
    )


class ReplayBody(Strict):
    """What was given up, again."""

    since: Time = Field(description="all that was given up since then")


class DeliveryListQuery(Strict):
    """Which deliveries a list shows, and how many at once."""

    status: DeliveryStatus | None = None
    order_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE
    cursor: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$")] | None = None


class EndpointView(BaseModel):
    """An endpoint, as it is now. Its secret is shown once, where it is made."""

    id: str = Field(examples=["whe_01M7YSM35RQCGYCAPV98JR57X1"])
    url: str
    event_types: list[str]
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_why: DisabledWhy | None = Field(
        description="`asked`; or `gone`: it answered 410 to what it was sent"
    )
    failing_since: datetime | None = Field(description="null: it took what it was last sent")
    created_at: datetime


class SecretView(EndpointView):
    """An endpoint with a new secret."""

    secret: str | None = Field(
        description="`whsec_…`, shown this once: an equal request later gets null, and whoever lost "
        "it rotates it"
    )


class EndpointList(BaseModel):
    """All of them, oldest first: there are few."""

    endpoints: list[EndpointView]


class DeliveryView(BaseModel):
    """An event on its way to an endpoint."""

    event_id: str = Field(description="the message's `webhook-id`, the same at each try")
    order_id: str
    type: str
    status: DeliveryStatus = Field(
        description="`failed`: given up, and the order's next event went on its way"
    )
    tries: int
    created_at: datetime
    last_tried_at: datetime | None
    next_try_at: datetime | None = Field(description="not before; null: it is not sent again")
    ended_at: datetime | None = Field(description="when it was delivered, or given up")
    http_status: int | None = Field(description="of the last answer; null: there was none")
    error: str | None = Field(description="why it was not taken at the last try")
    excerpt: str = Field(description="of the last answer's body, 1,000 bytes at most")


class DeliveryPage(BaseModel):
    """Some of them, newest first."""

    deliveries: list[DeliveryView]
    next_cursor: str | None = Field(description="null: these were the last")


class TestView(BaseModel):
    """What came back."""

    event_id: str = Field(description="the message's `webhook-id`")
    delivered: bool
    http_status: int | None
    error: str | None
    excerpt: str
