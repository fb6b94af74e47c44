"""What an error of Stripe's means: a decline, an outage, or a bug of ours.

Source: https://docs.stripe.com/api/errors. Raised without Stripe's own exception as their cause, for
its sentence may repeat a token, and failures are shown.

ProviderMisused            a key that is not taken, parameters that are not: loud
├── Declined               … where the payer's means are the reason: `refusal`
├── WrongState             … where the payment is not in a state for it: retrieve tells which
└── SavedAnswer            … where it is the error of an earlier try with the same idempotency key
ProviderUnavailable        an outage: no answer, none that can be read, 429, 409, 424, 5xx
ProviderAnswerWrong        JSON, but none of Stripe's
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, TypeVar

import stripe
from pydantic import ValidationError

from adapters.stripe.declines import INVALID_PAYMENT_METHOD, decline, is_known, refusal
from adapters.stripe.objects import Problem
from ordersaga.errors import ProviderAnswerWrong, ProviderMisused, ProviderUnavailable
from ordersaga.order import Refusal

T = TypeVar("T")

_BAD_REQUEST: Final = 400
_CONFLICT: Final = 409  # another request on the same payment, or with the same key, is under way
_DEPENDENCY_FAILED: Final = 424  # somebody whom Stripe asks did not answer it
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

_REPLAYED_HEADER: Final = "idempotent-replayed"
_WRONG_STATES: Final = frozenset(
    {
        "payment_intent_unexpected_state",
        "charge_already_captured",
        "charge_expired_for_capture",
    }
)
_MEANS_OF_PAYMENT: Final = frozenset({"payment_method", "payment_method_data", "source"})


class Declined(ProviderMisused):
    """The payer's means of payment were refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class WrongState(ProviderMisused):
    """It was done before, or can no longer be done."""


class SavedAnswer(ProviderMisused):
    """Stripe repeats the error that an earlier try with this idempotency key ended with."""


async def answered(call: Awaitable[T]) -> T:
    """Stripe's answer; raises what is drawn above."""
    try:
        return await call
    except stripe.StripeError as error:
        raise _meaning(error) from None
    except (AttributeError, TypeError) as error:  # the package's own, on JSON of another form
        raise ProviderAnswerWrong("an answer that is not of Stripe's form") from error


def _meaning(error: stripe.StripeError) -> Exception:
    problem = _problem(error)
    what = _described(error, problem)
    if (error.headers or {}).get(_REPLAYED_HEADER) == "true":
        return SavedAnswer(what)
    if _is_outage(error):
        return ProviderUnavailable(what)
    if problem.code in _WRONG_STATES:
        return WrongState(what)
    if isinstance(error, stripe.CardError) or is_known(problem):
        return Declined(decline(problem))
    if _is_of_the_payers_means(error, problem):
        return Declined(refusal(INVALID_PAYMENT_METHOD))
    return ProviderMisused(what)


def _is_outage(error: stripe.StripeError) -> bool:
    if isinstance(error, stripe.APIConnectionError | stripe.RateLimitError):
        return True
    status = error.http_status or 0
    if status < _BAD_REQUEST:  # none; or a success that cannot be read
        return True
    return status >= _SERVER_ERROR or status in (_CONFLICT, _DEPENDENCY_FAILED, _TOO_MANY)


def _is_of_the_payers_means(error: stripe.StripeError, problem: Problem) -> bool:
    """Stripe does not know the token, or cannot use what it stands for."""
    means = (problem.param or "").partition("[")[0]
    return isinstance(error, stripe.InvalidRequestError) and means in _MEANS_OF_PAYMENT


def _problem(error: stripe.StripeError) -> Problem:
    body = error.json_body
    try:
        return Problem.model_validate(body.get("error") if isinstance(body, dict) else {})
    except ValidationError:
        return Problem()


def _described(error: stripe.StripeError, problem: Problem) -> str:
    """For those who mend it, and look it up at Stripe: codes only."""
    parts = {
        "type": problem.type,
        "code": problem.decline_code or problem.code,
        "parameter": problem.param,
        "HTTP": error.http_status,
        "request": error.request_id,
    }
    named = [f"{name} {value}" for name, value in parts.items() if value is not None]
    return f"{type(error).__name__} ({', '.join(named)})" if named else type(error).__name__
