"""What is told from outside is kept before it is answered: once, and also what nobody knows yet."""

from __future__ import annotations

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from ordersaga.history import Happening
from tests.api.calls import Database, Json, brl, fresh, happens, placed
from tests.api.running import RunningApi
from tests.api.senders import (
    CARRIER_SECRET,
    NEXT_PROVIDER_SECRET,
    OTHER_CARRIER_SECRET,
    PROVIDER_SECRET,
    STRIPE_SECRET,
    Sender,
    payment_message,
    send_as_stripe,
    stripe_event,
    stripe_intent,
    tracking_message,
)

KEPT = {"message": "kept"}
SEEN_BEFORE = {"message": "seen_before"}
IGNORED = {"message": "ignored"}


@pytest.fixture
def stripe_inbox(open_api: RunningApi, outside: httpx.AsyncClient) -> Sender:
    return Sender(outside, "/v1/webhooks/payments/stripe", "", open_api.pool)


async def _payment_of(shop: httpx.AsyncClient, order_id: str) -> str:
    payment_id: str = (await shop.get(f"/v1/orders/{order_id}")).json()["payments"][0]["id"]
    return payment_id


async def _booked(shop: httpx.AsyncClient, database: Database, carrier: str) -> tuple[str, str]:
    """An order whose parcel has a number."""
    order_id = await placed(shop, shipping={"carrier": carrier, "service": "standard"})
    number = fresh("SB")
    await database.execute(
        "update shipments set tracking_number = $1 where order_id = $2", number, order_id
    )
    return order_id, number


# --- Payments ------------------------------------------------------------------------------------


async def test_a_payments_message_is_kept_with_its_order(
    shop: httpx.AsyncClient, provider: Sender
) -> None:
    order_id = await placed(shop)
    payment_id = await _payment_of(shop, order_id)
    message_id = fresh("msg")
    told = {"payment_id": payment_id, "amount": brl(15000), "reason": "bank says yes"}

    answer = await provider.send(payment_message("captured", **told), message_id=message_id)

    assert (answer.status_code, answer.json()) == (200, KEPT)
    (row,) = await provider.kept(message_id)
    assert row["type"] == "payment.captured"
    assert row["subject"] == f"payment:{payment_id}"
    assert row["data"] == told
    assert row["order_id"] == order_id
    assert row["delivered_at"] is None, "our own step may be about to write the same"


async def test_a_message_seen_before_is_taken_and_nothing_happens(
    shop: httpx.AsyncClient, provider: Sender, carrier: Sender
) -> None:
    payment_id = await _payment_of(shop, await placed(shop))
    message_id = fresh("msg")
    first = payment_message("captured", payment_id=payment_id)
    assert (await provider.send(first, message_id=message_id)).json() == KEPT
    before = await provider.kept(message_id)

    for again in (first, payment_message("failed", payment_id="pay_another")):
        answer = await provider.send(again, message_id=message_id)
        assert (answer.status_code, answer.json()) == (200, SEEN_BEFORE)

    assert await provider.kept(message_id) == before
    answer = await carrier.send(tracking_message("SB0"), message_id=message_id)
    assert answer.json() == KEPT, "another sender's message may have the same id"


async def test_what_our_own_step_wrote_already_needs_nobody(
    shop: httpx.AsyncClient, open_api: RunningApi, provider: Sender
) -> None:
    order_id = await placed(shop)
    payment_id = await _payment_of(shop, order_id)
    captured = Happening.of("payment.captured", payment_id=payment_id, amount=15000)
    await happens(open_api.pool, order_id, captured)
    message_id, other_id = fresh("msg"), fresh("msg")

    told = payment_message("captured", payment_id=payment_id, amount=brl(15000))
    assert (await provider.send(told, message_id=message_id)).json() == KEPT
    told = payment_message("captured", payment_id=payment_id, amount=brl(14999))
    assert (await provider.send(told, message_id=other_id)).json() == KEPT

    assert (await provider.kept(message_id))[0]["delivered_at"] is not None
    assert (await provider.kept(other_id))[0]["delivered_at"] is None


