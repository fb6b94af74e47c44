"""What the provider tells of money that comes late, or goes back in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest
import stripe

from tests.sandbox.programs import Payments, Program
from tests.sandbox.receiver import Receiver

SECRET = "whsec_of_the_sandbox"


@dataclass
class Telling:
    """A provider that tells a receiver."""

    payments: Payments
    stage: httpx.AsyncClient
    receiver: Receiver

    def events(self, count: int, *, of: str) -> list[stripe.StripeObject]:
        """What the first `count` messages of this kind are about, in no order."""
        told = self.receiver.wait_for(count)
        events = [
            stripe.Webhook.construct_event(one.body, one.headers["Stripe-Signature"], SECRET)
            for one in told
        ]
        return [event.data.object for event in events if event.type == of]


@pytest.fixture
async def telling(launch: Callable[..., Program], receiver: Receiver) -> AsyncIterator[Telling]:
    program = launch("sandbox.provider", "--webhook-url", receiver.url, "--webhook-secret", SECRET)
    payments = Payments(program.url)
    async with httpx.AsyncClient(base_url=program.url) as stage:
        yield Telling(payments, stage, receiver)
    await payments.close()


async def test_a_slip_that_is_paid_after_its_cancel_is_told_as_paid(telling: Telling) -> None:
    slip = await telling.payments.create(method="boleto", metadata={"payment_id": "pay_1"})
    await telling.payments.intents.confirm_async(slip.id)
    await telling.payments.intents.cancel_async(slip.id)
    await telling.stage.post(f"/test/payers/{slip.id}/pay")
    (paid,) = telling.events(3, of="payment_intent.succeeded")
    assert (paid["id"], paid["status"], paid["amount_received"]) == (slip.id, "succeeded", 1000)
    assert paid["metadata"]["payment_id"] == "pay_1"


async def test_each_part_that_is_refunded_is_told_with_the_sum_so_far(telling: Telling) -> None:
    taken = await telling.payments.confirmed(hold=False)
    for part in (300, 700):
        await telling.payments.refunds.create_async({"payment_intent": taken.id, "amount": part})
    charges = telling.events(3, of="charge.refunded")
    assert sorted((c["amount_refunded"], c["refunded"]) for c in charges) == [
        (300, False),
        (1000, True),
    ]
    assert {c["payment_intent"] for c in charges} == {taken.id}
