"""Rows of the books → the JSON objects of Stripe's wire protocol. Money in minor units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from sandbox.provider.records import Intent, Refund

API_VERSION = "2026-10-28.endive"  # stated in events; what version 16 of `stripe` speaks
DAY_S = 86_400
SLIP_DIGITS = 47  # a boleto's number, as people type it in


def dumps(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def _loads(text: str | None) -> object:
    return None if text is None else json.loads(text)


def intent_json(intent: Intent, *, expand_charge: bool = False) -> dict[str, object]:
    """A payment_intent object."""
    charge = charge_json(intent) if expand_charge and intent.charge_id else intent.charge_id
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_received": intent.amount_received,
        "canceled_at": intent.canceled_s,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": f"{intent.id}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": intent.created_s,
        "currency": intent.currency,
        "description": intent.description,
        "last_payment_error": _loads(intent.last_payment_error),
        "latest_charge": charge,
        "livemode": False,
        "metadata": _loads(intent.metadata),
        "next_action": _loads(intent.next_action) if intent.is_waiting else None,
        "payment_method": intent.payment_method,
        "payment_method_types": [intent.method],
        "status": intent.status.value,
    }


def charge_json(intent: Intent) -> dict[str, object]:
    """The charge of an intent that authorised or took money; a slip's is of what was paid."""
    return {
        "id": intent.charge_id,
        "object": "charge",
        "amount": intent.amount_received if intent.rules.slip else intent.amount,
        "amount_captured": intent.amount_received,
        "amount_refunded": intent.amount_refunded,
        "captured": intent.amount_received > 0,
        "created": intent.created_s,
        "currency": intent.currency,
        "disputed": intent.disputed,
        "livemode": False,
        "metadata": _loads(intent.metadata),
        "paid": True,
        "payment_intent": intent.id,
        "payment_method": intent.payment_method,
        "refunded": 0 < intent.amount_received == intent.amount_refunded,
        "status": "succeeded",
    }


def refund_json(refund: Refund) -> dict[str, object]:
    """A refund object; the sandbox sends money back at once."""
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge_id,
        "created": refund.created_s,
        "currency": refund.currency,
        "metadata": _loads(refund.metadata),
        "payment_intent": refund.payment_intent,
        "reason": refund.reason,
        "status": "succeeded",
    }


def dispute_json(
    intent: Intent, *, dispute_id: str, created_s: int, amount: int, reason: str
) -> dict[str, object]:
    """A dispute object: the payer's bank asks for the money."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount,
        "charge": intent.charge_id,
        "created": created_s,
        "currency": intent.currency,
        "livemode": False,
        "metadata": {},
        "payment_intent": intent.id,
        "reason": reason,
        "status": "needs_response",
    }


def list_json(*, url: str, data: Iterable[dict[str, object]], has_more: bool) -> dict[str, object]:
    """A page of a list."""
    return {"object": "list", "url": url, "has_more": has_more, "data": list(data)}


def event_json(
    *, event_id: str, kind: str, created_s: int, about: dict[str, object]
) -> dict[str, object]:
    """A webhook event; `about` is the object as it is after the change."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created_s,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def decline_json(
    *, code: str, decline_code: str | None, message: str, intent: Intent
) -> dict[str, object]:
    """What a decline is called, in a reply and as last_payment_error."""
    method = {"id": intent.payment_method, "object": "payment_method", "type": intent.method}
    named = {"decline_code": decline_code} if decline_code else {}
    return {
        "type": "card_error",
        "code": code,
        **named,
        "message": message,
        "payment_method": method,
    }


def next_action_json(intent: Intent, *, pay_url: str, now_s: int) -> dict[str, object]:
    """What the payer has to do: follow an address, or pay a slip until it expires."""
    details: dict[str, object] = {intent.rules.action_url: pay_url}
    if intent.rules.slip:
        digest = int(hashlib.sha256(intent.id.encode()).hexdigest(), 16)
        details["number"] = str(digest)[:SLIP_DIGITS]
        details["expires_at"] = now_s + intent.slip_days * DAY_S
    return {"type": intent.rules.action, intent.rules.action: details}
