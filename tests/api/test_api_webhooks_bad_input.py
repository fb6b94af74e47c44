"""Forged, replayed, truncated, reordered, nonsense: a clear answer, and nothing kept that was not meant."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.routes.webhooks import MAX_MESSAGE_BYTES
from ordersaga.config import Settings
from tests.api.calls import Json, brl, fresh, placed, pointers
from tests.api.running import RunningApi, postgres_alone, running_api
from tests.api.senders import (
    CARRIER_SECRET,
    OTHER_CARRIER_SECRET,
    PROVIDER_SECRET,
    SECRETS,
    Sender,
    payment_message,
    send_as_stripe,
    stripe_event,
    stripe_intent,
    tracking_message,
)

PAID: Json = payment_message("captured", payment_id="pay_none", amount=brl(100))
SEEN: Json = tracking_message("SB-none")
MINUTES_OFF = timedelta(minutes=5, seconds=2)


def _with_data(message: Json, **data: object) -> Json:
    said = message["data"]
    assert isinstance(said, dict)
    return {**message, "data": {**said, **data}}


def _without(message: Json, name: str) -> Json:
    said = message["data"]
    assert isinstance(said, dict)
    return {**message, "data": {k: v for k, v in said.items() if k != name}}


# --- Forged, replayed, truncated -----------------------------------------------------------------


async def test_nothing_is_kept_of_what_nobody_proves(provider: Sender, carrier: Sender) -> None:
    for sender, message in ((provider, PAID), (carrier, SEEN)):
        body = json.dumps(message)
        message_id = fresh("msg")
        good = sender.sign(body, message_id=message_id)
        forgeries: list[tuple[bytes, dict[str, str]]] = [
            *((body.encode(), {k: v for k, v in good.items() if k != name}) for name in good),
            (body.encode(), {}),
            (body.encode(), sender.sign(body, message_id=message_id, secret=OTHER_CARRIER_SECRET)),
            (body.encode(), {**good, "webhook-id": message_id + "x"}),
            (body.encode(), {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) - 1)}),
            (body.encode(), {**good, "webhook-signature": good["webhook-signature"][:-2]}),
            (body.encode(), {**good, "webhook-signature": good["webhook-signature"] * 500}),
            (body.encode()[:-1], good),
            (body.encode() + b" ", good),
            (body.replace("none", "nine").encode(), good),
            (b"", good),
        ]
        for forged, headers in forgeries:
            answer = await sender.post(forged, headers)
            assert answer.status_code == 401, headers
            assert answer.json()["code"] == "bad_signature"
            assert "www-authenticate" in answer.headers
        assert not await sender.kept(message_id)


async def test_a_copy_sent_later_than_five_minutes_is_refused(provider: Sender) -> None:
    for off_by in (-MINUTES_OFF, MINUTES_OFF):
        message_id = fresh("msg")
        answer = await provider.send(PAID, message_id=message_id, at=datetime.now(UTC) + off_by)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
        assert "5 minutes" in answer.json()["detail"]
        assert not await provider.kept(message_id)


async def test_stripes_messages_too_are_of_now(outside: httpx.AsyncClient) -> None:
    event = stripe_event("payment_intent.succeeded", stripe_intent("pi_1"))
    for off_by in (-MINUTES_OFF, MINUTES_OFF):
        answer = await send_as_stripe(outside, event, at=datetime.now(UTC) + off_by)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


# --- Signed, and nonsense ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"type": "payment.captured"',
        b"\xff\xfe{}",
        b'{"type": "payment.captured\xc3"}',
        b'{"a": NaN}',
        b'{"type": 1, "type": 2}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: str(body[:20]),
)
async def test_a_signed_body_that_is_not_json_is_malformed(
    open_api: RunningApi, outside: httpx.AsyncClient, body: bytes
) -> None:
    for path, secret in (("payments/acme", PROVIDER_SECRET), ("carriers/sandbox", CARRIER_SECRET)):
        sender = Sender(outside, f"/v1/webhooks/{path}", secret, open_api.pool)
        message_id = fresh("msg")
        headers = _sign_bytes(secret, body, message_id)
        answer = await sender.post(body, headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
        assert not await sender.kept(message_id)


def _sign_bytes(secret: str, body: bytes, message_id: str) -> dict[str, str]:
    """As the package does it for a text: these bytes may be none."""
    at_s = int(datetime.now(UTC).timestamp())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{at_s}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


# (what a payment provider says, where it is said to be wrong)
WRONG_PAYMENTS: list[tuple[object, list[str]]] = [
    ([], [""]),
    ("captured", [""]),
    (None, [""]),
    ({}, ["/type", "/data"]),
    ({**PAID, "type": "payment.paid"}, ["/type"]),
    ({**PAID, "type": "tracking.updated"}, ["/type"]),
    ({**PAID, "type": None}, ["/type"]),
    ({**PAID, "id": "evt_1"}, ["/id"]),
    ({**PAID, "data": []}, ["/data"]),
    ({**PAID, "data": {"reason": "x"}}, ["/data"]),
    (_with_data(PAID, payment_id=""), ["/data/payment_id"]),
    (_with_data(PAID, payment_id=7), ["/data/payment_id"]),
    (_with_data(PAID, payment_id="p" * 256), ["/data/payment_id"]),
    (_with_data(PAID, payment_id="\0"), ["/data/payment_id"]),
    (_with_data(PAID, provider_ref="\ud800"), ["/data/provider_ref"]),
    (_with_data(PAID, amount=100), ["/data/amount"]),
    (_with_data(PAID, amount=brl(-1)), ["/data/amount/amount"]),
    (_with_data(PAID, amount=brl(2**53)), ["/data/amount/amount"]),
    (_with_data(PAID, amount={"amount": 1.5, "currency": "BRL"}), ["/data/amount/amount"]),
    (_with_data(PAID, amount={"amount": 1, "currency": "brl"}), ["/data/amount/currency"]),
    (_with_data(PAID, reason="r" * 501), ["/data/reason"]),
    (_with_data(PAID, card_number="x"), ["/data/card_number"]),
]

# (what a carrier says, where it is said to be wrong)
WRONG_SIGHTINGS: list[tuple[object, list[str]]] = [
    ({**SEEN, "type": "payment.captured"}, ["/type"]),
    ({**SEEN, "type": "tracking.created"}, ["/type"]),
    (_without(SEEN, "tracking_number"), ["/data/tracking_number"]),
    (_without(SEEN, "status"), ["/data/status"]),
    (_without(SEEN, "occurred_at"), ["/data/occurred_at"]),
    (_with_data(SEEN, status="teleported"), ["/data/status"]),
    (_with_data(SEEN, status="DELIVERED"), ["/data/status"]),
    (_with_data(SEEN, status=""), ["/data/status"]),
    (_with_data(SEEN, status=["delivered"]), ["/data/status"]),
    (_with_data(SEEN, tracking_number=""), ["/data/tracking_number"]),
    (_with_data(SEEN, tracking_number="9" * 256), ["/data/tracking_number"]),
    (_with_data(SEEN, occurred_at="yesterday"), ["/data/occurred_at"]),
    (_with_data(SEEN, occurred_at="2026-03-01T10:00:00"), ["/data/occurred_at"]),
    (_with_data(SEEN, occurred_at=1_772_359_200), ["/data/occurred_at"]),
    (_with_data(SEEN, occurred_at="0001-01-01T00:00:00+14:00"), ["/data/occurred_at"]),
    (_with_data(SEEN, occurred_at="9999-12-31T23:59:59-14:00"), ["/data/occurred_at"]),
    (_with_data(SEEN, estimated_at="soon"), ["/data/estimated_at"]),
    (_with_data(SEEN, location="l" * 201), ["/data/location"]),
    (_with_data(SEEN, detail="\0"), ["/data/detail"]),
    (_with_data(SEEN, event_id="e"), ["/data/event_id"]),
]


@pytest.mark.parametrize(("message", "where"), WRONG_PAYMENTS, ids=lambda v: str(v)[:60])
async def test_a_payments_message_of_another_shape_is_told_where(
    provider: Sender, message: object, where: list[str]
) -> None:
    message_id = fresh("msg")
    answer = await provider.send(json.dumps(message), message_id=message_id)
    assert pointers(answer) == where
    assert not await provider.kept(message_id)


@pytest.mark.parametrize(("message", "where"), WRONG_SIGHTINGS, ids=lambda v: str(v)[:60])
async def test_a_carriers_message_of_another_shape_is_told_where(
    carrier: Sender, message: object, where: list[str]
) -> None:
    message_id = fresh("msg")
    answer = await carrier.send(json.dumps(message), message_id=message_id)
    assert pointers(answer) == where
    assert not await carrier.kept(message_id)


async def test_a_message_has_a_largest_size(
    provider: Sender, carrier: Sender, outside: httpx.AsyncClient
) -> None:
    padding = " " * (MAX_MESSAGE_BYTES - len(json.dumps(PAID)))
    message_id = fresh("msg")
    assert (await provider.send(json.dumps(PAID) + padding)).status_code == 200
    for answer in (
        await provider.send(json.dumps(PAID) + padding + " ", message_id=message_id),
        await carrier.send(json.dumps(SEEN) + padding * 2),
        await send_as_stripe(outside, stripe_event("x", {"note": padding + " " * 1000})),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert not await provider.kept(message_id)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_messages_are_posted(outside: httpx.AsyncClient, method: str) -> None:
    answer = await outside.request(method, "/v1/webhooks/payments/stripe")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# --- PostgreSQL away -----------------------------------------------------------------------------


async def test_without_postgresql_no_message_is_taken_until_it_is_back(temporal_away: None) -> None:
    async with postgres_alone() as postgres:
        settings = Settings.model_validate({"database_url": postgres.ready.database, **SECRETS})
        async with running_api(settings) as api, api.client() as outside:
            carrier = Sender(outside, "/v1/webhooks/carriers/sandbox", CARRIER_SECRET, api.pool)
            paid = stripe_event("payment_intent.succeeded", stripe_intent("pi_1"))
            assert (await carrier.send(SEEN, message_id="first")).status_code == 200
            await postgres.stop("postgres")
            for answer in (
                await carrier.send(SEEN, message_id="second"),
                await carrier.send(SEEN, message_id="first"),
                await send_as_stripe(outside, paid),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert int(answer.headers["retry-after"]) > 0

            await postgres.start("postgres")
            await _until_taken(carrier, SEEN, message_id="second")
            assert (await send_as_stripe(outside, paid)).json() == {"message": "kept"}
            assert len(await carrier.kept()) == 2


async def _until_taken(sender: Sender, message: Json, *, message_id: str) -> None:
    while True:
        if (await sender.send(message, message_id=message_id)).status_code == 200:
            return
        await asyncio.sleep(0.05)


# --- Thousands -----------------------------------------------------------------------------------

STORM = 1_000  # messages, each twice, truncated and forged: 4,000 in all
AT_ONCE = 32


@pytest.mark.slow
async def test_a_storm_of_copies_and_forgeries_leaves_each_message_once(
    shop: httpx.AsyncClient, carrier: Sender
) -> None:
    """Reordered, too: which of a message's copies comes first is chance."""
    order_id = await placed(shop)
    number, run = fresh("SB-storm"), fresh("storm")
    chance = random.Random(7)
    wires: list[tuple[int, bytes, dict[str, str]]] = []
    for i in range(STORM):
        body = json.dumps(tracking_message(number, "in_transit", detail=f"{order_id} {i}"))
        good = carrier.sign(body, message_id=f"{run}-{i}")
        cut = chance.randrange(len(body))
        wires += [
            (200, body.encode(), good),
            (200, body.encode(), carrier.sign(body, message_id=f"{run}-{i}")),
            (401, body[:cut].encode(), good),
            (401, body.encode(), {**good, "webhook-id": f"{run}-forged-{i}"}),
        ]
    chance.shuffle(wires)
    turn = asyncio.Semaphore(AT_ONCE)

    async def send(body: bytes, headers: dict[str, str]) -> httpx.Response:
        async with turn:
            return await carrier.post(body, headers)

    answers = await asyncio.gather(*(send(body, headers) for _, body, headers in wires))

    assert [a.status_code for a in answers] == [status for status, _, _ in wires]
    said = [a.json()["message"] for a in answers if a.status_code == 200]
    assert (said.count("kept"), said.count("seen_before")) == (STORM, STORM)
    kept = [str(row["message_id"]) for row in await carrier.kept()]
    ours = [message_id for message_id in kept if message_id.startswith(f"{run}-")]
    assert sorted(ours) == sorted(f"{run}-{i}" for i in range(STORM))
