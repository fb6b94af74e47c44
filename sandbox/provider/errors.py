"""What the provider answers when it says no, in Stripe's shape.

StripeError                     status, type, code, message, param; becomes {"error": {…}}
├── RequestError         400    the request makes no sense; its execution never began
├── UnexpectedStateError 400    the intent is not in a state for this
├── RefusedError         400    the provider's own rules forbid it
├── MissingError         404    no such object
├── BadKeyError          401    no or wrong bearer key
├── KeyReusedError       400    an idempotency key with other parameters or another path
├── KeyInUseError        409    an idempotency key whose first request still runs
└── InjectedError     4xx/5xx   a fault that a token asked for

A decline is not here: it changes the intent, so it is a reply (402), not an exception.
"""

from __future__ import annotations

UNEXPECTED_STATE = "payment_intent_unexpected_state"
RATE_LIMIT_STATUS = 429
SERVER_ERROR_STATUS = 500


class StripeError(Exception):
    """A no. `saved`: execution had begun, so an idempotency key replays this answer."""

    status: int = 400
    type: str = "invalid_request_error"
    saved: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        intent: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.intent = intent

    def body(self) -> dict[str, object]:
        """The reply's body; absent fields are left out, as Stripe does."""
        fields: dict[str, object | None] = {
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "payment_intent": self.intent,
            "type": self.type,
        }
        return {"error": {name: value for name, value in fields.items() if value is not None}}


class RequestError(StripeError):
    """The request makes no sense."""


class RefusedError(StripeError):
    """The provider's rules forbid it, such as a refund of more than was taken."""

    saved = True


class UnexpectedStateError(StripeError):
    """The intent is not in a state for this; nothing was changed."""

    saved = True

    def __init__(self, *, verb: str, status: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"You cannot {verb} this PaymentIntent because it has a status of {status}. "
            f"Possible only from: {', '.join(allowed)}.",
            code=UNEXPECTED_STATE,
        )


class MissingError(StripeError):
    """No such object."""

    status = 404

    def __init__(self, *, kind: str, object_id: str, param: str) -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class BadKeyError(StripeError):
    """No or wrong bearer key."""

    status = 401


class KeyReusedError(StripeError):
    """Same idempotency key, other request."""

    type = "idempotency_error"


class KeyInUseError(StripeError):
    """Same idempotency key, and the first request still runs."""

    status = 409
    type = "idempotency_error"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Another request with the idempotency key {key} is still running.",
            code="idempotency_key_in_use",
        )


class InjectedError(StripeError):
    """A fault that a token asked for."""

    type = "api_error"

    def __init__(self, status: int) -> None:
        rate_limited = status == RATE_LIMIT_STATUS
        super().__init__(
            "The sandbox was told to fail here.", code="rate_limit" if rate_limited else None
        )
        self.status = status
        self.saved = status == SERVER_ERROR_STATUS  # 429 and 503 come from before execution
        if rate_limited:
            self.type = "invalid_request_error"
