"""The adapter on localstripe, a stand-in that we did not write: as far as that goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.stripe import StripeGateway
from tests.stripe import localstripe
from tests.stripe.till import request

pytestmark = pytest.mark.skipif(not localstripe.IS_INSTALLED, reason="localstripe is not installed")

GOOD_CARD = "pm_card_visa"
BAD_CARD = "pm_card_chargeCustomerFail"


@pytest.fixture(scope="module")
def upstream(free_port: int) -> Iterator[str]:
    process = localstripe.start(free_port)
    yield f"http://127.0.0.1:{free_port}"
    localstripe.stop(process)


@pytest.fixture
async def gateway(upstream: str) -> AsyncIterator[StripeGateway]:
    async with localstripe.Interpreter(upstream) as front:
        gateway = StripeGateway(api_key=localstripe.KEY, base_url=front.url)
        yield gateway
        await gateway.aclose()


async def test_a_card_is_made_held_and_taken(gateway: StripeGateway) -> None:
    asked = request(token=GOOD_CARD)
    reference = await gateway.create(asked)
    assert isinstance(reference, str)
    assert (await gateway.retrieve(reference, asked)).state == "unconfirmed"
    assert (await gateway.confirm(reference, asked)).state == "held"
    taken = await gateway.capture(reference, asked)
    assert (taken.state, taken.captured) == ("taken", 1000)


async def test_a_card_that_cannot_be_held_is_charged(gateway: StripeGateway) -> None:
    asked = request("debit_card", GOOD_CARD)
    reference = await gateway.create(asked)
    assert isinstance(reference, str)
    assert (await gateway.confirm(reference, asked)).state == "taken"


async def test_a_declined_card_is_a_value(gateway: StripeGateway) -> None:
    asked = request(token=BAD_CARD)
    reference = await gateway.create(asked)
    assert isinstance(reference, str)
    declined = await gateway.confirm(reference, asked)
    assert declined.refusal is not None
    assert (declined.state, declined.refusal.code) == ("unconfirmed", "card_declined")


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_payment_is_canceled_held_or_not(gateway: StripeGateway, is_held: bool) -> None:
    asked = request(token=GOOD_CARD)
    reference = await gateway.create(asked)
    assert isinstance(reference, str)
    if is_held:
        await gateway.confirm(reference, asked)
    assert (await gateway.cancel(reference, asked)).state == "canceled"
    stands = await gateway.retrieve(reference, asked)
    assert (stands.state, stands.refunded) == ("canceled", 0)


async def test_money_goes_back_in_parts_each_once(gateway: StripeGateway) -> None:
    asked = request("debit_card", GOOD_CARD)
    reference = await gateway.create(asked)
    assert isinstance(reference, str)
    await gateway.confirm(reference, asked)
    parts = [(300, "r-1"), (300, "r-1"), (700, "r-2")]
    made = [
        await gateway.refund(reference, asked, amount=amount, refund_key=key)
        for amount, key in parts
    ]
    assert made[0] == made[1] != made[2]
    stands = await gateway.retrieve(reference, asked)
    assert (stands.captured, stands.refunded, stands.is_disputed) == (1000, 1000, False)
