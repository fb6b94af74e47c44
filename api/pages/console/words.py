"""How the console puts things: times, money, states. Given to its templates as `words`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from adapters.postgres.console import MOST_COUNTED
from ordersaga.money import format_amount

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S

_ADDRESS: Final = ("name", "line1", "line2", "postal_code", "city", "region", "country")

_LIKE: Final[Mapping[str, tuple[str, ...]]] = {
    "good": (
        *("confirmed", "shipped", "delivered", "completed", "captured", "booked", "sent", "told"),
        *("yes", "confirm", "committed", "accepted"),
    ),
    "wait": (
        *("pending", "requires_action", "authorized", "waiting", "running", "held", "reserved"),
        *("due", "compensating"),
    ),
    "bad": ("rejected", "failed", "no", "attention", "undo", "refused"),
}
_BADGES: Final = {word: like for like, words in _LIKE.items() for word in words}

WAITING: Final[Mapping[str, str]] = {
    "participants": "stock, banks and carriers",
    "buyer": "the buyer",
    "payer": "the payer",
    "operator": "an operator",
    "merchant": "the merchant",
    "carrier": "the carrier",
}


def badge(state: object) -> str:
    """A class of style.css, by what a state is like."""
    return _BADGES.get(str(state), "")


def plain(word: object) -> str:
    """`partially_refunded` → `partially refunded`"""
    return str(word).replace("_", " ")


def money(amount: int, currency: str) -> str:
    return format_amount(amount, currency)


def clock(at: datetime) -> str:
    """`2026-03-02 14:05:11 UTC`"""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def moment(text: object) -> datetime:
    """Of a time that is text, as JSON has it."""
    return datetime.fromisoformat(str(text))


def ago(at: datetime) -> str:
    """`12 s ago`; `in 3 h` where it is still to come."""
    left_s = (datetime.now(UTC) - at).total_seconds()
    if left_s < 0:
        return f"in {span(-left_s)}"
    return f"{span(left_s)} ago"


def lasting(since: datetime) -> str:
    """`12 s`: how long it has been like that."""
    return span(max(0.0, (datetime.now(UTC) - since).total_seconds()))


def span(seconds: float) -> str:
    """`0.31 s`, `12 s`, `3 min`, `5 h`, `2 d`"""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    if seconds < 2 * DAY_S:
        return f"{seconds / HOUR_S:.0f} h"
    return f"{seconds / DAY_S:.0f} d"


def count(number: int) -> str:
    """`1,204`; `10,000+` where counting ended there."""
    return f"{number:,}+" if number >= MOST_COUNTED else f"{number:,}"


def address(parts: Mapping[str, object] | None) -> str:
    """On one line, as it stands on a label."""
    given = parts or {}
    return ", ".join(str(given[name]) for name in _ADDRESS if given.get(name))


def gist(data: Mapping[str, object]) -> str:
    """What tells an event from others of its type."""
    failure = data.get("failure")
    code = failure.get("code") if isinstance(failure, dict) else data.get("code")
    kind, _, about = str(data.get("step", "")).partition(":")
    step = f"{kind} {short(about)}" if about else kind
    told = (step, data.get("action"), data.get("status"), code)
    return ", ".join(plain(each) for each in told if each)


def transfer(key: str) -> str:
    """What a ledger's transfer was for: `ord_…:payment:pay_…:1:take` → `take, payment …9HKPXJ11`"""
    parts = key.split(":")
    if len(parts) < 5:
        return parts[-1]
    return f"{parts[4]}, {parts[1]} {short(parts[2])}"


def short(id_: str) -> str:
    """The end of an id, which tells it from its neighbours."""
    return f"…{id_[-8:]}"
