"""A call that moves something, made ready: what it is about, which faults meet it, how to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.faults import Fault, UnknownTokenError, faults_of
from sandbox.provider.errors import RequestError
from sandbox.provider.params import Params
from sandbox.provider.records import Reply
from sandbox.provider.tokens import TOKENS, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`act` does the work inside a transaction and may raise StripeError, which takes it back.

    `subject`: what fault tries are counted by. `operations`: what it does, in order.
    """

    subject: str
    operations: tuple[Operation, ...]
    faults: tuple[Fault, ...]
    act: Callable[[], Reply]


class UnknownMethodError(RequestError):
    """No such payment method; Stripe answers 400 for a reference inside the parameters."""

    def __init__(self, token: str) -> None:
        super().__init__(
            f"No such PaymentMethod: '{token}'", code="resource_missing", param="payment_method"
        )


def token_faults(token: str | None) -> tuple[Fault, ...]:
    """What the token asks for; nothing when there is none. Raises UnknownMethodError."""
    if token is None:
        return ()
    try:
        return faults_of(token, TOKENS)
    except UnknownTokenError as error:
        raise UnknownMethodError(token) from error


def wants_charge(params: Params, path: str = "latest_charge") -> bool:
    """Whether the caller asks for the charge in place of its id. Raises RequestError."""
    asked = params.texts("expand")
    for wanted in asked:
        if wanted != path:
            raise RequestError(f"This property cannot be expanded ({wanted}).", param="expand")
    return bool(asked)
