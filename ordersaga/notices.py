"""Who hears what of an order: one table, from what happened to whom it is said, and how.

A row is said once of an order; one that is `about` something (a payment, a return) once of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from ordersaga.events import OrderEvent
from ordersaga.lifecycle import MERCHANT_ACCEPTS, Status
from ordersaga.tracking import TrackingStatus

OLD: Final = timedelta(days=2)  # then mail tells only what is still so, and what is of money


class Audience(StrEnum):
    """Who is told."""

    BUYER = "buyer"
    SELLER = "seller"
    CARRIER = "carrier"


class Channel(StrEnum):
    """How."""

    MAIL = "mail"
    CARRIER_API = "carrier_api"  # the order's own workflow asks the carrier: never said again here


@dataclass(frozen=True, kw_only=True)
class Notice:
    """`event` (where `field` of its data is `value`) is said to `audience`, in the words of `name`.

    `about`: the first of these fields of its data that is there; of each, it is said once.
    `current_in`: the order's states in which it is still news when it is old; None: it always is.
    """

    event: str
    field: str = ""
    value: str = ""
    audience: Audience
    channel: Channel = Channel.MAIL
    name: str
    about: tuple[str, ...] = ()
    current_in: frozenset[str] | None = None

    def is_for(self, event: OrderEvent) -> bool:
        return self.event == event.type and (
            not self.field or event.data.get(self.field) == self.value
        )

    def subject(self, data: Mapping[str, object]) -> str:
        """What it is about, by its id; empty: the order."""
        return next((str(data[field]) for field in self.about if data.get(field)), "")

    def is_past(self, status: str, age: timedelta) -> bool:
        """Too old to be told, of an order in this state by now."""
        return self.current_in is not None and age > OLD and status not in self.current_in


S, T = Status, TrackingStatus
BUYER, SELLER, CARRIER = Audience.BUYER, Audience.SELLER, Audience.CARRIER
API: Final = Channel.CARRIER_API

AWAITED: Final = frozenset({S.PENDING})
TO_SHIP: Final = frozenset({S.CONFIRMED})
ON_ITS_WAY: Final = frozenset({S.CONFIRMED, S.SHIPPED})
HERE: Final = frozenset({S.DELIVERED})
TURNED_BACK: Final = frozenset({S.COMPENSATING})
PAYMENT: Final = ("payment_id",)
REFUND: Final = ("refund_id", "payment_id")  # what an undo gives back has no row of its own
RETURN: Final = ("return_id",)

NOTICES: Final = (
    # Before anything is decided.
    Notice(event="payment.requires_action", audience=BUYER, name="please_pay", about=PAYMENT,
           current_in=AWAITED),
    Notice(event="hold.placed", field="kind", value=MERCHANT_ACCEPTS, audience=SELLER,
           name="please_accept", current_in=AWAITED),
    # Decided.
    Notice(event="order.confirmed", audience=BUYER, name="confirmed", current_in=TO_SHIP),
    Notice(event="order.confirmed", audience=SELLER, name="new_order", current_in=TO_SHIP),
    Notice(event="order.rejected", audience=BUYER, name="rejected"),
    Notice(event="order.canceled", audience=BUYER, name="canceled"),
    # The parcel.
    Notice(event="parcel.booked", audience=CARRIER, channel=API, name="keep_a_place"),
    Notice(event="parcel.released", audience=CARRIER, channel=API, name="please_pick_up"),
    Notice(event="parcel.canceled", audience=CARRIER, channel=API, name="do_not_come"),
    Notice(event="order.shipped", audience=BUYER, name="shipped", current_in=ON_ITS_WAY),
    Notice(event="tracking.updated", field="status", value=T.DELAYED, audience=BUYER,
           name="delayed", current_in=ON_ITS_WAY),
    Notice(event="tracking.updated", field="status", value=T.EXCEPTION, audience=BUYER,
           name="exception", current_in=ON_ITS_WAY),
    Notice(event="tracking.updated", field="status", value=T.DELIVERY_ATTEMPTED, audience=BUYER,
           name="delivery_attempted", current_in=ON_ITS_WAY),
    Notice(event="tracking.updated", field="status", value=T.AVAILABLE_FOR_PICKUP, audience=BUYER,
           name="available_for_pickup", current_in=ON_ITS_WAY),
    Notice(event="order.delivered", audience=BUYER, name="delivered", current_in=HERE),
    # It goes back.
    Notice(event="cancel.refused", audience=BUYER, name="cancel_refused", current_in=ON_ITS_WAY),
    Notice(event="order.reversing", audience=SELLER, name="do_not_ship", current_in=TURNED_BACK),
    Notice(event="order.returned", audience=BUYER, name="returned"),
    Notice(event="return.requested", audience=SELLER, name="return_requested", about=RETURN),
    Notice(event="return.approved", audience=BUYER, name="return_approved", about=RETURN),
    Notice(event="return.declined", audience=BUYER, name="return_declined", about=RETURN),
    Notice(event="payment.refunded", audience=BUYER, name="refunded", about=REFUND),
    Notice(event="payment.partially_refunded", audience=BUYER, name="refunded", about=REFUND),
    # A person is needed.
    Notice(event="payment.disputed", audience=SELLER, name="disputed", about=PAYMENT),
    Notice(event="attention.raised", audience=SELLER, name="attention", about=("step",)),
)  # fmt: skip

MAILED: Final = {
    (notice.name, notice.audience): notice for notice in NOTICES if notice.channel == Channel.MAIL
}


def mails_of(event: OrderEvent) -> Iterator[Notice]:
    """What is to be mailed because of it."""
    return (n for n in NOTICES if n.channel == Channel.MAIL and n.is_for(event))


def to_markdown() -> str:
    """The table, as `docs/notices.md` has it."""
    lines = [
        "| when | who | by | notice | once of each | after two days still told |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for n in NOTICES:
        when = f"`{n.event}`" + (f", {n.field} `{n.value}`" if n.field else "")
        each = " or ".join(f"`{field}`" for field in n.about) or "order"
        told = "always" if n.current_in is None else "while " + ", ".join(sorted(n.current_in))
        if n.channel == Channel.CARRIER_API:
            each = told = "—"
        lines.append(f"| {when} | {n.audience} | {n.channel} | `{n.name}` | {each} | {told} |")
    return "\n".join(lines) + "\n"
