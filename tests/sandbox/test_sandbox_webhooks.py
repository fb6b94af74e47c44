"""The sandbox tells of every change, signed, and an outage of the receiver loses nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import httpx
import pytest
import stripe
from standardwebhooks import Webhook

from tests.sandbox.programs import KEY, Payments, Program
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.long

STRIPE_SECRET = "whsec_of_the_sandbox"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"sandbox carrier's secret").decode()
HEADERS = {"authorization": f"Bearer {KEY}"}


async def test_each_change_of_a_payment_is_told_in_stripes_own_form(
    launch: Callable[..., Program], receiver: Receiver
) -> None:
    program = launch(
        "sandbox.provider", "--webhook-url", receiver.url, "--webhook-secret", STRIPE_SECRET
    )
    payments = Payments(program.url)
    intent = await payments.confirmed()
    await payments.intents.capture_async(intent.id)
    await payments.refunds.create_async({"payment_intent": intent.id})
    async with httpx.AsyncClient(base_url=program.url) as stage:
        await stage.post(f"/test/disputes/{intent.id}")
        await payments.intents.cancel_async((await payments.create()).id)
        declined = await payments.create("tok_declined")
        await stage.post(f"/v1/payment_intents/{declined.id}/confirm", headers=HEADERS)
        received = receiver.wait_for(6)
        assert (await stage.get("/test/deliveries")).json()["waiting"] == 0
    await payments.close()
    events = [
        stripe.Webhook.construct_event(
            message.body, message.headers["Stripe-Signature"], STRIPE_SECRET
        )
        for message in received
    ]
    assert sorted(event.type for event in events) == [
        "charge.dispute.created",
        "charge.refunded",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
    ]
    about = {event.type: event.data.object for event in events}
    assert about["payment_intent.succeeded"]["amount_received"] == 1000
    assert about["charge.refunded"]["amount_refunded"] == 1000
    assert about["charge.dispute.created"]["payment_intent"] == intent.id


async def test_messages_wait_for_a_receiver_that_is_away_and_keep_their_ids(
    launch: Callable[..., Program], receiver: Receiver
) -> None:
    receiver.status = 503
    program = launch(
        "sandbox.provider", "--webhook-url", receiver.url, "--webhook-secret", STRIPE_SECRET
    )
    payments = Payments(program.url)
    await payments.confirmed()
    refused = receiver.wait_for(1, answered=503)
    await payments.close()
    program.kill()
    receiver.status = 200
    program.start()
    taken = receiver.wait_for(1)
    assert taken[0].body == refused[0].body
    assert json.loads(taken[0].body)["id"].startswith("evt_")


async def test_tracking_is_told_by_standard_webhooks(
    launch: Callable[..., Program], receiver: Receiver
) -> None:
    receiver.status = 500
    program = launch(
        "sandbox.carrier", "--webhook-url", receiver.url, "--webhook-secret", STANDARD_SECRET
    )
    async with httpx.AsyncClient(base_url=program.url, headers=HEADERS) as client:
        booking = {"service": "express", "ship_to": {"country": "BR"}}
        number = (await client.put("/parcels/a", json=booking)).json()["tracking_number"]
        played = await client.post(
            f"/test/parcels/{number}/events",
            json={"status": "picked_up", "occurred_at": "2026-01-02T03:04:05+01:00"},
        )
        assert played.status_code == 201
        first = receiver.wait_for(1, answered=500)[0]
        receiver.status = 200
        second = receiver.wait_for(1)[0]
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == played.json()["id"]
    event = Webhook(STANDARD_SECRET).verify(second.body, dict(second.headers))
    assert event["type"] == "tracking.updated"
    assert event["data"] == {
        "tracking_number": number,
        "status": "picked_up",
        "occurred_at": "2026-01-02T02:04:05.000Z",
        "location": None,
        "detail": None,
        "estimated_at": None,
    }
