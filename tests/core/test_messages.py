"""What the world outside tells: which of it is news, and what a signal by hand may look like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from temporalio.contrib.pydantic import pydantic_data_converter

from ordersaga.lifecycle import PaymentStatus
from ordersaga.messages import (
    MAX_EVENT_ID,
    CarrierNews,
    Judgement,
    KnownPayment,
    MessageAmount,
    PaymentData,
    PaymentFact,
    PaymentMessage,
    PaymentNews,
    TrackingMessage,
    judge,
    read_carrier_news,
    read_payment_news,
)
from ordersaga.tracking import TrackingStatus

SEEN = {
    "tracking_number": "SB1",
    "status": "in_transit",
    "occurred_at": "2026-03-01T10:00:00Z",
    "location": "Recife",
    "estimated_at": "2026-03-04T12:00:00-03:00",
}
PAID = {"payment_id": "pay_1", "amount": {"amount": 9558, "currency": "BRL"}}

# --- Is it news? ---------------------------------------------------------------------------------


def _payment(status: str, method: str = "card") -> KnownPayment:
    """Of 100, and of that 40 back where some of it is."""
    back = {"refunded": 100, "partially_refunded": 40}
    taken = status in ("captured", *back)
    return KnownPayment(
        id="pay_1",
        method=method,
        currency="BRL",
        status=status,
        captured=100 if taken else 0,
        refunded=back.get(status, 0),
    )


def _message(fact: PaymentFact, amount: int | None = None, currency: str = "BRL") -> PaymentMessage:
    told = None if amount is None else MessageAmount(amount=amount, currency=currency)
    return PaymentMessage(type=fact, data=PaymentData(payment_id="pay_1", amount=told))


# What our row says → what a message of each kind is then: k(nown), n(ews), p(erhaps).
_WORDS: dict[str, Judgement] = {"k": "known", "n": "news", "p": "perhaps"}
_KINDS: tuple[PaymentFact, ...] = get_args(PaymentFact)
#                     authorized captured failed refunded disputed
JUDGED = {
    "unpaid":             "p p p p n",
    "requires_action":    "n n n n n",
    "authorized":         "k p p p n",
    "captured":           "k k p p n",
    "partially_refunded": "k k p p n",
    "refunded":           "k k p k n",
    "voided":             "k p k p n",
    "failed":             "p p k p n",
}  # fmt: skip


def test_every_status_of_a_payment_is_in_the_table() -> None:
    assert set(JUDGED) == set(PaymentStatus)
    assert (
        tuple(
            f"payment.{word}"
            for word in ("authorized", "captured", "failed", "refunded", "disputed")
        )
        == _KINDS
    )


@pytest.mark.parametrize(
    ("status", "fact", "judgement"),
    [
        (status, fact, _WORDS[letter])
        for status, row in JUDGED.items()
        for fact, letter in zip(_KINDS, row.split(), strict=True)
    ],
)
def test_a_message_is_news_only_where_our_row_does_not_say_it(
    status: str, fact: PaymentFact, judgement: Judgement
) -> None:
    assert judge(_message(fact), _payment(status)) == judgement
    if fact in ("payment.captured", "payment.refunded"):
        assert judge(_message(fact, 100), _payment(status)) == judgement, "all of it"


@pytest.mark.parametrize(
    ("message", "status", "judgement"),
    [
        (_message("payment.captured", 99), "captured", "perhaps"),
        (_message("payment.captured", 100, "USD"), "captured", "perhaps"),
        (_message("payment.refunded", 40), "partially_refunded", "known"),
        (_message("payment.refunded", 41), "partially_refunded", "perhaps"),
        (_message("payment.refunded", 40), "refunded", "known"),
        (_message("payment.authorized", 100, "USD"), "authorized", "perhaps"),
    ],
)
def test_another_amount_or_currency_than_our_rows_is_not_known(
    message: PaymentMessage, status: str, judgement: Judgement
) -> None:
    assert judge(message, _payment(status)) == judgement


@pytest.mark.parametrize("method", ["balance", "voucher"])
def test_nobody_outside_knows_anything_of_our_own_money(method: str) -> None:
    for fact in _KINDS:
        assert judge(_message(fact), _payment("unpaid", method)) == "known"


# --- Signals by hand -----------------------------------------------------------------------------


def test_a_signal_says_its_fact_flat_or_with_data_around_it() -> None:
    news = PaymentNews("evt_1", "payment.captured", "pay_1")
    head = {"event_id": "evt_1", "type": "payment.captured"}
    assert read_payment_news({**head, **PAID}) == news
    assert read_payment_news({**head, "data": PAID}) == news
    assert read_payment_news({**head, **PAID, "note": "by hand"}) == news, "more is left out"

    seen = CarrierNews(
        event_id="evt_2",
        status="in_transit",
        occurred_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        tracking_number="SB1",
        location="Recife",
        estimated_at=datetime(2026, 3, 4, 15, tzinfo=UTC),
    )
    assert read_carrier_news({"event_id": "evt_2", **SEEN}) == seen
    assert (
        read_carrier_news({"event_id": "evt_2", "type": "tracking.updated", "data": SEEN}) == seen
    )


def test_without_an_id_what_says_the_same_is_the_same() -> None:
    first = read_carrier_news(SEEN)
    again = read_carrier_news(
        {"data": {**SEEN, "occurred_at": "2026-03-01T07:00:00.000-03:00", "detail": None}}
    )
    other = read_carrier_news({**SEEN, "location": "Natal"})
    assert first is not None
    assert first == again
    assert other is not None
    assert other.event_id != first.event_id


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "captured",
        7,
        [],
        {},
        {"event_id": "e"},
        {"event_id": "e", "type": "payment.captured"},
        {"event_id": "e", "type": "payment.captured", "data": "pay_1"},
        {"event_id": "e", "type": "payment.paid", **PAID},
        {"event_id": 7, "type": "payment.captured", **PAID},
        {"event_id": "", "type": "payment.captured", **PAID},
        {"event_id": "e" * (MAX_EVENT_ID + 1), "type": "payment.captured", **PAID},
        {"event_id": "e\0", "type": "payment.captured", **PAID},
        {"event_id": "e", "type": "payment.captured", "provider_ref": "pi_1"},
        {"event_id": "e", "type": "payment.captured", "payment_id": "\ud800"},
    ],
    ids=str,
)
def test_a_payment_event_that_says_nothing_is_nothing(raw: object) -> None:
    assert read_payment_news(raw) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "payment.captured"),
        ("status", "teleported"),
        ("status", None),
        ("tracking_number", ""),
        ("tracking_number", "SB\0"),
        ("occurred_at", None),
        ("occurred_at", 1_772_359_200),
        ("occurred_at", "1772359200"),
        ("occurred_at", "2026-03-01"),
        ("occurred_at", "2026-03-01T10:00:00"),
        ("occurred_at", "2026-02-30T10:00:00Z"),
        ("occurred_at", "0001-01-01T00:00:00+23:59"),
        ("occurred_at", "9999-12-31T23:59:59-23:59"),
        ("estimated_at", "soon"),
        ("detail", "x" * 501),
        ("location", ["Recife"]),
    ],
    ids=str,
)
def test_a_carrier_event_that_says_nothing_is_nothing(field: str, value: object) -> None:
    assert read_carrier_news(SEEN) is not None
    assert read_carrier_news({**SEEN, field: value}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(SEEN)), inner),
)


@given(raw=JSON)
def test_no_signal_whatever_it_carries_breaks_its_reader(raw: object) -> None:
    read_payment_news(raw)
    read_carrier_news(raw)


@pytest.mark.parametrize("status", TrackingStatus)
async def test_news_go_through_temporal_and_come_back_as_they_were(status: TrackingStatus) -> None:
    seen = read_carrier_news({**SEEN, "status": status.value})
    paid = PaymentNews("evt_1", "payment.disputed", "pay_1")
    assert seen is not None
    carried = await pydantic_data_converter.encode([seen, paid])

    assert await pydantic_data_converter.decode(carried, [CarrierNews, PaymentNews]) == [seen, paid]
    raw_seen, raw_paid = await pydantic_data_converter.decode(carried)
    assert (read_carrier_news(raw_seen), read_payment_news(raw_paid)) == (seen, paid)
    assert (read_carrier_news(seen), read_payment_news(paid)) == (seen, paid)


# --- Webhooks: strict ----------------------------------------------------------------------------


def test_a_message_is_known_by_our_id_else_by_its_providers() -> None:
    assert _message("payment.captured").subject == "payment:pay_1"
    theirs = PaymentData(provider_ref="pi_1")
    assert PaymentMessage(type="payment.failed", data=theirs).subject == "reference:pi_1"
    both = PaymentData(payment_id="pay_1", provider_ref="pi_1")
    assert PaymentMessage(type="payment.failed", data=both).subject == "payment:pay_1"
    seen = TrackingMessage.model_validate({"type": "tracking.updated", "data": SEEN})
    assert seen.subject == "tracking:SB1"


@given(
    offset_min=st.integers(-14 * 60, 14 * 60),
    at=st.datetimes(datetime(1970, 1, 3), datetime(8999, 12, 30)),
)
def test_times_are_kept_in_utc(offset_min: int, at: datetime) -> None:
    zone = timedelta(minutes=offset_min)
    sign = "-" if offset_min < 0 else "+"
    hours, minutes = divmod(abs(offset_min), 60)
    written = f"{at.isoformat(timespec='microseconds')}{sign}{hours:02}:{minutes:02}"
    seen = read_carrier_news({**SEEN, "occurred_at": written})

    assert seen is not None
    assert seen.occurred_at == at.replace(tzinfo=UTC) - zone
    assert seen.occurred_at.utcoffset() == timedelta(0)


def test_a_webhook_has_nothing_that_we_do_not_know() -> None:
    with pytest.raises(ValidationError):
        PaymentMessage.model_validate({"type": "payment.captured", "data": PAID, "id": "evt_1"})
    with pytest.raises(ValidationError, match="payment_id or provider_ref"):
        PaymentMessage.model_validate({"type": "payment.captured", "data": {"reason": "x"}})