async def test_a_message_that_its_order_waits_for_stands_also_while_temporal_is_away(
    shop: httpx.AsyncClient, open_api: RunningApi, provider: Sender
) -> None:
    order_id = await placed(shop)
    payment_id = await _payment_of(shop, order_id)
    await happens(
        open_api.pool, order_id, Happening.of("payment.requires_action", payment_id=payment_id)
    )
    message_id = fresh("msg")
    structlog.reset_defaults()
    with capture_logs() as lines:
        answer = await provider.send(
            payment_message("captured", payment_id=payment_id), message_id=message_id
        )

    assert answer.json() == KEPT
    assert [line["order_id"] for line in lines if line["event"] == "message.not_delivered"] == [
        order_id
    ]
    (row,) = await provider.kept(message_id)
    assert (row["order_id"], row["delivered_at"]) == (order_id, None)


async def test_a_message_for_an_order_that_is_not_known_yet_is_kept(
    provider: Sender, carrier: Sender
) -> None:
    for sender, message, subject in (
        (provider, payment_message(payment_id="pay_none"), "payment:pay_none"),
        (provider, payment_message(provider_ref="pi_none"), "reference:pi_none"),
        (carrier, tracking_message("SB-none"), "tracking:SB-none"),
    ):
        message_id = fresh("msg")
        assert (await sender.send(message, message_id=message_id)).json() == KEPT
        (row,) = await sender.kept(message_id)
        assert (row["subject"], row["order_id"], row["delivered_at"]) == (subject, None, None)


async def test_while_a_secret_changes_both_are_good(provider: Sender) -> None:
    old, new = fresh("msg"), fresh("msg")
    message = payment_message(payment_id="pay_none")
    assert (await provider.send(message, message_id=old)).status_code == 200
    answer = await provider.send(message, message_id=new, secret=NEXT_PROVIDER_SECRET)
    assert answer.status_code == 200
    assert (await provider.send(message, secret=CARRIER_SECRET)).status_code == 401


# --- Stripe --------------------------------------------------------------------------------------


async def test_stripes_own_events_are_taken_and_only_the_fact_is_kept(
    shop: httpx.AsyncClient, database: Database, outside: httpx.AsyncClient, stripe_inbox: Sender
) -> None:
    order_id = await placed(shop)
    payment_id, reference = await _payment_of(shop, order_id), fresh("pi").replace("-", "_")
    await database.execute(
        "update payments set provider_ref = $1 where id = $2", reference, payment_id
    )
    person = "ana@example.org"
    for metadata in ({"payment_id": payment_id}, {}, {"payment_id": "of somebody else's shop"}):
        paid = stripe_intent(reference, metadata=metadata, receipt_email=person)
        event = stripe_event("payment_intent.succeeded", paid)

        answer = await send_as_stripe(outside, event)

        assert (answer.status_code, answer.json()) == (200, KEPT)
        (row,) = await stripe_inbox.kept(str(event["id"]))
        assert (row["type"], row["order_id"]) == ("payment.captured", order_id)
        assert row["data"]["amount"] == brl(15000)
        assert person not in str(row)
        assert (await send_as_stripe(outside, event)).json() == SEEN_BEFORE


async def test_stripes_other_events_are_taken_and_not_kept(
    outside: httpx.AsyncClient, stripe_inbox: Sender
) -> None:
    before = len(await stripe_inbox.kept())
    for kind in ("payment_intent.created", "customer.created", "no.such_thing"):
        answer = await send_as_stripe(outside, stripe_event(kind, {"id": "x"}))
        assert (answer.status_code, answer.json()) == (200, IGNORED)
    assert len(await stripe_inbox.kept()) == before


async def test_what_stripe_did_not_sign_is_refused(
    outside: httpx.AsyncClient, stripe_inbox: Sender
) -> None:
    event = stripe_event("payment_intent.succeeded", stripe_intent("pi_1"))
    forged = await send_as_stripe(outside, event, secret=PROVIDER_SECRET)
    unsigned = await outside.post("/v1/webhooks/payments/stripe", json=event)
    for answer in (forged, unsigned):
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert not await stripe_inbox.kept(str(event["id"]))


async def test_a_signed_event_that_stripe_does_not_send_is_malformed(
    outside: httpx.AsyncClient, stripe_inbox: Sender
) -> None:
    event = stripe_event("payment_intent.succeeded", {"id": "pi_1", "amount": "much"})
    answer = await send_as_stripe(outside, event)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert "amount" in answer.json()["detail"]
    assert not await stripe_inbox.kept(str(event["id"]))


