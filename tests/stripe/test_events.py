"""Stripe's webhooks: believed only as signed by it and now, and read without anything personal."""

from __future__ import annotations

import itertools
import json
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe.events import EVENTS, TOLERANCE_S, StripeFact, verify_and_read
from ordersaga.errors import BadBody, BadSignature

SECRET = "whsec_of_now"
OLD_SECRET = "whsec_of_before"
NOW = datetime.now(UTC).replace(microsecond=0)
SILVA = "silva@example.test"  # what Stripe knows of a payer, and we do not want to

Json = dict[str, object]


def intent(**fields: object) -> Json:
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "succeeded",
        "amount": 1000,
        "amount_capturable": 0,
        "amount_received": 0,
        "currency": "brl",
        "metadata": {"payment_id": "pay_1", "order_id": "ord_1"},
        "latest_charge": "ch_1",
        "last_payment_error": None,
        "next_action": None,
        "receipt_email": SILVA,
        **fields,
    }


def charge(**fields: object) -> Json:
    return {
        "id": "ch_1",
        "object": "charge",
        "payment_intent": "pi_1",
        "amount": 1000,
        "amount_refunded": 300,
        "currency": "brl",
        "captured": True,
        "metadata": {"payment_id": "pay_1"},
        "billing_details": {"email": SILVA},
        **fields,
    }


def dispute(**fields: object) -> Json:
    return {
        "id": "dp_1",
        "object": "dispute",
        "payment_intent": "pi_1",
        "amount": 1000,
        "currency": "brl",
        "reason": "fraudulent",
        "metadata": {},
        "evidence": {"customer_name": SILVA},
        **fields,
    }


def event(kind: str, about: object, **fields: object) -> bytes:
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}, **fields}
    ).encode()


def signed(payload: bytes, *, secret: str = SECRET, at: datetime = NOW) -> str:
    """By Stripe's own code."""
    header: str = stripe.WebhookSignature.generate_signature_header(
        payload.decode(), secret, int(at.timestamp())
    )
    return header


def read(kind: str, about: object, **fields: object) -> StripeFact | None:
    payload = event(kind, about, **fields)
    return verify_and_read(payload, signed(payload), [SECRET], NOW)


# --- What it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "about", "type_", "amount", "reason"),
    [
        (
            "payment_intent.amount_capturable_updated",
            intent(status="requires_capture", amount_capturable=1000),
            "payment.authorized",
            1000,
            None,
        ),
        (
            "payment_intent.succeeded",
            intent(amount_received=999),
            "payment.captured",
            999,
            None,
        ),
        (
            "payment_intent.payment_failed",
            intent(
                status="requires_payment_method",
                last_payment_error={
                    "code": "card_declined",
                    "decline_code": "insufficient_funds",
                    "message": f"{SILVA} has no money",
                },
            ),
            "payment.failed",
            1000,
            "insufficient_funds",
        ),
        (
            "payment_intent.canceled",
            intent(status="canceled"),
            "payment.failed",
            1000,
            "payment_canceled",
        ),
        ("charge.refunded", charge(), "payment.refunded", 300, None),
        ("charge.refunded", charge(amount_refunded=1000), "payment.refunded", 1000, None),
    ],
)
def test_each_event_is_a_fact_about_one_payment_and_nothing_personal(
    *, kind: str, about: Json, type_: str, amount: int, reason: str | None
) -> None:
    fact = read(kind, about)
    assert fact is not None
    assert astuple(fact) == ("evt_1", type_, "pay_1", "pi_1", amount, "BRL", reason)
    assert "silva" not in repr(fact)


def test_a_dispute_is_found_by_the_payment_intent_for_stripe_repeats_nothing_of_ours() -> None:
    fact = read("charge.dispute.created", dispute())
    assert fact is not None
    told = ("evt_1", "payment.disputed", None, "pi_1", 1000, "BRL", "fraudulent")
    assert astuple(fact) == told


def test_a_reason_that_is_no_word_of_stripes_is_left_out() -> None:
    fact = read("charge.dispute.created", dispute(reason="Mr Silva says no"))
    assert fact is not None
    assert fact.reason is None


@pytest.mark.parametrize("metadata", [{}, {"payment_id": ""}, {"payment_id": "a\0b"}, {"a": "b"}])
def test_a_payment_of_another_integration_is_told_by_stripes_id_only(metadata: Json) -> None:
    fact = read("payment_intent.succeeded", intent(metadata=metadata, amount_received=5))
    assert fact is not None
    assert (fact.payment_id, fact.provider_ref) == (None, "pi_1")


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("payment_intent.created", intent()),
        ("payment_intent.processing", {"whatever": 1}),
        ("charge.dispute.closed", dispute()),
        ("customer.created", {"email": SILVA}),
        ("v1.billing.meter.no_meter_found", None),
        ("charge.refunded", charge(payment_intent=None)),  # a charge without an intent: not ours
        ("charge.dispute.created", dispute(payment_intent=None)),
        # a hold that was given up: older API versions tell of it as a refund, too
        ("charge.refunded", charge(captured=False, amount_refunded=1000)),
    ],
)
def test_what_does_not_concern_us_is_accepted_and_is_nothing(kind: str, about: object) -> None:
    assert read(kind, about) is None


def test_the_events_to_subscribe_to_are_those_that_are_read() -> None:
    assert set(EVENTS) == {
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.refunded",
        "charge.dispute.created",
    }


# --- Who sent it ----------------------------------------------------------------------------------

PAYLOAD = event("payment_intent.succeeded", intent(amount_received=1000))


