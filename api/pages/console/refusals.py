"""What a form is refused with, said on the page that it is of."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from adapters.postgres.idempotency import IdempotencyMismatch, RequestInFlight
from api.problems import Problem
from ordersaga.errors import IllegalMove, Unavailable

REFUSALS: Final = (Problem, IllegalMove, IdempotencyMismatch, RequestInFlight, Unavailable)


def words_of(error: Exception) -> tuple[int, str]:
    """One of `REFUSALS`, for who sent the form."""
    match error:
        case Problem():
            return error.kind.status, f"{error.kind.title}: {error.detail}."
        case IllegalMove():
            words = f"It is {error.state} by now and takes no {error.move}."
            return HTTPStatus.CONFLICT, words
        case IdempotencyMismatch():
            words = (
                "This form was sent before, with something else in it. See what came of that first."
            )
            return HTTPStatus.UNPROCESSABLE_ENTITY, words
        case RequestInFlight():
            return HTTPStatus.CONFLICT, "This form is being worked on. See what comes of it first."
    words = "Somebody did not answer; nothing is half done. Try again in a moment."
    return HTTPStatus.SERVICE_UNAVAILABLE, words