# --- Parcels -------------------------------------------------------------------------------------


async def test_a_carriers_message_is_kept_whole_with_its_order(
    shop: httpx.AsyncClient, database: Database, carrier: Sender
) -> None:
    order_id, number = await _booked(shop, database, "sandbox")
    message_id = fresh("msg")
    message = tracking_message(
        number,
        "delivery_attempted",
        occurred_at="2026-03-01T07:00:00.250-03:00",
        location="Recife",
        detail="nobody was in",
        estimated_at="2026-03-02T00:00:00Z",
    )
    assert (await carrier.send(message, message_id=message_id)).json() == KEPT

    (row,) = await carrier.kept(message_id)
    assert row["order_id"] == order_id
    assert row["data"] == {
        "tracking_number": number,
        "status": "delivery_attempted",
        "occurred_at": "2026-03-01T10:00:00.250000Z",
        "location": "Recife",
        "detail": "nobody was in",
        "estimated_at": "2026-03-02T00:00:00Z",
    }


@pytest.mark.parametrize(("whose", "is_matched"), [("sandbox", False), ("merchant", True)])
async def test_a_carrier_speaks_of_its_own_parcels_and_of_those_the_merchant_gave_it(
    shop: httpx.AsyncClient,
    database: Database,
    open_api: RunningApi,
    outside: httpx.AsyncClient,
    whose: str,
    is_matched: bool,
) -> None:
    order_id, number = await _booked(shop, database, whose)
    pigeon = Sender(outside, "/v1/webhooks/carriers/pigeon", OTHER_CARRIER_SECRET, open_api.pool)
    message_id = fresh("msg")
    answer = await pigeon.send(tracking_message(number, "lost"), message_id=message_id)

    assert answer.json() == KEPT
    assert (await pigeon.kept(message_id))[0]["order_id"] == (order_id if is_matched else None)


# --- Who may, and what it looks like -------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["payments/nobody", "carriers/nobody", "payments/sandbox", "carriers/acme"]
)
async def test_nobody_is_listened_to_who_has_no_secret(
    open_api: RunningApi, outside: httpx.AsyncClient, path: str
) -> None:
    stranger = Sender(outside, f"/v1/webhooks/{path}", PROVIDER_SECRET, open_api.pool)
    answer = await stranger.send(payment_message(payment_id="pay_1"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not await stranger.kept()


async def test_without_stripes_secret_nothing_comes_from_stripe(api: RunningApi) -> None:
    async with api.client() as outside:
        answer = await send_as_stripe(outside, stripe_event("charge.refunded", {}))
    assert answer.status_code == 404


async def test_no_secret_is_in_a_log_or_in_the_settings_as_they_are_shown(
    open_api: RunningApi, provider: Sender
) -> None:
    structlog.reset_defaults()
    with capture_logs() as lines:
        await provider.send(payment_message(payment_id="pay_1"))
        await provider.send("{", secret=CARRIER_SECRET)
    shown = f"{lines} {open_api.services.settings!r}"
    assert not [s for s in (STRIPE_SECRET, PROVIDER_SECRET, CARRIER_SECRET) if s in shown]


async def test_openapi_shows_how_messages_are_signed(outside: httpx.AsyncClient) -> None:
    document = (await outside.get("/openapi.json")).json()
    standard = {"webhook-id", "webhook-timestamp", "webhook-signature"}
    for path, headers in {
        "/v1/webhooks/payments/stripe": {"Stripe-Signature"},
        "/v1/webhooks/payments/{provider}": standard,
        "/v1/webhooks/carriers/{carrier}": standard,
    }.items():
        described: Json = document["paths"][path]["post"]
        assert "security" not in described
        assert described["requestBody"]["required"] is True  # type: ignore[index]
        parameters: list[Json] = described["parameters"]  # type: ignore[assignment]
        asked = {p["name"] for p in parameters if p["in"] == "header" and p["required"]}
        assert asked == headers
        responses: Json = described["responses"]  # type: ignore[assignment]
        assert {"200", "400", "401", "404", "413", "422", "503"} <= set(responses)
        assert "403" not in responses
