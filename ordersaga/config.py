"""Every setting of the product, read once from the environment.

Names are `ORDERSAGA_<FIELD>` in upper case; how to reach Temporal is the SDK's own business
(`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, …: `temporalio.envconfig`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationInfo, field_validator

from ordersaga.money import MINOR_UNIT_DECIMALS

ENV_PREFIX = "ORDERSAGA_"
DAY_S: Final = 24 * 3600

STRIPE: Final = "stripe"  # the payment provider that signs in its own way, with any secret
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the mark of a Standard Webhooks secret

# By sender's name; several while a sender changes his.
WebhookSecrets = Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]]


def standard_key(secret: str) -> bytes:
    """The key within a Standard Webhooks secret, `whsec_<base64>`; else raises `ValueError`."""
    encoded = secret.removeprefix(SECRET_PREFIX)
    padding = "=" * (-len(encoded) % 4)  # which some leave out
    try:
        key = base64.b64decode(encoded + padding, validate=True)
    except ValueError:
        key = b""
    if not (secret.startswith(SECRET_PREFIX) and key):
        raise ValueError(f"a webhook secret is {SECRET_PREFIX}<base64>")
    return key


class Settings(BaseModel):
    """What a worker or an API process needs to know. Times are in seconds (`_s`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str = Field(description="PostgreSQL, as the service's role")
    task_queue: str = "orders"

    payment_provider_url: str = "https://api.stripe.com"
    payment_provider_key: str = ""
    payment_return_url: str = Field(
        default="", description="where payers come back to from a wallet's or a bank's page"
    )
    carrier_url: str = ""
    carrier_key: str = ""
    payment_webhook_secrets: WebhookSecrets = Field(
        default={}, repr=False, description='by provider, as JSON: {"stripe": ["whsec_…"]}'
    )
    carrier_webhook_secrets: WebhookSecrets = Field(
        default={}, repr=False, description='by carrier, as JSON: {"sandbox": ["whsec_…"]}'
    )

    temporal_ui_url: str = Field(default="", description="for links to an order's workflow")

    database_pool_size: int = Field(default=10, ge=1, description="connections a process")
    outage_patience_s: int = Field(
        default=60,
        ge=1,
        description="how long a hold or a charge is retried while its provider is away",
    )
    payer_patience_s: int = Field(
        default=7 * DAY_S,
        ge=1,
        description="how long an order waits to be paid later, and the longest for any payer: "
        "each method has a patience of its own",
    )
    hold_patience_s: int = Field(
        default=3 * DAY_S,
        ge=1,
        description="how long an order is held before its money is taken: less than a card is held",
    )
    merchant_accepts: bool = Field(
        default=False, description="each order waits until its merchant accepts it"
    )
    review_above: Mapping[str, NonNegativeInt] = Field(
        default={},
        description='minor units by currency, as JSON: {"EUR": 100000}; a larger order is held',
    )
    completion_window_s: int = Field(
        default=7 * DAY_S, ge=1, description="how long after its delivery an order is completed"
    )
    return_window_s: int = Field(
        default=30 * DAY_S,
        ge=1,
        description="how long after its delivery a return can be asked for",
    )
    undo_retry_cap_s: int = Field(
        default=30,
        ge=1,
        description="how often an undo, a refund or a release that keeps failing is tried again",
    )
    sweep_interval_s: float = Field(
        default=5.0, gt=0, description="how often the worker looks for orders nobody drives"
    )

    @field_validator(
        "payment_webhook_secrets", "carrier_webhook_secrets", "review_above", mode="before"
    )
    @classmethod
    def _from_json(cls, value: object) -> object:
        """The environment has JSON, or nothing."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value or "{}")
        except ValueError:
            raise ValueError("is not JSON") from None

    @field_validator("payment_webhook_secrets", "carrier_webhook_secrets")
    @classmethod
    def _can_sign(cls, given: WebhookSecrets, about: ValidationInfo) -> WebhookSecrets:
        for sender, secrets in given.items():
            is_stripe = sender == STRIPE and about.field_name == "payment_webhook_secrets"
            for secret in secrets:
                if not is_stripe:
                    standard_key(secret)
                elif not secret:
                    raise ValueError("a webhook secret is empty")
        return given

    @field_validator("review_above")
    @classmethod
    def _of_known_currencies(cls, given: Mapping[str, int]) -> Mapping[str, int]:
        for currency in given:
            if currency not in MINOR_UNIT_DECIMALS:
                raise ValueError(f"{currency!r} is not a currency of ISO 4217")
        return given

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Reads `ORDERSAGA_*`; raises `pydantic.ValidationError` naming each bad or missing one."""
        fields = {
            name: env[ENV_PREFIX + name.upper()]
            for name in cls.model_fields
            if ENV_PREFIX + name.upper() in env
        }
        return cls.model_validate(fields)

    def to_env(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {
            ENV_PREFIX + name.upper(): value if isinstance(value, str) else json.dumps(value)
            for name, value in self.model_dump(mode="json").items()
        }
