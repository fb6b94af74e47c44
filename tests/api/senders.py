"""Providers and carriers as the API meets them: what they sign is signed by others' packages."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from adapters.postgres.pool import Pool
from sandbox.deliveries import stripe_signer
from tests.api.calls import Json, fresh


def a_secret(word: str) -> str:
    """Of the form that the standard wants, and no secret."""
    return "whsec_" + base64.b64encode(f"the {word}'s own secret".encode()).decode()


STRIPE_SECRET: Final = "whsec_any text will do"
PROVIDER_SECRET: Final = a_secret("provider")
NEXT_PROVIDER_SECRET: Final = a_secret("next provider")
CARRIER_SECRET: Final = a_secret("carrier")
OTHER_CARRIER_SECRET: Final = a_secret("other carrier")

SECRETS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "payment_webhook_secrets": {
        "stripe": (STRIPE_SECRET,),
        "acme": (PROVIDER_SECRET, NEXT_PROVIDER_SECRET),
    },
    "carrier_webhook_secrets": {
        "sandbox": (CARRIER_SECRET,),
        "pigeon": (OTHER_CARRIER_SECRET,),
    },
}


def payment_message(fact: str = "captured", **data: object) -> Json:
    return {"type": f"payment.{fact}", "data": data}


def tracking_message(number: str, status: str = "in_transit", **otherwise: object) -> Json:
    occurred_at = "2026-03-01T10:00:00Z"
    seen = {"tracking_number": number, "status": status, "occurred_at": occurred_at}
    return {"type": "tracking.updated", "data": {**seen, **otherwise}}


@dataclass(frozen=True)
class Sender:
    """Somebody who signs by Standard Webhooks."""

    api: httpx.AsyncClient
    path: str
    secret: str
    pool: Pool = field(repr=False)

    @property
    def source(self) -> str:
        return self.path.removeprefix("/v1/webhooks/")

    def sign(
        self, body: str, *, message_id: str, at: datetime | None = None, secret: str | None = None
    ) -> dict[str, str]:
        sent_at = at or datetime.now(UTC)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": Webhook(secret or self.secret).sign(message_id, sent_at, body),
        }

    async def send(
        self,
        message: object,
        *,
        message_id: str | None = None,
        at: datetime | None = None,
        secret: str | None = None,
    ) -> httpx.Response:
        """Signed as it should be, but for what is given. A text is sent as it is."""
        body = message if isinstance(message, str) else json.dumps(message)
        headers = self.sign(body, message_id=message_id or fresh("msg"), at=at, secret=secret)
        return await self.post(body.encode(), headers)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        return await self.api.post(self.path, content=body, headers=dict(headers))

    async def kept(self, message_id: str | None = None) -> list[dict[str, Any]]:
        """This sender's rows of the inbox."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "select * from inbox where source = $1 and message_id = coalesce($2, message_id)",
                *(self.source, message_id),
            )
        return [dict(row) for row in rows]


def stripe_event(kind: str, about: Json, *, event_id: str | None = None) -> Json:
    """As Stripe sends it, as far as anybody reads it."""
    return {
        "id": event_id or fresh("evt").replace("-", "_"),  # Stripe has no hyphens
        "object": "event",
        "type": kind,
        "data": {"object": about},
    }


def stripe_intent(reference: str, *, amount: int = 15000, **otherwise: object) -> Json:
    """A payment intent that was paid."""
    intent: Json = {
        "id": reference,
        "object": "payment_intent",
        "status": "succeeded",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": amount,
        "currency": "brl",
        "metadata": {},
    }
    return {**intent, **otherwise}


async def send_as_stripe(
    api: httpx.AsyncClient, event: Json, *, secret: str = STRIPE_SECRET, at: datetime | None = None
) -> httpx.Response:
    body = json.dumps(event)
    sent_at_s = int((at or datetime.now(UTC)).timestamp())
    headers = dict(stripe_signer(secret)(str(event["id"]), sent_at_s, body))
    return await api.post("/v1/webhooks/payments/stripe", content=body.encode(), headers=headers)
