"""Parameters that newer versions of Stripe's API no longer take.

Source: Stripe's changelog, 2026-09-30.endive, "Removes the payment method types parameter from
Payment Intents and Setup Intents". The `stripe` package of version 16 speaks 2026-10-28.endive.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.provider.errors import RequestError
from sandbox.provider.params import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A parameter, the first API version (its date) without it, and what Stripe answers."""

    param: str
    since: str
    code: str
    instead: str


REMOVED = (
    Removal(
        param="payment_method_types",
        since="2026-09-30",
        code="payment_method_types_no_longer_supported",
        instead="allowed_payment_method_types",
    ),
)


def check_version(params: Params, version: str) -> None:
    """Refuse what the caller's `Stripe-Version` (such as 2026-10-28.endive) no longer has.

    Raises RequestError. A caller who names no version is taken to speak an old one.
    """
    for removal in REMOVED:
        if removal.param in params.fields and version >= removal.since:
            raise RequestError(
                f"{removal.param} is no longer supported; use {removal.instead}.",
                code=removal.code,
                param=removal.param,
            )
