"""What the page of an order shows: no name, no mail, no phone, no street; of its address, the country."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from markupsafe import Markup

from adapters.mail.facts import pay_link, pay_until
from adapters.postgres.moves import allowed_now, bought_lines
from adapters.postgres.orders import StoredEvent, StoredOrder
from adapters.postgres.shipping import StoredSighting
from api import outlook
from api.pages.track_arrival import Expected
from api.pages.track_timeline import Entry, timeline
from api.pages.track_words import Speaker, Status, Texts
from ordersaga import lifecycle
from ordersaga.config import Settings
from ordersaga.history import windows_from
from ordersaga.lifecycle import PaymentStatus, ReturnStatus
from ordersaga.order import MERCHANT
from ordersaga.tracking import TrackingStatus

S: Final = lifecycle.Status
NOBODY: Final = "nobody"
SHOP: Final = "shop"  # brings its own parcel: no carrier does
BY_SHOP: Final = f"{S.SHIPPED}.{SHOP}"
WAY: Final = (S.PENDING, S.CONFIRMED, S.SHIPPED, S.DELIVERED, S.COMPLETED)
STEPS: Final = ("placed", "confirmed", "shipped", "delivered", "completed")
TONES: Final = {
    S.PENDING: "wait",
    S.COMPENSATING: "wait",
    S.REJECTED: "bad",
    S.CANCELED: "plain",
    S.RETURNED: "plain",
}
# A word for a form → the move that the order has to take for it.
FORMS: Final = {
    "receive": "confirm-receipt",
    "review": "review",
    "return": "returns",
    "cancel": "cancel",
}
WORTH_A_WARNING: Final = frozenset(
    {TrackingStatus.DELAYED, TrackingStatus.EXCEPTION, TrackingStatus.DELIVERY_ATTEMPTED}
)
# Says more of a parcel under way than that it is.
WORTH_TELLING: Final = WORTH_A_WARNING | {
    TrackingStatus.OUT_FOR_DELIVERY,
    TrackingStatus.AVAILABLE_FOR_PICKUP,
}
# What of an open return comes first: where the buyer has to act.
OPEN_RETURNS: Final = (ReturnStatus.APPROVED, ReturnStatus.REQUESTED, ReturnStatus.RECEIVED)
OPENED: Final = {S.DELIVERED: "receive", S.COMPLETED: "review"}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """All that was read of an order."""

    tenant: str
    order: StoredOrder
    events: Sequence[StoredEvent]
    sightings: Sequence[StoredSighting]
    expected: Expected | None


@dataclass(frozen=True)
class Step:
    """One of the way's. `state`: done, now, or to come; `at`: since when."""

    name: str
    state: str
    at: datetime | None


@dataclass(frozen=True)
class Pay:
    """Where its payer goes, and until when."""

    url: str
    until: datetime


@dataclass(frozen=True)
class Item:
    """Of one SKU, what can still be sent back."""

    sku: str
    left: int


@dataclass(frozen=True, kw_only=True)
class View:
    """The page's parts."""

    order: StoredOrder
    status: Status
    tone: str
    why: str
    lead: str
    steps: Sequence[Step]
    next: str
    until: datetime | None
    completes_at: datetime | None
    pay: Pay | None
    expected: Expected | None
    is_coming: bool
    has_parcel: bool  # or will have one
    parcel: str  # empty where it has come, and nobody told of it on its way
    is_troubled: bool
    carrier: str
    country: str
    paid: int
    given_back: int
    tax: int
    entries: Sequence[Entry]
    forms: Sequence[str]
    open_form: str
    items: Sequence[Item]
    returnable_until: datetime | None


