"""Book, release, cancel and read parcels, and play what happens to them on their way.

Writing methods are called inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiosql

from sandbox.books import Books
from sandbox.carrier.errors import IllegalError, UnknownError
from sandbox.carrier.lifecycle import TRACKING, Event, Status, move
from sandbox.deliveries import Outlet, new_id

NUMBER_DIGITS = 14  # of a tracking number; enough that two keys never share one


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What a caller says about a parcel; `country` is ISO 3166-1 alpha-2."""

    service: str
    reference: str | None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A row of the books; field by field the table `parcels`, which explains them."""

    sequence: int
    key: str
    status: Status
    tracking_number: str | None
    service: str | None
    reference: str | None
    country: str | None
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the carrier says about a parcel; times are RFC 3339 in UTC."""

    status: str
    occurred_at: str
    location: str | None
    detail: str | None
    estimated_at: str | None


def rfc3339(moment: datetime) -> str:
    """In UTC, with milliseconds and of fixed width, so that it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """The present, RFC 3339 in UTC."""
    return rfc3339(datetime.now(UTC))


class Parcels:
    """The carrier's parcels."""

    def __init__(self, *, books: Books, outlet: Outlet) -> None:
        self._connection = books.connection
        self._queries = aiosql.from_path(Path(__file__).with_name("queries.sql"), "sqlite3")
        self._outlet = outlet

    def find(self, key: str) -> Parcel | None:
        """The parcel or tombstone of this key; None when it was never seen."""
        row = self._queries.get_parcel(self._connection, key=key)
        return None if row is None else _parcel(row)

    def get(self, key: str) -> Parcel:
        """The parcel or tombstone of this key. Raises UnknownError."""
        found = self.find(key)
        if found is None:
            raise UnknownError(key)
        return found

    def by_number(self, tracking_number: str) -> Parcel:
        """The parcel with this tracking number. Raises UnknownError."""
        row = self._queries.get_parcel_by_number(self._connection, tracking_number=tracking_number)
        if row is None:
            raise UnknownError(tracking_number)
        return _parcel(row)

    def page(self, *, after: str | None, most: int) -> list[Parcel]:
        """Up to `most` parcels, tombstones too, oldest first, after this key.

        Raises UnknownError.
        """
        start = self.get(after).sequence if after else 0
        rows = self._queries.list_parcels(self._connection, after=start, most=most)
        return [_parcel(row) for row in rows]

    def keys_with_service(self, service: str) -> list[str]:
        """Keys of the parcels booked with this service."""
        rows = self._queries.keys_with_service(self._connection, service=service)
        return [row["key"] for row in rows]

    def book(self, key: str, booking: Booking) -> Parcel:
        """Book it, or repeat the booking of this key.

        Raises IllegalError: `parcel_canceled` for a canceled key or tombstone, `key_reused` when
        the key was booked with something else.
        """
        found = self.find(key)
        status = move(found.status if found else Status.UNKNOWN, Event.BOOK)
        if found is None:
            return self._add(key, status, booking)
        if (found.service, found.reference, found.country) != (
            booking.service,
            booking.reference,
            booking.country,
        ):
            raise IllegalError(f"{key} was booked with something else", code="key_reused")
        return found

    def release(self, key: str) -> Parcel:
        """Tell the carrier to come. Raises UnknownError, IllegalError `parcel_canceled`."""
        return self._move(self.get(key), Event.RELEASE)

    def cancel(self, key: str) -> Parcel:
        """Cancel it; a key never seen becomes a tombstone.

        Raises IllegalError `already_picked_up`.
        """
        found = self.find(key)
        if found is not None:
            return self._move(found, Event.CANCEL)
        return self._add(key, move(Status.UNKNOWN, Event.CANCEL), None)

    def sight(self, tracking_number: str, sighting: Sighting) -> str:
        """Keep what the carrier says and leave its webhook; the message's id.

        Raises UnknownError, and IllegalError `parcel_canceled` for a canceled parcel that moves.
        """
        parcel = self.by_number(tracking_number)
        self._move(parcel, TRACKING[sighting.status])
        message_id = new_id("msg")
        self._queries.insert_event(
            self._connection,
            id=message_id,
            tracking_number=tracking_number,
            status=sighting.status,
            occurred_at=sighting.occurred_at,
            location=sighting.location,
            detail=sighting.detail,
            estimated_at=sighting.estimated_at,
        )
        body = {
            "type": "tracking.updated",
            "data": {
                "tracking_number": tracking_number,
                "status": sighting.status,
                "occurred_at": sighting.occurred_at,
                "location": sighting.location,
                "detail": sighting.detail,
                "estimated_at": sighting.estimated_at,
            },
        }
        self._outlet.leave(message_id=message_id, body=json.dumps(body, separators=(",", ":")))
        return message_id

    def events(self, parcel: Parcel) -> list[dict[str, object]]:
        """Everything said about a parcel, by when it happened."""
        rows = self._queries.events_of(self._connection, tracking_number=parcel.tracking_number)
        return [dict(row) for row in rows]

    def _add(self, key: str, status: Status, booking: Booking | None) -> Parcel:
        self._queries.insert_parcel(
            self._connection,
            key=key,
            status=status.value,
            tracking_number=_tracking_number(key) if booking else None,
            service=booking.service if booking else None,
            reference=booking.reference if booking else None,
            country=booking.country if booking else None,
            now=now(),
        )
        return self.get(key)

    def _move(self, parcel: Parcel, event: Event) -> Parcel:
        status = move(parcel.status, event)
        if status is parcel.status:
            return parcel
        self._queries.set_status(self._connection, key=parcel.key, status=status.value, now=now())
        return self.get(parcel.key)


def _tracking_number(key: str) -> str:
    """Made from the key, so that it does not change when books are lost."""
    digest = int(hashlib.sha256(key.encode()).hexdigest(), 16)
    return f"SB{str(digest)[:NUMBER_DIGITS]}"


def _parcel(row: sqlite3.Row) -> Parcel:
    values = dict(row)
    values["status"] = Status(values["status"])
    return Parcel(**values)


def parcel_json(parcel: Parcel) -> dict[str, object]:
    """A parcel on the wire; a tombstone has no tracking number and no service."""
    return {
        "key": parcel.key,
        "status": parcel.status.value,
        "tracking_number": parcel.tracking_number,
        "service": parcel.service,
        "reference": parcel.reference,
        "ship_to": {"country": parcel.country},
        "created_at": parcel.created_at,
        "updated_at": parcel.updated_at,
    }
