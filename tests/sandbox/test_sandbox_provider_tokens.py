"""Each fault token of the payment provider does what its row says, and nothing else."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
import stripe

from tests.sandbox.programs import Payments


async def test_tok_declined_is_a_no_of_the_bank(payments: Payments) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await payments.confirmed("tok_declined")
    assert declined.value.code == "card_declined"
    assert declined.value.error is not None
    assert declined.value.error.decline_code == "generic_decline"


async def test_tok_capture_declined_holds_and_keeps_the_hold(payments: Payments) -> None:
    held = await payments.confirmed("tok_capture_declined")
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            await payments.intents.capture_async(held.id)
        assert refused.value.code == "card_declined"
        after = await payments.intents.retrieve_async(held.id)
        assert (after.status, after.amount_capturable) == ("requires_capture", 1000)
    assert (await payments.intents.cancel_async(held.id)).status == "canceled"


async def test_tok_capture_declined_declines_a_charge_that_has_no_hold(payments: Payments) -> None:
    with pytest.raises(stripe.CardError):
        await payments.confirmed("tok_capture_declined", hold=False)


async def test_tok_unavailable_never_answers_but_can_be_undone(payments: Payments) -> None:
    with pytest.raises(stripe.APIError) as created:
        await payments.create("tok_unavailable")
    assert created.value.http_status == 503
    with pytest.raises(stripe.APIConnectionError):
        await payments.create("tok_unavailable")
    intent = await payments.create(None)
    token: stripe.params.PaymentIntentConfirmParams = {"payment_method": "tok_unavailable"}
    for _ in range(2):
        with pytest.raises(stripe.APIError) as out:
            await payments.intents.confirm_async(intent.id, token)
        assert out.value.http_status == 503
        with pytest.raises(stripe.APIConnectionError) as silent:
            await payments.intents.confirm_async(intent.id, token)
        assert isinstance(silent.value.__cause__, httpx.RemoteProtocolError | httpx.ReadError)
    assert await payments.status(intent) == "requires_payment_method"
    assert (await payments.intents.cancel_async(intent.id)).status == "canceled"


async def test_tok_flaky_fails_as_often_as_it_says_and_then_works(payments: Payments) -> None:
    intent = await payments.create("tok_flaky_3")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            await payments.intents.confirm_async(intent.id)
        assert failed.value.http_status == 500
        assert await payments.status(intent) == "requires_confirmation"
    assert (await payments.intents.confirm_async(intent.id)).status == "requires_capture"


async def test_tok_rate_limited_asks_to_come_back_later(payments: Payments) -> None:
    intent = await payments.create("tok_rate_limited_1")
    with pytest.raises(stripe.RateLimitError):
        await payments.intents.confirm_async(intent.id)
    assert (await payments.intents.confirm_async(intent.id)).status == "requires_capture"


async def test_tok_lost_reply_confirms_and_captures_without_saying_so(payments: Payments) -> None:
    intent = await payments.create("tok_lost_reply")
    with pytest.raises(stripe.APIConnectionError):
        await payments.intents.confirm_async(intent.id)
    assert await payments.status(intent) == "requires_capture"
    with pytest.raises(stripe.APIConnectionError):
        await payments.intents.capture_async(intent.id)
    assert await payments.status(intent) == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="status of succeeded"):
        await payments.intents.capture_async(intent.id)


async def test_tok_refund_lost_reply_refunds_once_without_saying_so(payments: Payments) -> None:
    taken = await payments.confirmed("tok_refund_lost_reply", hold=False)
    with pytest.raises(stripe.APIConnectionError):
        await payments.refunds.create_async({"payment_intent": taken.id, "metadata": {"id": "r1"}})
    (found,) = (await payments.refunds.list_async({"payment_intent": taken.id})).data
    assert found.metadata is not None
    assert (found.amount, found.metadata.to_dict()) == (1000, {"id": "r1"})


async def test_tok_slow_takes_its_time_and_loses_to_a_cancel(payments: Payments) -> None:
    intent = await payments.create("tok_slow_300")
    began = time.monotonic()
    confirming = asyncio.create_task(payments.intents.confirm_async(intent.id))
    await asyncio.sleep(0.1)
    assert await payments.status(intent) == "requires_confirmation"
    await payments.intents.cancel_async(intent.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of canceled"):
        await confirming
    assert time.monotonic() - began >= 0.3


async def test_tok_slow_takes_effect_after_the_caller_has_given_up(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    intent = await payments.create("tok_slow_300")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(payments.intents.confirm_async(intent.id), 0.1)
    await asyncio.sleep(0.4)
    assert await payments.status(intent) == "requires_capture"


@pytest.mark.parametrize("hold", [True, False])
async def test_tok_refund_flaky_is_undone_after_its_failures(
    payments: Payments, hold: bool
) -> None:
    intent = await payments.confirmed("tok_refund_flaky_2", hold=hold)

    async def undo() -> None:
        if hold:
            await payments.intents.cancel_async(intent.id)
        else:
            await payments.refunds.create_async({"payment_intent": intent.id})

    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await undo()
    await undo()
    assert await payments.status(intent) == ("canceled" if hold else "succeeded")


async def test_tok_refund_unavailable_is_out_until_told_otherwise(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    held = await payments.confirmed("tok_refund_unavailable")
    taken = await payments.confirmed("tok_refund_unavailable", hold=False)
    for _ in range(3):
        with pytest.raises(stripe.APIError) as out:
            await payments.intents.cancel_async(held.id)
        assert out.value.http_status == 503
    assert await payments.status(held) == "requires_capture"
    one = await stage.post("/test/refunds/restore", json={"payment_intent": held.id})
    assert one.json() == {"restored": 1}
    assert (await payments.intents.cancel_async(held.id)).status == "canceled"
    with pytest.raises(stripe.APIError):
        await payments.refunds.create_async({"payment_intent": taken.id})
    assert (await stage.post("/test/refunds/restore", json={})).json()["restored"] >= 2
    await payments.refunds.create_async({"payment_intent": taken.id})
    later = await payments.confirmed("tok_refund_unavailable")
    with pytest.raises(stripe.APIError):
        await payments.intents.cancel_async(later.id)
