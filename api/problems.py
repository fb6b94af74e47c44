"""Everything that the API says no with: RFC 9457 problems, one table of codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response

from api.cards import has_card_number

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:ordersaga:problem:"
ORDERS_END_AFTER_S: Final = 60  # among thousands that are open, some have ended by then
STREAMS_END_AFTER_S: Final = 15  # a line that is dead is noticed by the next heartbeat
RETRY_AFTER_S: Final = 1  # a transaction or a restart that was in the way is over by then


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its code is for programs and never changes."""

    code: str
    status: int
    title: str
    retry_after_s: int | None = None


KINDS: Final = {
    kind.code: kind
    for kind in (
        Kind("malformed_request", 400, "The request cannot be read"),
        Kind("idempotency_key_missing", 400, "An Idempotency-Key is needed"),
        Kind("idempotency_key_invalid", 400, "The Idempotency-Key cannot be used"),
        Kind("unauthorized", 401, "A valid API key is needed"),
        Kind("bad_signature", 401, "The signature is not valid"),
        Kind("forbidden", 403, "The API key may not do this"),
        Kind("not_found", 404, "There is no such thing"),
        Kind("method_not_allowed", 405, "Not with this method"),
        Kind("request_timeout", 408, "The request took too long to arrive"),
        Kind("illegal_move", 409, "The order is not in a state for this"),
        Kind("cancel_refused", 409, "The order can no longer be canceled"),
        Kind("return_window_over", 409, "It is too late to send goods back"),
        Kind("tracking_number_taken", 409, "Another parcel has this tracking number"),
        Kind("request_in_flight", 409, "An equal request is being worked on", RETRY_AFTER_S),
        Kind("stock_reserved", 409, "More is reserved than would be on hand"),
        Kind("voucher_exists", 409, "There is a voucher of this code"),
        Kind("events_gone", 410, "Events after this one are not kept any more"),
        Kind("too_many_endpoints", 409, "There are as many webhook endpoints as may be"),
        Kind("version_mismatch", 412, "The order has changed since it was read"),
        Kind("body_too_large", 413, "The body is too large"),
        Kind("unsupported_encoding", 415, "The body's encoding is not understood"),
        Kind("invalid_request", 422, "The request is not valid"),
        Kind("card_number", 422, "Card numbers are not taken"),
        Kind("refund_too_large", 422, "More than is left of what was taken"),
        Kind("idempotency_mismatch", 422, "The Idempotency-Key was used with another body"),
        Kind("rate_limited", 429, "Too many requests"),
        Kind("too_many_open_orders", 429, "Too many orders are open", ORDERS_END_AFTER_S),
        Kind("too_many_streams", 429, "Too many streams are open", STREAMS_END_AFTER_S),
        Kind("internal_error", 500, "Something is wrong on our side"),
        Kind("unavailable", 503, "The service is away for a moment", RETRY_AFTER_S),
        Kind("streams_full", 503, "No more streams can be held here", STREAMS_END_AFTER_S),
    )
}


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. `pointer`: RFC 6901, into the body; or `/query/…`."""

    pointer: str
    detail: str


def to_pointer(path: Iterable[str | int]) -> str:
    """RFC 6901. A name that is a card's number is not repeated."""
    return "".join("/" + _shown(str(part)).replace("~", "~0").replace("/", "~1") for part in path)


class Problem(Exception):
    """Raised anywhere in a request; answered as one of `KINDS`."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        allowed: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.kind = KINDS[code]
        self.detail = detail
        self.errors = tuple(errors)
        self.allowed = allowed
        self.headers = dict(headers or {})


def invalid(*errors: FieldError) -> Problem:
    """A 422 that names each wrong field."""
    first = errors[0]
    where = first.pointer or "the body"
    detail = f"{where}: {first.detail}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Problem("invalid_request", detail, errors=errors)


def render(problem: Problem) -> dict[str, object]:
    """The problem's document."""
    kind = problem.kind
    document: dict[str, object] = {
        "type": TYPE_PREFIX + kind.code,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "code": kind.code,
    }
    if problem.errors:
        document["errors"] = [asdict(error) for error in problem.errors]
    if problem.allowed is not None:
        document["allowed"] = list(problem.allowed)
    return document


def answer(problem: Problem) -> Response:
    """The problem as a response."""
    kind, document = problem.kind, render(problem)
    headers = {"Cache-Control": "no-store", **problem.headers}
    if kind.retry_after_s is not None:
        headers["Retry-After"] = str(kind.retry_after_s)
    return Response(
        orjson.dumps(document), status_code=kind.status, headers=headers, media_type=MEDIA_TYPE
    )


def of_status(status: int) -> Problem:
    """What the router or the server itself refuses, by its HTTP status."""
    for code in ("not_found", "method_not_allowed"):
        if KINDS[code].status == status:
            return Problem(code, f"{status} {HTTPStatus(status).phrase}")
    return Problem("malformed_request", f"{status} {HTTPStatus(status).phrase}")


def _shown(name: str) -> str:
    return "…" if has_card_number(name) else name
