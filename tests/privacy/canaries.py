"""Strings that are nowhere but where a caller put them, and where each may be found again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from tests.saga.shop import Json

RUN: Final = secrets.token_hex(4)


def canary(field: str) -> str:
    return f"canary-{field}-{RUN}"


# Field of a caller → the columns that may have it. No other column of any table has it; and no history of
# Temporal, no log and no refusal has any of them.
MAY_BE_IN: Final[Mapping[str, frozenset[str]]] = {
    field: frozenset(columns)
    for field, columns in {
        "name": ["customers_pii.customer"],
        "mail": ["customers_pii.customer"],
        "phone": ["customers_pii.customer"],
        "recipient": ["customers_pii.shipping_address"],
        "line1": ["customers_pii.shipping_address"],
        "line2": ["customers_pii.shipping_address"],
        "city": ["customers_pii.shipping_address"],
        "region": ["customers_pii.shipping_address"],
        "postcode": ["customers_pii.shipping_address"],
        "metadata": ["orders.metadata"],
        "token": [],  # only until its provider has it
        "cancel": ["order_requests.body"],
        "hold": ["order_requests.body"],
        "release": ["order_requests.body"],
        "note": ["order_requests.body"],
        "refund": ["order_requests.body"],
        "return": ["returns.reason"],
        "review": ["reviews.comment"],
        "gift": ["ledger_entries.reason"],
        "location": ["inbox.data", "tracking_events.location"],
        "sentence": ["inbox.data", "tracking_events.detail"],
        "bank": ["inbox.data"],
    }.items()
}
# References, by which nobody but the shop finds a person. They stay, also after an erasure.
REFERENCES: Final[Mapping[str, frozenset[str]]] = {
    field: frozenset(columns)
    for field, columns in {
        "customer": [
            "orders.customer_id",
            "customers_pii.customer_id",
            "ledger_accounts.owner",
            "idempotency_keys.route",
            "idempotency_keys.resource",
            "erasures.customer_id",
        ],
        "voucher": ["ledger_accounts.owner", "payments.token", "idempotency_keys.resource"],
        "key": ["idempotency_keys.key"],
    }.items()
}
WRITTEN: Final = frozenset(MAY_BE_IN) - {"token"}  # so that a test that looks for them finds them
ALL: Final[Mapping[str, str]] = {field: canary(field) for field in [*MAY_BE_IN, *REFERENCES]}

CUSTOMER: Final = canary("customer")
PERSON: Final[Json] = {
    "id": CUSTOMER,
    "name": canary("name"),
    "email": f"{canary('mail')}@example.com",
    "phone": canary("phone"),
}
ADDRESS: Final[Json] = {
    "name": canary("recipient"),
    "line1": canary("line1"),
    "line2": canary("line2"),
    "city": canary("city"),
    "region": canary("region"),
    "postal_code": canary("postcode"),
    "country": "BR",
}


def found_in(text: str) -> set[str]:
    """Whose canaries are in it, by field."""
    return {field for field, written in ALL.items() if written in text}
