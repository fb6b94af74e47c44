"""The provider speaks Stripe's protocol: paging, parameters and errors as the package expects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import httpx
import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from sandbox.provider.errors import RequestError
from sandbox.provider.params import fingerprint, read_params
from tests.sandbox.programs import KEY, Payments, Program

HEADERS = {"authorization": f"Bearer {KEY}"}
INTENTS = "/v1/payment_intents"
GOOD = {"amount": "1000", "currency": "brl"}


async def test_an_audit_can_page_through_all_intents(payments: Payments) -> None:
    made = [(await payments.create()).id for _ in range(5)]
    first = await payments.intents.list_async({"limit": 2})
    assert first.has_more
    assert [intent.id for intent in first.data] == [made[4], made[3]]
    second = await payments.intents.list_async({"limit": 2, "starting_after": made[3]})
    assert [intent.id for intent in second.data] == [made[2], made[1]]
    everything = await payments.intents.list_async({"limit": 3})
    found = [intent.id async for intent in everything.auto_paging_iter()]
    assert found[:5] == made[::-1]
    assert len(set(found)) == len(found)


async def test_intents_can_be_listed_by_when_they_were_created(payments: Payments) -> None:
    created = (await payments.create()).created
    now = await payments.intents.list_async({"created": {"gte": created}})
    later = await payments.intents.list_async({"created": {"gt": created + 60}})
    assert now.data
    assert not later.data


async def test_a_wrong_key_is_told_so(provider: Program) -> None:
    stranger = Payments(provider.url, key="sk_test_other")
    with pytest.raises(stripe.AuthenticationError):
        await stranger.create()
    await stranger.close()


async def test_an_unknown_intent_or_token_is_missing(payments: Payments) -> None:
    with pytest.raises(stripe.InvalidRequestError) as intent:
        await payments.intents.retrieve_async("pi_none")
    assert (intent.value.http_status, intent.value.code) == (404, "resource_missing")
    for token in ("tok_none", "tok_flaky", "tok_flaky_9999999", "pm_card_visa"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await payments.create(token)
        assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount": "1000"},
        {"currency": "brl"},
        {**GOOD, "amount": "0"},
        {**GOOD, "amount": "-1"},
        {**GOOD, "amount": "1.5"},
        {**GOOD, "amount": "9223372036854775808"},
        {**GOOD, "currency": "reais"},
        {**GOOD, "colour": "red"},
        {**GOOD, "payment_method_types[0]": "cheque"},
        {**GOOD, "allowed_payment_method_types[0]": "card", "payment_method_types[0]": "boleto"},
        {**GOOD, "capture_method": "later"},
        {**GOOD, "confirm": "maybe"},
        {**GOOD, "metadata": "flat"},
        {**GOOD, "metadata[a][b]": "deep"},
        {**GOOD, "metadata[" + "k" * 41 + "]": "v"},
        {**GOOD, "amount[": "1"},
        {**GOOD, "amount[x]": "1"},
        {**GOOD, "expand[]": "customer"},
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_and_makes_nothing(
    stage: httpx.AsyncClient, payments: Payments, fields: dict[str, str]
) -> None:
    before = await payments.intents.list_async({"limit": 1})
    reply = await stage.post(INTENTS, data=fields, headers=HEADERS)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert (await payments.intents.list_async({"limit": 1})).data == before.data


async def test_nesting_without_end_is_refused(stage: httpx.AsyncClient) -> None:
    name = "metadata" + "[a]" * 20_000
    reply = await stage.post(INTENTS, data={**GOOD, name: "1"}, headers=HEADERS)
    assert reply.status_code == 400


@given(st.binary(max_size=200) | st.text(alphabet="ab[]=&%0", max_size=60).map(str.encode))
def test_whatever_is_sent_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(RequestError):
        fingerprint(read_params(body))


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"a=1&" * 300, b"a=" + b"x" * 70_000])
async def test_a_body_that_is_no_form_is_refused(stage: httpx.AsyncClient, body: bytes) -> None:
    reply = await stage.post(INTENTS, content=body, headers=HEADERS)
    assert reply.status_code == 400


async def test_the_method_can_be_given_as_data(payments: Payments) -> None:
    intent = await payments.intents.create_async(
        {
            "amount": 500,
            "currency": "BRL",
            "allowed_payment_method_types": ["boleto"],
            "payment_method_data": {"type": "boleto"},
            "payment_method_options": {"boleto": {"expires_after_days": 7}},
            "confirm": True,
        }
    )
    assert (intent.status, intent.currency) == ("requires_action", "brl")
    assert intent.next_action is not None
    assert intent.next_action.boleto_display_details is not None
    expires_s = intent.next_action.boleto_display_details.expires_at
    assert expires_s is not None
    assert expires_s - intent.created in range(7 * 86_400, 7 * 86_400 + 5)


@pytest.mark.parametrize(
    ("options", "version", "status"),
    [
        ((), "2026-10-28.endive", 200),
        (("--refuse-removed-params",), "2026-08-26.dahlia", 200),
        (("--refuse-removed-params",), "2026-10-28.endive", 400),
    ],
)
async def test_it_can_refuse_the_parameter_that_stripe_took_away(
    launch: Callable[..., Program], options: tuple[str, ...], version: str, status: int
) -> None:
    program = launch("sandbox.provider", *options)
    fields = {**GOOD, "payment_method_types[0]": "card"}
    async with httpx.AsyncClient(base_url=program.url, headers=HEADERS) as client:
        reply = await client.post(INTENTS, data=fields, headers={"stripe-version": version})
    assert reply.status_code == status
    code = reply.json().get("error", {}).get("code")
    assert code == (None if status == 200 else "payment_method_types_no_longer_supported")


async def test_the_sandbox_says_that_it_is_alive_without_a_key(stage: httpx.AsyncClient) -> None:
    assert (await stage.get("/healthz")).json() == {"status": "ok"}
