"""What no schema says, told to schemathesis: a key is used once, an order makes sense and is there, a message
is signed.

Loaded by schemathesis itself, within its own process (`hooks` of schemathesis.toml).
"""

from __future__ import annotations

import atexit
import json
import os
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import requests
import schemathesis
from requests.auth import AuthBase
from schemathesis.core.parameters import ParameterLocation
from standardwebhooks import Webhook

from tests.fuzz.told import (
    ANSWERS_FILE,
    API,
    CARRIER_SECRET,
    CURRENCY,
    KEY,
    PROVIDER_SECRET,
    SENDER,
    SKUS,
)

TOKENS: Final = ("tok_ok", "tok_ok", "tok_declined", "tok_requires_action")
MOST_LINES: Final = 3
MOST_UNITS: Final = 3
MOST_AMOUNT: Final = 100_000
NEWEST: Final = 4  # orders that others do something with
A_LIFE: Final = 30  # requests; then another order is begun with
API_PATIENCE_S: Final = 30.0
EVERY: Final = 4  # one order of so many stays as it was drawn, one key of so many is used again


class Sender(NamedTuple):
    """Who sends messages: where its name stands in a path, and what it signs with."""

    parameter: str
    secret: str


MESSAGES: Final = {
    "hear_from_provider": Sender("provider", PROVIDER_SECRET),
    "hear_from_carrier": Sender("carrier", CARRIER_SECRET),
}

_answers: Counter[str] = Counter()  # by operation and status
_made: deque[dict[str, str]] = deque(
    maxlen=NEWEST
)  # what paths can name: orders, and returns of theirs


@atexit.register
def _tell_how_many() -> None:
    Path(os.environ[ANSWERS_FILE]).write_text(json.dumps(_answers), encoding="utf-8")


@schemathesis.hook
def map_case(
    context: schemathesis.HookContext, case: schemathesis.Case[Any]
) -> schemathesis.Case[Any]:
    """Most orders that are drawn right also make sense: what comes after them is reached."""
    name = _name(case)
    if not _is_right(case):
        return case
    if name == "place_order" and isinstance(case.body, dict) and not _is_left_alone(case.body):
        case.body = _sensible(case.body)
    if name in MESSAGES:
        case.path_parameters[MESSAGES[name].parameter] = SENDER
    return case


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    if _answers.total() % A_LIFE == 0:
        _made.append({"order_id": _begin_a_life()})
    if _is_right(case, ParameterLocation.PATH) and _answers.total() % EVERY:
        names = _made[_answers.total() % len(_made)]
        for name in names.keys() & case.path_parameters.keys():
            case.path_parameters[name] = names[name]
    if not _is_right(case, ParameterLocation.HEADER):
        return
    if "Idempotency-Key" in case.headers and _answers.total() % EVERY:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if "If-Match" in case.headers and _answers.total() % EVERY:
        case.headers["If-Match"] = "*"
    if _name(case) in MESSAGES:
        kwargs["auth"] = Signer(os.environ[MESSAGES[_name(case)].secret])


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    _answers[f"{_name(case)} {response.status_code}"] += 1
    if response.status_code == 201 and _name(case) == "place_order":
        _made.append({"order_id": response.json()["id"]})
    if response.status_code == 201 and _name(case) == "ask_for_return":
        order = response.json()
        _made.append({"order_id": order["id"], "return_id": order["returns"][-1]["id"]})


def _begin_a_life() -> str:
    """An order that is confirmed, and waits for its merchant to ship it."""
    price = {"amount": MOST_AMOUNT, "currency": CURRENCY}
    order: dict[str, Any] = {
        "customer": {"id": "c-1"},
        "currency": CURRENCY,
        "lines": [{"sku": sku, "quantity": MOST_UNITS, "unit_price": price} for sku in SKUS],
        "shipping_address": {"country": "BR"},
        "payments": [{"method": "card", "token": "tok_ok"}],
    }
    headers = {
        "Authorization": f"Bearer {os.environ[KEY]}",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    answer = requests.post(
        f"{os.environ[API]}/v1/orders", json=order, headers=headers, timeout=API_PATIENCE_S
    )
    answer.raise_for_status()
    return str(answer.json()["id"])


class Signer(AuthBase):
    """Signs what is really sent, by Standard Webhooks."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or ""
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        message_id, at = str(uuid.uuid4()), datetime.now(UTC)
        request.headers["webhook-id"] = message_id
        request.headers["webhook-timestamp"] = str(int(at.timestamp()))
        request.headers["webhook-signature"] = self._webhook.sign(message_id, at, text)
        return request


def _name(case: schemathesis.Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def _is_right(case: schemathesis.Case[Any], part: ParameterLocation | None = None) -> bool:
    """Whether it was drawn to be accepted; or a part of it."""
    if case.meta is None:
        return True
    if part is None:
        return case.meta.generation.mode.is_positive
    drawn = case.meta.components.get(part)
    return drawn is None or drawn.mode.is_positive


def _is_left_alone(order: Mapping[str, Any]) -> bool:
    return len(order["customer"]["id"]) % EVERY == 0


def _sensible(order: Mapping[str, Any]) -> dict[str, Any]:
    """One currency, what is in stock, one payment of all of it, and the merchant's own parcel."""
    lines = [
        {
            "sku": SKUS[i % len(SKUS)],
            "quantity": line["quantity"] % MOST_UNITS + 1,
            "unit_price": _money(line["unit_price"]),
        }
        for i, line in enumerate(order["lines"][:MOST_LINES])
    ]
    token = TOKENS[len(order["lines"]) % len(TOKENS)]
    payments = [{"method": "card", "token": token}] if order.get("payments") else []
    rest = {
        name: value for name, value in order.items() if name not in ("shipping", "shipping_fee")
    }
    return {**rest, "currency": CURRENCY, "lines": lines, "payments": payments}


def _money(drawn: Mapping[str, Any]) -> dict[str, Any]:
    return {"amount": drawn["amount"] % MOST_AMOUNT + 1, "currency": CURRENCY}
