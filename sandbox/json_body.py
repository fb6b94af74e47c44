"""Reads the JSON objects that callers send; whatever is not one is refused."""

from __future__ import annotations

import json

from starlette.requests import Request

LARGEST_BODY = 65_536  # bytes; ours are below 1 kB


class BodyError(Exception):
    """The body is not what the endpoint takes; the message says why."""


async def read_object(request: Request, *known: str) -> dict[str, object]:
    """The body as a JSON object with no field beyond the known ones; empty body: empty object.

    Raises BodyError.
    """
    raw = await request.body()
    if len(raw) > LARGEST_BODY:
        raise BodyError(f"the body is larger than {LARGEST_BODY} bytes")
    try:
        found = json.loads(raw) if raw else {}
    except (ValueError, RecursionError) as error:
        raise BodyError("the body is not JSON") from error
    if not isinstance(found, dict):
        raise BodyError("the body is not a JSON object")
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise BodyError(f"unknown field: {unknown[0]}")
    return found


def text_field(body: dict[str, object], name: str, *, longest: int) -> str | None:
    """A string of the body; None when absent or null. Raises BodyError."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise BodyError(f"{name} must be a string of 1 to {longest} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, written as an escape
        raise BodyError(f"{name} is not Unicode text") from error
    return value


def count_field(body: dict[str, object], name: str) -> int | None:
    """A positive integer of the body; None when absent or null. Raises BodyError."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise BodyError(f"{name} must be a positive integer")
    return value
