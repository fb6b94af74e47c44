"""Every setting of the product, read once from the environment.

Names are `ORDERSAGA_<FIELD>` in upper case; how to reach Temporal is the SDK's own business
(`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, …: `temporalio.envconfig`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ordersaga.money import MINOR_UNIT_DECIMALS
from ordersaga.order import RemoteLane

ENV_PREFIX = "ORDERSAGA_"
DAY_S: Final = 24 * 3600
EVENTS_KEPT_S: Final = 7 * DAY_S
PAYLOAD_KEY_BYTES: Final = 32  # AES-256

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


class PayloadKey(BaseModel):
    """What encrypts all that Temporal keeps: 32 random bytes, and the name they are found by again."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    key: str = Field(repr=False, description="base64 of 32 bytes: openssl rand -base64 32")

    @field_validator("key")
    @classmethod
    def _is_of_aes_256(cls, given: str) -> str:
        try:
            is_long_enough = len(base64.b64decode(given, validate=True)) == PAYLOAD_KEY_BYTES
        except ValueError:
            is_long_enough = False
        if not is_long_enough:
            raise ValueError(f"a payload key is base64 of {PAYLOAD_KEY_BYTES} bytes")
        return given

    @property
    def secret(self) -> bytes:
        return base64.b64decode(self.key)


def _listed(value: object) -> object:
    """The environment has JSON, or nothing."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "[]")
    except ValueError:
        raise ValueError("is not JSON") from None


def _each_id_once(given: tuple[PayloadKey, ...]) -> tuple[PayloadKey, ...]:
    if len({key.id for key in given}) < len(given):
        raise ValueError("two payload keys have the same id")
    return given


# Random text each. The first signs, all of them are taken.
LinkSecrets = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...], BeforeValidator(_listed)
]
# The first encrypts, all of them read.
PayloadKeys = Annotated[
    tuple[PayloadKey, ...], BeforeValidator(_listed), AfterValidator(_each_id_once)
]


class Settings(BaseModel):
    """What a worker or an API process needs to know. Times are in seconds (`_s`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Literal["development", "production"] = Field(
        default="development",
        description="production: a careless setting keeps the programs from starting",
    )
    database_url: str = Field(repr=False, description="PostgreSQL, as the service's role")
    task_queue: str = "orders"

    payment_provider_url: str = "https://api.stripe.com"
    payment_provider_key: str = Field(default="", repr=False)
    payment_return_url: str = Field(
        default="", description="where payers come back to from a wallet's or a bank's page"
    )
    carrier_url: str = ""
    carrier_key: str = Field(default="", repr=False)
    payment_webhook_secrets: WebhookSecrets = Field(
        default={}, repr=False, description='by provider, as JSON: {"stripe": ["whsec_…"]}'
    )
    carrier_webhook_secrets: WebhookSecrets = Field(
        default={}, repr=False, description='by carrier, as JSON: {"sandbox": ["whsec_…"]}'
    )

    amqp_url: str = Field(
        default="",
        repr=False,
        pattern=r"^(amqps?://[^/]+.*)?$",
        description="RabbitMQ, which is told of every event: amqps://…; empty: no broker",
    )
    metrics_address: str = Field(
        default="",
        pattern=r"^([^\s:/]+:\d{1,5})?$",
        description="host:port where a worker answers /metrics; empty: nowhere",
    )

    smtp_url: str = Field(
        default="",
        repr=False,
        pattern=r"^(smtps?://[^/?#]+(/?\?starttls=(yes|no))?)?$",
        description="who takes our mails: smtps://<user>:<password>@host:465, or smtp://… with "
        "STARTTLS, unless ?starttls=no; empty: no mail",
    )
    mail_from: str = Field(default="", description="whose mails they are: Shop <orders@…>")
    seller_email: Mapping[str, str] = Field(
        default={},
        repr=False,
        description='one address, or by tenant as JSON: {"demo": "a@…", "*": "b@…"}',
    )
    seller_locale: str = Field(default="en", description="en or zh; a BCP 47 tag")

    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+)?$",
        description="where buyers reach the API's pages: https://orders.shop.example; mails link there",
    )
    link_secrets: LinkSecrets = Field(
        default=(),
        repr=False,
        description='for the links of orders\' pages, as JSON: ["…"]; '
        "the first signs, all of them are taken; without any there are no such pages",
    )
    shop_name: str = Field(default="", description="whose pages they are, as buyers know it")

    payload_keys: PayloadKeys = Field(
        default=(),
        repr=False,
        description='for what Temporal keeps, as JSON: [{"id": "2026", "key": "…"}]; '
        "the first encrypts, all of them read; without any it is plain",
    )
    temporal_ui_url: str = Field(default="", description="for links to an order's workflow")

    requests_per_s_per_key: int = Field(
        default=100, ge=0, description="over all API processes; of this and the next three, 0: any"
    )
    requests_per_s_per_tenant: int = Field(default=300, ge=0, description="all of its keys")
    open_orders_per_key: int = Field(
        default=100_000, ge=0, description="orders that are not over yet: each is a workflow"
    )
    open_orders_per_tenant: int = Field(default=100_000, ge=0, description="all of its keys")
    refused_keys_per_min: int = Field(
        default=300, ge=0, description="401s for one client address and API process; 0: any number"
    )

    streams_per_key: int = Field(
        default=100,
        ge=0,
        description="live streams at an API process; of this and the next, 0: any",
    )
    streams_per_process: int = Field(default=2_000, ge=0, description="of all keys and links")
    streams_per_link: int = Field(
        default=10, ge=0, description="of an order's page at an API process; 0: any number"
    )
    requests_per_min_per_link: int = Field(
        default=240, ge=0, description="of an order's page at an API process; 0: any number"
    )

    database_pool_size: int = Field(default=10, ge=1, description="connections a process")
    remote_lane: RemoteLane = Field(
        default="local_first",
        description="how providers and carriers are asked before the decision: within the workflow's own "
        "task for 2 s, then by the task queue; or queued, by the task queue alone: more of the engine's CPU",
    )
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
    events_kept_s: int = Field(
        default=EVENTS_KEPT_S,
        ge=1,
        description="how long an event stays for those who resume, once every sink has had it",
    )
    webhooks_to_private: bool = Field(
        default=False,
        description="endpoints may be in our own network, and without TLS: for a local stack",
    )
    deliveries_kept_s: int = Field(
        default=30 * DAY_S, ge=1, description="how long it is known what went to which endpoint"
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

    @field_validator("seller_email", mode="before")
    @classmethod
    def _of_each_tenant(cls, value: object) -> object:
        """JSON, or one address for all of them."""
        if not isinstance(value, str) or not value:
            return value or {}
        return cls._from_json(value) if value.startswith("{") else {"*": value}

    @model_validator(mode="after")
    def _mail_is_somebodys(self) -> Self:
        if self.smtp_url and "@" not in self.mail_from:
            raise ValueError("mail_from has no address, and smtp_url is set")
        return self

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
