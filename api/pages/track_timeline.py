"""What happened to an order, as its buyer is told: its history and its parcel's sightings, in one list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.postgres.orders import StoredEvent, StoredOrder, StoredPayment
from adapters.postgres.shipping import StoredSighting
from api.pages.track_words import Speaker
from ordersaga.order import MERCHANT
from ordersaga.tracking import DELIVERED, HANDED_OVER

# Ours alone: what goods are set aside, who looks at an order and why, what fails and is tried again.
UNTOLD: Final = frozenset(
    {
        "stock.reserved",
        "stock.refused",
        "stock.released",
        "stock.restocked",
        "payment.refused",
        "payment.disputed",
        "parcel.canceled",
        "parcel.shipped",
        "parcel.delivered",
        "parcel.returned",
        "tracking.updated",  # the carrier's own words are among the sightings
        "refund.requested",
        "hold.placed",
        "hold.released",
        "attention.raised",
        "attention.answered",
        "attention.cleared",
    }
)
_OF_A_CARRIER: Final = frozenset({"parcel.booked", "parcel.released"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`place`: where a parcel was seen. `is_parcel`: it is the carrier who says so."""

    at: datetime
    text: str
    place: str = ""
    is_parcel: bool = False


def timeline(
    order: StoredOrder,
    events: Sequence[StoredEvent],
    sightings: Sequence[StoredSighting],
    speaker: Speaker,
) -> list[Entry]:
    """Newest first, by the clock of who tells it."""
    seen = {sighting.status for sighting in sightings}
    told = [
        *_of_history(order, events, seen, speaker),
        *(_of_parcel(sighting, speaker) for sighting in sightings),
    ]
    return sorted(told, key=lambda entry: entry.at)[::-1]


def _of_history(
    order: StoredOrder, events: Sequence[StoredEvent], seen: set[str], speaker: Speaker
) -> Iterator[Entry]:
    for event in events:
        text = speaker.words.event.get(event.type)
        if text is None or _is_told_by_carrier(event, seen):
            continue
        if event.type in _OF_A_CARRIER and order.shipment.carrier == MERCHANT:
            continue
        said = text.format(**_facts(order, event, speaker)).strip()
        yield Entry(at=event.occurred_at, text=said)


def _is_told_by_carrier(event: StoredEvent, seen: set[str]) -> bool:
    if event.type == "order.shipped":
        return not seen.isdisjoint(HANDED_OVER)
    return event.type == "order.delivered" and DELIVERED in seen


def _of_parcel(sighting: StoredSighting, speaker: Speaker) -> Entry:
    """Not in the carrier's own words: those may name who took it."""
    return Entry(
        at=sighting.occurred_at,
        text=speaker.words.tracking[sighting.status],
        place=sighting.location or "",
        is_parcel=True,
    )


def _facts(order: StoredOrder, event: StoredEvent, speaker: Speaker) -> dict[str, str]:
    """What a sentence may have in it; what is not there is empty."""
    data = event.data
    payment = _payment(order, str(data.get("payment_id") or ""))
    failure = data.get("failure")
    code = failure.get("code") if isinstance(failure, dict) else data.get("code")
    amount = data.get("amount", payment.amount if payment else None)
    return {
        "amount": speaker.money(amount, order.currency) if isinstance(amount, int) else "",
        "method": speaker.words.method[payment.method] if payment else "",
        "to": speaker.words.to[str(data.get("to") or "payer")],
        "why": speaker.why(str(code or "")),
        "rating": str(data.get("rating") or ""),
    }


def _payment(order: StoredOrder, payment_id: str) -> StoredPayment | None:
    return next((p for p in order.payments if p.id == payment_id), None)
