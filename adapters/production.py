"""`ORDERSAGA_ENV=production`: with a careless setting nothing starts.

What is checked can be seen from here: who listens on the network, and where secrets are kept, cannot.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from temporalio.envconfig import ClientConfig

from ordersaga.config import ENV_PREFIX, STRIPE, Settings, standard_key
from ordersaga.errors import OrdersagaError

SANDBOX_MARKS: Final = ("sk_test_", "rk_test_", "carrier_test_")
LEAST_SECRET_BYTES: Final = 24  # of Standard Webhooks
LEAST_PASSWORD: Final = 12  # characters
KNOWN_PASSWORDS: Final = ("postgres", "ordersaga", "password", "changeme", "secret", "temporal")
CHECKED_TLS: Final = ("verify-ca", "verify-full")
GUEST: Final = "guest"  # RabbitMQ's own first user, and who comes without a name
LEAST_DISTINCT: Final = 8  # characters of a secret; `AAAA…` has one


class Careless(OrdersagaError):
    """Production was asked for, and these settings are not fit for it."""


def refuse_carelessness(settings: Settings, env: Mapping[str, str]) -> None:
    """`env`: where Temporal's own settings come from. Raises `Careless`, a line a setting."""
    if settings.env != "production":
        return
    found = [
        *_database(settings),
        *_participants(settings),
        *_webhooks(settings),
        *_pages(settings),
        *_broker(settings),
        *_mail(settings),
        *_engine(env),
        *_payloads(settings),
    ]
    if found:
        raise Careless("\n".join(["not started with ORDERSAGA_ENV=production:", *found]))


def _database(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.database_url)
    name = ENV_PREFIX + "DATABASE_URL"
    password = url.password or ""
    if _is_remote(url.hostname):
        if parse_qs(url.query).get("sslmode", [""])[-1] not in CHECKED_TLS:
            yield f"{name}: not on this machine, and without sslmode=verify-full"
        if len(password) < LEAST_PASSWORD:
            yield f"{name}: its password has less than {LEAST_PASSWORD} characters"
    if password.lower() in (*KNOWN_PASSWORDS, (url.username or "-").lower()):
        yield f"{name}: its password is one that everybody tries first"


def _participants(settings: Settings) -> Iterator[str]:
    for field, url, key in (
        ("payment_provider", settings.payment_provider_url, settings.payment_provider_key),
        ("carrier", settings.carrier_url, settings.carrier_key),
    ):
        if not url:
            continue
        name = ENV_PREFIX + field.upper()
        at = urlsplit(url)
        if at.scheme != "https" and _is_remote(at.hostname):
            yield f"{name}_URL: not on this machine, and without https://"
        if not key:
            yield f"{name}_KEY: is not set"
        elif key.startswith(SANDBOX_MARKS):
            yield f"{name}_KEY: is a sandbox's"
        elif _is_simple(key):
            yield f"{name}_KEY: can be guessed"


def _webhooks(settings: Settings) -> Iterator[str]:
    if settings.webhooks_to_private:
        yield f"{ENV_PREFIX}WEBHOOKS_TO_PRIVATE: whoever may add an endpoint reaches our own network"
    for field, by_sender in (
        ("payment_webhook_secrets", settings.payment_webhook_secrets),
        ("carrier_webhook_secrets", settings.carrier_webhook_secrets),
    ):
        name = ENV_PREFIX + field.upper()
        for sender, secrets in by_sender.items():
            is_stripe = sender == STRIPE and field == "payment_webhook_secrets"
            for secret in secrets:
                key = secret.encode() if is_stripe else standard_key(secret)
                if len(key) < LEAST_SECRET_BYTES or _is_simple(secret.removeprefix("whsec_")):
                    yield f"{name}: {sender}'s can be guessed"
    if settings.payment_provider_key and STRIPE not in settings.payment_webhook_secrets:
        yield f"{ENV_PREFIX}PAYMENT_WEBHOOK_SECRETS: without {STRIPE}'s, its messages are refused"


def _pages(settings: Settings) -> Iterator[str]:
    name = f"{ENV_PREFIX}LINK_SECRETS"
    if not settings.link_secrets:
        yield f"{name}: is not set"
    if any(_is_simple(secret) for secret in settings.link_secrets):
        yield f"{name}: can be guessed, and every order's page with it"
    public = urlsplit(settings.public_url)
    if public.scheme == "http" and _is_remote(public.hostname):
        yield f"{ENV_PREFIX}PUBLIC_URL: not on this machine, and without https://"


def _broker(settings: Settings) -> Iterator[str]:
    if not settings.amqp_url:
        return
    url = urlsplit(settings.amqp_url)
    if not _is_remote(url.hostname):
        return
    name = ENV_PREFIX + "AMQP_URL"
    if url.scheme != "amqps":
        yield f"{name}: not on this machine, and without amqps://"
    if (url.username or GUEST) == GUEST:
        yield f"{name}: not on this machine, and as {GUEST}, whom everybody knows"


def _mail(settings: Settings) -> Iterator[str]:
    url = urlsplit(settings.smtp_url)
    if url.query == "starttls=no" and _is_remote(url.hostname):
        yield f"{ENV_PREFIX}SMTP_URL: not on this machine, and without TLS"


def _engine(env: Mapping[str, str]) -> Iterator[str]:
    config = ClientConfig.load_client_connect_config(override_env_vars=dict(env))
    host = urlsplit(f"//{config.get('target_host', 'localhost')}").hostname
    if _is_remote(host) and not config.get("tls") and not config.get("api_key"):
        yield "TEMPORAL_ADDRESS: not on this machine, and without TLS or an API key"


def _payloads(settings: Settings) -> Iterator[str]:
    name = ENV_PREFIX + "PAYLOAD_KEYS"
    if not settings.payload_keys:
        yield f"{name}: without one Temporal keeps what it is told as it is"
    for key in settings.payload_keys:
        if len(set(key.secret)) < LEAST_DISTINCT:
            yield f"{name}: {key.id} can be guessed"


def _is_remote(host: str | None) -> bool:
    if not host or host == "localhost":  # no host: a socket of this machine
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _is_simple(secret: str) -> bool:
    return len(secret) < LEAST_SECRET_BYTES or len(set(secret)) < LEAST_DISTINCT
