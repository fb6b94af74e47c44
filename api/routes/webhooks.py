"""What providers and carriers tell us: proven, kept, answered, and only then told to the order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import structlog
from fastapi import Depends, Header
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.inbox import Letter, Receipt, keep_payment, keep_tracking, mark_delivered
from adapters.postgres.pool import reading
from adapters.stripe.events import StripeFact, verify_and_read
from api.bodies import parse_body, read_body
from api.openapi import make_router, operation
from api.problems import Problem
from api.rendering import json_response
from api.services import Services, services_of
from api.signatures import Signed, verify
from api.views import ReceiptView
from ordersaga.config import STRIPE, WebhookSecrets
from ordersaga.errors import Unavailable
from ordersaga.messages import MessageAmount, PaymentData, PaymentMessage, TrackingMessage

log = structlog.get_logger(__name__)
router = make_router("webhooks")

MAX_MESSAGE_BYTES: Final = 262_144  # Stripe's largest events have some 50 kB, a carrier's 1 kB

_OUR_PAYMENT = re.compile(r"pay_[0-9A-HJKMNP-TV-Z]{26}")


async def _signed(
    webhook_id: Annotated[
        str | None, Header(alias="webhook-id", description="the same whenever it is sent again")
    ] = None,
    webhook_timestamp: Annotated[
        str | None, Header(alias="webhook-timestamp", description="Unix seconds, now")
    ] = None,
    webhook_signature: Annotated[
        str | None,
        Header(
            alias="webhook-signature",
            description="`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several, with "
            "spaces between, while a secret changes",
        ),
    ] = None,
) -> Signed:
    return Signed(id=webhook_id, timestamp=webhook_timestamp, signature=webhook_signature)


StandardHeaders = Annotated[Signed, Depends(_signed)]
StripeHeader = Annotated[
    str | None, Header(alias="Stripe-Signature", description="`t=…,v1=…`, as Stripe signs")
]


@router.post(
    "/webhooks/payments/stripe",
    summary="Hear from Stripe",
    **operation({200: ReceiptView}, foreign_body="an event, as Stripe sends it", is_signed=True),
)
async def hear_from_stripe(request: Request, signature: StripeHeader = None) -> Response:
    """Events of payment intents, refunds and disputes; others are accepted and `ignored`."""
    services = services_of(request)
    secrets = _secrets_of(STRIPE, services.settings.payment_webhook_secrets)
    raw = await read_body(request, most_bytes=MAX_MESSAGE_BYTES)
    fact = verify_and_read(raw, signature, secrets, datetime.now(UTC))
    if fact is None:
        return _answer("ignored")
    async with reading(services.pool) as connection:
        receipt = await keep_payment(
            connection, provider=STRIPE, message_id=fact.event_id, message=_message_of(fact)
        )
    return _received(services, receipt)


@router.post(
    "/webhooks/payments/{provider}",
    summary="Hear from a payment provider",
    **operation({200: ReceiptView}, body=PaymentMessage, is_signed=True),
)
async def hear_from_provider(request: Request, signed: StandardHeaders, provider: str) -> Response:
    """A hint: money counts only after the provider was asked. Unknown payments are kept, for later."""
    services = services_of(request)
    secrets = _secrets_of(provider, services.settings.payment_webhook_secrets)
    raw = await read_body(request, most_bytes=MAX_MESSAGE_BYTES)
    message_id = verify(signed, raw, secrets=secrets, now=datetime.now(UTC))
    message = parse_body(PaymentMessage, raw)
    async with reading(services.pool) as connection:
        receipt = await keep_payment(
            connection, provider=provider, message_id=message_id, message=message
        )
    return _received(services, receipt)


@router.post(
    "/webhooks/carriers/{carrier}",
    summary="Hear from a carrier",
    **operation({200: ReceiptView}, body=TrackingMessage, is_signed=True),
)
async def hear_from_carrier(request: Request, signed: StandardHeaders, carrier: str) -> Response:
    """Where a parcel was seen: in any order, any number of times. Unknown parcels are kept, for later."""
    services = services_of(request)
    secrets = _secrets_of(carrier, services.settings.carrier_webhook_secrets)
    raw = await read_body(request, most_bytes=MAX_MESSAGE_BYTES)
    message_id = verify(signed, raw, secrets=secrets, now=datetime.now(UTC))
    message = parse_body(TrackingMessage, raw)
    async with reading(services.pool) as connection:
        receipt = await keep_tracking(
            connection, carrier=carrier, message_id=message_id, message=message
        )
    return _received(services, receipt)


def _secrets_of(sender: str, known: WebhookSecrets) -> Sequence[str]:
    secrets = known.get(sender)
    if secrets is None:
        raise Problem("not_found", "we expect no messages from anybody of this name")
    return secrets


def _message_of(fact: StripeFact) -> PaymentMessage:
    """Stripe repeats our id, unless somebody else made the payment: then what he wrote is not ours."""
    is_ours = fact.payment_id is not None and _OUR_PAYMENT.fullmatch(fact.payment_id)
    return PaymentMessage(
        type=fact.type,
        data=PaymentData(
            payment_id=fact.payment_id if is_ours else None,
            provider_ref=fact.provider_ref,
            amount=MessageAmount(amount=fact.amount, currency=fact.currency),
            reason=fact.reason,
        ),
    )


def _received(services: Services, receipt: Receipt) -> Response:
    """The sender is answered first: Temporal may take its time, or be away."""
    response = _answer("kept" if receipt.is_new else "seen_before")
    if receipt.letter is not None:
        response.background = BackgroundTask(_tell, services, receipt.letter)
    return response


def _answer(message: Literal["kept", "seen_before", "ignored"]) -> Response:
    return json_response({"message": message})


async def _tell(services: Services, letter: Letter) -> None:
    """The message stands whether this works or not: a sweep tells it again."""
    try:
        told = await services.workflows.tell(letter.order_id, letter.news)
        if told == "accepted":
            async with reading(services.pool) as connection:
                await mark_delivered(connection, letter)
            return
        why = "no workflow"
    except Unavailable as error:
        why = str(error)
    log.warning("message.not_delivered", order_id=letter.order_id, error=why)