def test_a_message_signed_with_any_of_our_secrets_is_believed() -> None:
    for secret in (SECRET, OLD_SECRET):
        header = signed(PAYLOAD, secret=secret)
        assert verify_and_read(PAYLOAD, header, [SECRET, OLD_SECRET], NOW) is not None


def test_a_message_signed_twice_while_a_secret_is_rolled_is_believed() -> None:
    new, old = signed(PAYLOAD), signed(PAYLOAD, secret=OLD_SECRET)
    both = f"{new},{old.partition(',')[2]}"
    assert both.count("v1=") == 2
    for secret in (SECRET, OLD_SECRET):
        assert verify_and_read(PAYLOAD, both, [secret], NOW) is not None
    forged = f"{new.partition(',')[0]},v1={'0' * 64},v1={'f' * 64}"
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, forged, [SECRET, OLD_SECRET], NOW)


@pytest.mark.parametrize("off_s", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_a_clock_may_be_five_minutes_off(off_s: int) -> None:
    header = signed(PAYLOAD, at=NOW + timedelta(seconds=off_s))
    assert verify_and_read(PAYLOAD, header, [SECRET], NOW) is not None


@pytest.mark.parametrize("off_s", [-TOLERANCE_S - 1, TOLERANCE_S + 1, -(10**8), 10**8])
def test_a_message_of_another_time_is_refused_though_it_is_signed(off_s: int) -> None:
    header = signed(PAYLOAD, at=NOW + timedelta(seconds=off_s))
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, header, [SECRET], NOW)


T = int(NOW.timestamp())


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ",",
        "t=",
        f"t={T}",
        "v1=" + "0" * 64,
        f"t={T},v1=",
        f"t={T},v1={'0' * 64}",
        f"t={T},v0={'0' * 64}",
        f"t=now,v1={'0' * 64}",
        f"t={'9' * 5000},v1={'0' * 64}",
        f"t={T},v1=ünïcödé",
        f"t={T};v1={'0' * 64}",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",  # Standard Webhooks'
    ],
    ids=itertools.count(),  # the time of the run is no name
)
def test_a_header_that_is_missing_or_makes_no_sense_is_refused(header: str | None) -> None:
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, header, [SECRET], NOW)


@pytest.mark.parametrize("secrets", [[], [""], [" "], ["whsec_wrong"], [OLD_SECRET]])
def test_who_does_not_know_the_secret_is_refused(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, signed(PAYLOAD), secrets, NOW)


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD.replace(b"1000", b"9000"),
        PAYLOAD + b" ",
        PAYLOAD[:-1],
        PAYLOAD[: len(PAYLOAD) // 2],
        b"",
        b"\xff" + PAYLOAD,
        PAYLOAD.decode().encode("utf-16"),
    ],
)
def test_a_body_that_is_not_what_was_signed_is_refused(payload: bytes) -> None:
    with pytest.raises(BadSignature):
        verify_and_read(payload, signed(PAYLOAD), [SECRET], NOW)


def test_a_time_that_is_not_the_signed_one_is_refused() -> None:
    old = signed(PAYLOAD, at=NOW - timedelta(days=1))
    fresh = f"t={T},{old.partition(',')[2]}"
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, fresh, [SECRET], NOW)
    with pytest.raises(BadSignature):
        verify_and_read(PAYLOAD, f"{old},t={T}", [SECRET], NOW)


@given(
    payload=st.binary(max_size=60) | st.just(PAYLOAD),
    header=st.text(max_size=60) | st.text(alphabet="tv01=,", max_size=40) | st.none(),
)
def test_whatever_comes_unsigned_is_refused(payload: bytes, header: str | None) -> None:
    with pytest.raises(BadSignature):
        verify_and_read(payload, header, [SECRET], NOW)


# --- A body that its sender signed, and that cannot be read ---------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"paid",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": 1, "type": "charge.refunded"}',
        b'{"id": "", "type": "charge.refunded"}',
        b'{"id": "evt_\\u0000", "type": "customer.created"}',
        b'{"id": "evt 1", "type": "customer.created"}',
        b'{"id": "evt_1", "type": "charge.refunded"}',
        b"[" * 100_000,
        PAYLOAD[:-1],
        event("charge.refunded", None),
        event("charge.refunded", charge(amount_refunded="300")),
        event("charge.refunded", charge(amount_refunded=-1)),
        event("charge.refunded", charge(amount_refunded=10**30)),
        event("charge.refunded", charge(currency="real")),
        event("charge.refunded", dispute()),
        event("charge.dispute.created", dispute(payment_intent={"id": SILVA})),
        event("payment_intent.succeeded", intent(amount_received=None)),
        event("payment_intent.succeeded", intent(amount_received=1.5)),
        event("payment_intent.succeeded", intent(id=SILVA)),
        event("payment_intent.succeeded", intent(metadata=[SILVA])),
    ],
)
def test_a_signed_body_that_is_no_event_is_told_apart_from_a_forged_one(payload: bytes) -> None:
    with pytest.raises(BadBody) as refused:
        verify_and_read(payload, signed(payload), [SECRET], NOW)
    assert "silva" not in str(refused.value)
    assert refused.value.__cause__ is None


ANY_JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANY_JSON)
def test_whatever_is_signed_is_read_or_refused(about: object) -> None:
    for kind in EVENTS:
        payload = json.dumps({"id": "evt_1", "type": kind, "data": about}).encode()
        with pytest.raises(BadBody):
            verify_and_read(payload, signed(payload), [SECRET], NOW)
