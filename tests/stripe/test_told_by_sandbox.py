"""What the sandbox provider tells by webhook is read as Stripe's own would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from adapters.stripe import StripeGateway
from adapters.stripe.events import StripeFact, verify_and_read
from tests.sandbox.programs import KEY, Program
from tests.sandbox.receiver import Receiver
from tests.stripe.till import request

SECRET = "whsec_of_the_sandbox"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture
def telling(tmp_path: Path, receiver: Receiver) -> Iterator[Program]:
    options = ("--webhook-url", receiver.url, "--webhook-secret", SECRET)
    program = Program("sandbox.provider", tmp_path / "books.db", options).start()
    yield program
    program.stop()


@pytest.fixture
def facts(receiver: Receiver) -> Callable[[int], list[StripeFact]]:
    """What so many messages said, in no order."""

    def read(count: int) -> list[StripeFact]:
        read = (
            verify_and_read(one.body, one.headers["Stripe-Signature"], [SECRET], datetime.now(UTC))
            for one in receiver.wait_for(count)
        )
        return [fact for fact in read if fact is not None]

    return read


async def test_a_payments_whole_life_is_read(
    telling: Program, facts: Callable[[int], list[StripeFact]]
) -> None:
    gateway = StripeGateway(api_key=KEY, base_url=telling.url)
    paid, declined, slip = request(), request(token="tok_insufficient_funds"), request("boleto")
    references = []
    for asked in (paid, declined, slip):
        reference = await gateway.create(asked)
        assert isinstance(reference, str)
        await gateway.confirm(reference, asked)
        references.append(reference)
    await gateway.capture(references[0], paid)
    await gateway.refund(references[0], paid, amount=300, refund_key="r-1")
    await gateway.cancel(references[2], slip)
    async with httpx.AsyncClient(base_url=telling.url) as stage:
        await stage.post(f"/test/disputes/{references[0]}")
        await stage.post(f"/test/payers/{references[2]}/pay")
    await gateway.aclose()
    # Eight messages: that a slip was issued does not concern us.
    assert Counter((f.provider_ref, f.type, f.amount, f.reason) for f in facts(8)) == Counter(
        [
            (references[0], "payment.authorized", 1000, None),
            (references[0], "payment.captured", 1000, None),
            (references[0], "payment.refunded", 300, None),
            (references[0], "payment.disputed", 1000, "fraudulent"),
            (references[1], "payment.failed", 1000, "insufficient_funds"),
            (references[2], "payment.failed", 1000, "payment_canceled"),
            (references[2], "payment.captured", 1000, None),
        ]
    )
    ours = {fact.payment_id for fact in facts(8) if fact.type != "payment.disputed"}
    assert ours == {paid.payment_id, declined.payment_id, slip.payment_id}
