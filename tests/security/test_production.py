"""Production refuses to be careless: each careless setting is named, and nothing starts."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from adapters.production import Careless, refuse_carelessness
from ordersaga.config import Settings

# Put together here, so that no file has what looks like a secret.
SIGNED = "whsec_"
LOGIN = "postgresql://app:{}@{}/o"
SAFE_KEY = base64.b64encode(hashlib.sha256(b"drawn at random").digest()).decode()
BROKER = "{}://{}:Vt5qk2mZx81Lw0@mq.example/"


CAREFUL: Mapping[str, str] = {
    "ORDERSAGA_ENV": "production",
    "ORDERSAGA_DATABASE_URL": LOGIN.format("Vt5qk2mZx81Lw0", "db.example") + "?sslmode=verify-full",
    "ORDERSAGA_PAYMENT_PROVIDER_KEY": "rk_" + "live_k39fjQ20skVbn47xTTe1",
    "ORDERSAGA_PAYMENT_WEBHOOK_SECRETS": json.dumps(
        {"stripe": [SIGNED + "9f8e7d6c5b4a39281706f5e4d3c2b1a0"]}
    ),
    "ORDERSAGA_CARRIER_URL": "https://carrier.example",
    "ORDERSAGA_CARRIER_KEY": "ck_03mfkQ95zzPbyeR41xAo77",
    "ORDERSAGA_CARRIER_WEBHOOK_SECRETS": json.dumps(
        {"sandbox": [SIGNED + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}
    ),
    "TEMPORAL_ADDRESS": "temporal.example:7233",
    "TEMPORAL_API_KEY": "a-key-of-the-engine",
    "ORDERSAGA_PAYLOAD_KEYS": json.dumps([{"id": "2026", "key": SAFE_KEY}]),
    "ORDERSAGA_LINK_SECRETS": json.dumps([SAFE_KEY]),
}


def _check(env: Mapping[str, str]) -> None:
    refuse_carelessness(Settings.from_env(env), env)


def test_careful_settings_are_taken() -> None:
    _check(CAREFUL)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ORDERSAGA_DATABASE_URL": LOGIN.format("Vt5qk2mZx81Lw0", "db.example")}, "sslmode"),
        (
            {"ORDERSAGA_DATABASE_URL": LOGIN.format("short", "db.example") + "?sslmode=verify-ca"},
            "less than 12",
        ),
        ({"ORDERSAGA_DATABASE_URL": LOGIN.format("ordersaga", "localhost")}, "everybody tries"),
        ({"ORDERSAGA_DATABASE_URL": LOGIN.format("app", "localhost")}, "everybody tries"),
        ({"ORDERSAGA_PAYMENT_PROVIDER_KEY": "sk_test_" + "0123456789abcdef" * 2}, "a sandbox's"),
        ({"ORDERSAGA_PAYMENT_PROVIDER_KEY": ""}, "PAYMENT_PROVIDER_KEY: is not set"),
        ({"ORDERSAGA_PAYMENT_PROVIDER_KEY": "x" * 40}, "can be guessed"),
        ({"ORDERSAGA_PAYMENT_PROVIDER_URL": "http://pay.example"}, "without https"),
        ({"ORDERSAGA_CARRIER_URL": "http://carrier.example"}, "without https"),
        ({"ORDERSAGA_CARRIER_KEY": "carrier_test_0123456789abcdef"}, "a sandbox's"),
        ({"ORDERSAGA_PAYMENT_WEBHOOK_SECRETS": '{"stripe": ["whsec_short"]}'}, "stripe's can be"),
        ({"ORDERSAGA_PAYMENT_WEBHOOK_SECRETS": "{}"}, "its messages are refused"),
        (
            {"ORDERSAGA_CARRIER_WEBHOOK_SECRETS": '{"sandbox": ["whsec_YWJj"]}'},
            "sandbox's can be guessed",
        ),
        ({"ORDERSAGA_PAYLOAD_KEYS": "[]"}, "Temporal keeps what it is told as it is"),
        (
            {
                "ORDERSAGA_PAYLOAD_KEYS": json.dumps(
                    [{"id": "zeros", "key": base64.b64encode(bytes(32)).decode()}]
                )
            },
            "zeros can be guessed",
        ),
        ({"TEMPORAL_API_KEY": ""}, "without TLS or an API key"),
        ({"ORDERSAGA_WEBHOOKS_TO_PRIVATE": "true"}, "reaches our own network"),
        ({"ORDERSAGA_LINK_SECRETS": "[]"}, "LINK_SECRETS: is not set"),
        ({"ORDERSAGA_LINK_SECRETS": json.dumps([SAFE_KEY, "short"])}, "every order's page"),
        ({"ORDERSAGA_PUBLIC_URL": "http://orders.shop.example"}, "PUBLIC_URL"),
        ({"ORDERSAGA_AMQP_URL": BROKER.format("amqp", "app")}, "without amqps"),
        ({"ORDERSAGA_AMQP_URL": BROKER.format("amqps", "guest")}, "as guest"),
        ({"ORDERSAGA_AMQP_URL": "amqps://mq.example/"}, "as guest"),
    ],
)
def test_each_careless_setting_is_named(changed: Mapping[str, str], named: str) -> None:
    env = {name: value for name, value in {**CAREFUL, **changed}.items() if value}
    with pytest.raises(Careless, match=named) as refused:
        _check(env)
    assert len(str(refused.value).splitlines()) == 2, "nothing else is careless"
    for value in changed.values():
        assert not value or value not in str(refused.value), "a secret was told"


def test_temporal_on_this_machine_or_with_tls_needs_no_key() -> None:
    without = {name: value for name, value in CAREFUL.items() if name != "TEMPORAL_API_KEY"}
    _check({**without, "TEMPORAL_ADDRESS": "127.0.0.1:7233"})
    _check({**without, "TEMPORAL_TLS": "true"})


def test_a_broker_on_this_machine_or_over_tls_with_a_user_of_our_own_is_taken() -> None:
    _check({**CAREFUL, "ORDERSAGA_AMQP_URL": "amqp://127.0.0.1:5672/"})
    _check({**CAREFUL, "ORDERSAGA_AMQP_URL": BROKER.format("amqps", "app")})


def test_elsewhere_a_sandbox_is_welcome() -> None:
    _check({**CAREFUL, "ORDERSAGA_ENV": "development", "ORDERSAGA_PAYMENT_PROVIDER_KEY": ""})


@pytest.mark.long
@pytest.mark.parametrize(
    "program",
    [
        ("-m", "worker"),
        ("-m", "api"),
        ("-m", "cli.together"),
        ("-m", "cli.main", "api"),
        ("-m", "cli.main", "worker"),
        ("-m", "cli.main", "serve"),
    ],
)
def test_neither_program_starts(program: tuple[str, ...]) -> None:
    env = {**CAREFUL, "ORDERSAGA_PAYMENT_PROVIDER_KEY": "sk_test_" + "0123456789abcdef" * 2}
    done = subprocess.run(
        [sys.executable, *program],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert "ORDERSAGA_PAYMENT_PROVIDER_KEY: is a sandbox's" in done.stderr
    assert "sk_test_" not in done.stderr + done.stdout
