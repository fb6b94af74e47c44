"""Checks what callers send, once, at the border. All raise InvalidError or MalformedError."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from starlette.requests import Request

from sandbox.carrier.errors import InvalidError, MalformedError
from sandbox.carrier.lifecycle import TRACKING
from sandbox.carrier.parcels import Booking, Sighting, now, rfc3339
from sandbox.carrier.services import service_faults
from sandbox.faults import UnknownTokenError
from sandbox.json_body import BodyError, read_object, text_field

LONGEST_KEY = 200  # characters of a caller's key
LONGEST_TEXT = 255  # characters of any other text
_COUNTRY = re.compile(r"[A-Z]{2}")


def key_of(request: Request) -> str:
    """The caller's key, from the path."""
    key: str = request.path_params["key"]
    if len(key) > LONGEST_KEY:
        raise InvalidError(f"a key has at most {LONGEST_KEY} characters")
    return key


async def read_booking(request: Request) -> Booking:
    """The body of a booking: service, reference (optional), ship_to.country."""
    body = await read(request, "service", "reference", "ship_to")
    service = text(body, "service")
    if service is None:
        raise InvalidError("service is missing")
    try:
        service_faults(service)
    except UnknownTokenError as error:
        raise InvalidError(f"no such service: {service}", code="unknown_service") from error
    ship_to = body.get("ship_to")
    country = ship_to.get("country") if isinstance(ship_to, dict) else None
    if not isinstance(country, str) or not _COUNTRY.fullmatch(country):
        raise InvalidError("ship_to.country must be two capital letters (ISO 3166-1)")
    return Booking(service=service, reference=text(body, "reference"), country=country)


async def read_sighting(request: Request) -> Sighting:
    """The body of a tracking event: status; occurred_at is now unless given."""
    body = await read(request, "status", "occurred_at", "location", "detail", "estimated_at")
    status = text(body, "status")
    if status not in TRACKING:
        raise InvalidError(f"status must be one of {', '.join(TRACKING)}")
    return Sighting(
        status=status,
        occurred_at=_time(body, "occurred_at") or now(),
        location=text(body, "location"),
        detail=text(body, "detail"),
        estimated_at=_time(body, "estimated_at"),
    )


async def read(request: Request, *known: str) -> dict[str, object]:
    """The body as an object with no field beyond the known ones."""
    try:
        return await read_object(request, *known)
    except BodyError as error:
        raise MalformedError(str(error)) from error


def text(body: dict[str, object], name: str) -> str | None:
    """A string of the body; None when absent or null."""
    try:
        return text_field(body, name, longest=LONGEST_TEXT)
    except BodyError as error:
        raise InvalidError(str(error)) from error


def whole_number(request: Request, name: str, *, default: int, most: int) -> int:
    """An integer from 1 to `most` of the query string."""
    given = request.query_params.get(name, str(default))
    if not given.isascii() or not given.isdigit() or not 0 < int(given) <= most:
        raise InvalidError(f"{name} must be an integer from 1 to {most}")
    return int(given)


def _time(body: dict[str, object], name: str) -> str | None:
    given = text(body, name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidError(f"{name} must be a time of RFC 3339") from error
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
