"""What an error means: a decline is a value, an outage is tried again, a bug of ours is loud."""

from __future__ import annotations

import asyncio

import pytest

from adapters.stripe import StripeGateway
from ordersaga.errors import OrdersagaError, ProviderMisused, ProviderUnavailable
from ordersaga.order import Refusal
from tests.stripe.till import Json, Till, request

SENTENCE = "No such PaymentMethod: 'pm_of_mr_silva'"  # Stripe's own words may be personal


def error(**fields: object) -> Json:
    return {"error": {"type": "invalid_request_error", "message": SENTENCE, **fields}}


OUTAGES = [
    (429, error(code="rate_limit")),
    (429, error(code="lock_timeout")),
    (400, error(code="rate_limit")),  # what it once was
    (409, error(type="idempotency_error", code="idempotency_key_in_use")),
    (424, error(type="api_error")),
    (500, error(type="api_error")),
    (503, error(type="api_error")),
    (502, b"<html>Bad gateway</html>"),
    (200, b"<html>Welcome to nginx!</html>"),
    (200, b""),
    (204, b""),
]
BUGS = [
    (401, error()),
    (403, error(code="more_permissions_required")),
    (400, error(code="parameter_unknown", param="colour")),
    (400, error(code="parameter_missing", param="return_url")),
    (400, error(type="idempotency_error")),
    (404, error(code="resource_missing", param="intent")),
    (400, error(code=42)),
    (418, error(type="api_error")),
]


async def _raised(till: Till, asked: str) -> OrdersagaError:
    """What becomes of a confirmation, or of a retrieval, that is answered as the test says."""
    order = request()
    reference = "pi_1" if asked == "retrieve" else await till.gateway.create(order)
    assert isinstance(reference, str)
    with pytest.raises(OrdersagaError) as raised:
        await getattr(till.gateway, asked)(reference, order)
    return raised.value


@pytest.mark.parametrize(("status", "body"), OUTAGES)
async def test_an_outage_is_tried_again(till: Till, status: int, body: object) -> None:
    till.answers(status, body, to="/confirm")
    assert isinstance(await _raised(till, "confirm"), ProviderUnavailable)


@pytest.mark.parametrize(("status", "body"), BUGS)
async def test_a_bug_or_a_wrong_setting_is_neither_a_decline_nor_an_outage(
    till: Till, status: int, body: object
) -> None:
    till.answers(status, body, to="/confirm")
    assert isinstance(await _raised(till, "confirm"), ProviderMisused)


@pytest.mark.parametrize(("status", "body"), [*OUTAGES, *BUGS])
async def test_what_stripe_says_of_it_is_told_in_codes_and_never_in_its_words(
    till: Till, status: int, body: object
) -> None:
    """Failures travel to Temporal, with their causes: a token, or a name, must not."""
    till.answers(status, body, to="/confirm")
    raised = await _raised(till, "confirm")
    assert "silva" not in str(raised)
    assert raised.__cause__ is None
    if isinstance(body, dict) and status >= 400:
        assert f"HTTP {status}" in str(raised)


async def test_a_wrong_key_is_loud(books_url: str) -> None:
    stranger = StripeGateway(api_key="sk_test_other", base_url=books_url)
    with pytest.raises(ProviderMisused, match="AuthenticationError"):
        await stranger.create(request())
    await stranger.aclose()


async def test_a_provider_that_is_not_there_is_an_outage(free_port: int) -> None:
    nobody = StripeGateway(api_key="sk_test_none", base_url=f"http://127.0.0.1:{free_port}")
    with pytest.raises(ProviderUnavailable):
        await nobody.create(request())
    await nobody.aclose()


async def test_a_reply_that_never_comes_is_an_outage(till: Till) -> None:
    asked = request(token="tok_lost_reply")
    reference = await till.made(asked)
    with pytest.raises(ProviderUnavailable):
        await till.gateway.confirm(reference, asked)
    assert (await till.gateway.retrieve(reference, asked)).state == "held", "it was done"


async def test_who_stops_waiting_gets_no_error_of_stripes(till: Till) -> None:
    asked = request(token="tok_slow_500")
    reference = await till.made(asked)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(till.gateway.confirm(reference, asked), 0.1)


# --- Making a payment -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, error(code="resource_missing", param="payment_method"), "invalid_payment_method"),
        (400, error(param="payment_method_data[boleto][tax_id]"), "invalid_payment_method"),
        (400, error(code="payment_method_unactivated"), "invalid_payment_method"),
        (400, error(code="amount_too_small", param="amount"), "amount_not_accepted"),
        (402, error(type="card_error", code="incorrect_number"), "incorrect_card_details"),
    ],
)
async def test_what_the_payer_gave_wrongly_is_a_no(
    till: Till, status: int, body: Json, code: str
) -> None:
    till.answers(status, body, to="/payment_intents")
    refused = await till.gateway.create(request())
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert "silva" not in refused.detail


@pytest.mark.parametrize(("status", "body"), BUGS)
async def test_what_we_asked_wrongly_is_no_decline_of_the_payers(
    till: Till, status: int, body: object
) -> None:
    till.answers(status, body, to="/payment_intents")
    with pytest.raises(ProviderMisused):
        await till.gateway.create(request())


async def test_a_method_that_the_account_does_not_have_is_a_no(till: Till) -> None:
    """Stripe leaves out, in silence, what an account or a currency does not allow."""
    till.changes(lambda said: {**said, "payment_method_types": []}, to="/payment_intents")
    refused = await till.gateway.create(request("alipay"))
    assert isinstance(refused, Refusal)
    assert refused.code == "method_not_available"
