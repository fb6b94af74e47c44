"""Idempotency keys are as unkind as Stripe's: they replay errors, and they are forgotten."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import httpx
import pytest
import stripe

from tests.sandbox.programs import KEY, Payments, Program

INTENTS = "/v1/payment_intents"
FIELDS = {"amount": "1000", "currency": "brl", "capture_method": "manual"}


def headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEY}", "idempotency-key": key}


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


async def test_the_same_key_creates_once(stage: httpx.AsyncClient, key: str) -> None:
    first = await stage.post(INTENTS, data=FIELDS, headers=headers(key))
    again = await stage.post(INTENTS, data=dict(reversed(FIELDS.items())), headers=headers(key))
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_decline_and_a_500_are_replayed_for_ever(payments: Payments, key: str) -> None:
    declined = await payments.create("tok_declined")
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await payments.intents.confirm_async(declined.id, {}, {"idempotency_key": key})
    flaky = await payments.create("tok_flaky_1")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            await payments.intents.confirm_async(flaky.id, {}, {"idempotency_key": f"{key}-2"})
        assert failed.value.http_status == 500
    fresh = await payments.intents.confirm_async(flaky.id, {}, {"idempotency_key": f"{key}-3"})
    assert fresh.status == "requires_capture"


async def test_a_replay_tells_what_was_and_not_what_is(payments: Payments, key: str) -> None:
    intent = await payments.create()
    await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    await payments.intents.cancel_async(intent.id)
    replayed = await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    assert replayed.status == "requires_capture"
    assert await payments.status(intent) == "canceled"


async def test_a_reply_that_was_lost_is_replayed(payments: Payments, key: str) -> None:
    intent = await payments.create("tok_lost_reply")
    with pytest.raises(stripe.APIConnectionError):
        await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    again = await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    assert again.status == "requires_capture"


async def test_a_key_belongs_to_one_request(payments: Payments, key: str) -> None:
    intent = await payments.create()
    other = await payments.create()
    await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    with pytest.raises(stripe.IdempotencyError):
        await payments.intents.confirm_async(other.id, {}, {"idempotency_key": key})
    with pytest.raises(stripe.IdempotencyError):
        await payments.intents.confirm_async(
            intent.id, {"payment_method": "tok_declined"}, {"idempotency_key": key}
        )
    assert await payments.status(other) == "requires_confirmation"


async def test_a_key_whose_request_still_runs_is_refused(payments: Payments, key: str) -> None:
    intent = await payments.create("tok_slow_300")
    first = asyncio.create_task(
        payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    )
    await asyncio.sleep(0.1)
    with pytest.raises(stripe.APIError) as busy:
        await payments.intents.confirm_async(intent.id, {}, {"idempotency_key": key})
    assert busy.value.http_status == 409
    assert (await first).status == "requires_capture"


async def test_what_never_ran_is_not_kept(
    stage: httpx.AsyncClient, payments: Payments, key: str
) -> None:
    bad = await stage.post(INTENTS, data={**FIELDS, "amount": "0"}, headers=headers(key))
    good = await stage.post(INTENTS, data=FIELDS, headers=headers(key))
    assert (bad.status_code, good.status_code) == (400, 200)
    held = await payments.confirmed("tok_refund_unavailable")
    cancel = f"{INTENTS}/{held.id}/cancel"
    out = await stage.post(cancel, headers=headers(f"{key}-2"))
    await stage.post("/test/refunds/restore", json={"payment_intent": held.id})
    back = await stage.post(cancel, headers=headers(f"{key}-2"))
    assert (out.status_code, back.status_code) == (503, 200)


async def test_keys_are_forgotten_after_a_while(launch: Callable[..., Program]) -> None:
    program = launch("sandbox.provider", "--forget-keys-after-s", "0.3")
    async with httpx.AsyncClient(base_url=program.url) as client:
        first = await client.post(INTENTS, data=FIELDS, headers=headers("k"))
        soon = await client.post(INTENTS, data=FIELDS, headers=headers("k"))
        await asyncio.sleep(0.4)
        late = await client.post(INTENTS, data=FIELDS, headers=headers("k"))
    assert first.json()["id"] == soon.json()["id"] != late.json()["id"]