def view_of(looked: Looked, speaker: Speaker, settings: Settings) -> View:
    """The order as its buyer sees it now."""
    order, words = looked.order, speaker.words
    waiting_for = _waiting_for(order)
    place = f"{order.status}.{waiting_for}"
    allowed = allowed_now(order, return_window_s=settings.return_window_s)
    since = windows_from(delivered_at=order.delivered_at, confirmed_at=order.confirmed_at)
    status = words.status.get(place) or words.status[order.status]
    parcel = order.shipment.tracking_status if order.status == S.SHIPPED else ""
    return View(
        order=order,
        status=status,
        tone=TONES.get(S(order.status), "good"),
        why=speaker.why(str((order.failure or {}).get("code") or "")),
        lead=words.tracking[parcel] if parcel in WORTH_TELLING else status.text,
        steps=_steps(order),
        next=words.next[_next(order, waiting_for, words.next)],
        until=outlook.deadline(order) if waiting_for in ("buyer", "merchant") else None,
        completes_at=_after(since, settings.completion_window_s)
        if order.status == S.DELIVERED
        else None,
        pay=_pay(order),
        expected=looked.expected,
        is_coming=order.status in WAY[:3],
        has_parcel=order.status in WAY or order.shipped_at is not None,
        parcel=_news(order, words.tracking),
        is_troubled=parcel in WORTH_A_WARNING,
        carrier="" if order.shipment.carrier == MERCHANT else order.shipment.carrier,
        country=speaker.country(order.country),
        paid=sum(payment.captured for payment in order.payments),
        given_back=sum(payment.refunded for payment in order.payments),
        tax=sum(line.tax for line in order.lines),
        entries=timeline(order, looked.events, looked.sightings, speaker),
        forms=[form for form, move in FORMS.items() if _is_offered(form, move, order, allowed)],
        open_form=OPENED.get(S(order.status), ""),
        items=_items(order),
        returnable_until=_after(since, settings.return_window_s),
    )


def _waiting_for(order: StoredOrder) -> str:
    who = outlook.waiting_for(order) or NOBODY
    is_by_shop = order.status == S.SHIPPED and order.shipment.carrier == MERCHANT
    return SHOP if is_by_shop and who == "carrier" else who


def _news(order: StoredOrder, said: Texts) -> str:
    known = order.shipment.tracking_status
    has_come_untold = order.delivered_at is not None and known == TrackingStatus.UNKNOWN
    return "" if has_come_untold else said[known]


def _next(order: StoredOrder, waiting_for: str, said: Texts) -> str:
    """Which of the words for what happens next: a return goes on after its order is over."""
    if waiting_for in (NOBODY, "buyer"):
        open_returns = {one.status for one in order.returns}
        for status in OPEN_RETURNS:
            if status in open_returns:
                return f"return.{status}"
    place = f"{order.status}.{waiting_for}"
    return place if place in said else waiting_for


def _is_offered(form: str, move: str, order: StoredOrder, allowed: Sequence[str]) -> bool:
    """Who has asked to cancel is not offered it again while he waits."""
    return move in allowed and not (form == "cancel" and order.is_withdrawn)


def _steps(order: StoredOrder) -> list[Step]:
    """None of an order that has left the way."""
    if order.status not in WAY:
        return []
    reached = WAY.index(S(order.status))
    times = (
        order.created_at,
        order.confirmed_at,
        order.shipped_at,
        order.delivered_at,
        order.completed_at,
    )
    is_over = order.status == S.COMPLETED
    return [
        Step(
            name,
            "done" if n < reached or is_over else "now" if n == reached else "to come",
            at if n <= reached else None,
        )
        for n, (name, at) in enumerate(zip(STEPS, times, strict=True))
    ]


def _pay(order: StoredOrder) -> Pay | None:
    """Of the first payment that waits for its payer, and has a page for him."""
    if order.status != S.PENDING:
        return None
    for payment in order.payments:
        url = pay_link(payment) if payment.status == PaymentStatus.REQUIRES_ACTION else ""
        if url:
            return Pay(url, pay_until(order, payment))
    return None


def _items(order: StoredOrder) -> list[Item]:
    left: dict[str, int] = {}
    for bought in bought_lines(order):
        left[bought.line.sku] = left.get(bought.line.sku, 0) + bought.left
    return [Item(sku, count) for sku, count in left.items() if count]


def _after(since: datetime | None, window_s: int) -> datetime | None:
    return None if since is None else since + timedelta(seconds=window_s)


def expected_in_words(view: View, speaker: Speaker) -> list[Markup]:
    """When it comes, how sure that is, and who says so."""
    order, expected = view.order, view.expected
    if order.delivered_at is not None:
        return [speaker.say("arrived", day=speaker.day(order.delivered_at))]
    if not view.is_coming:
        return [speaker.say("not_coming")]
    said = []
    if order.shipment.estimated_at is not None:
        said.append(speaker.say("carrier_expects", day=speaker.day(order.shipment.estimated_at)))
    if expected is not None:
        # Half come before the first day: a range from it to the second would leave these out.
        is_one_day = expected.p50.date() == expected.p90.date()
        which = "_day" if is_one_day else ""
        days = {"first": speaker.day(expected.p50), "last": speaker.day(expected.p90)}
        said.append(speaker.say(f"expected{which}", **days))
        said.append(speaker.say(f"based_on{which}", count=expected.sample_size))
    return said or [speaker.say("no_idea")]
