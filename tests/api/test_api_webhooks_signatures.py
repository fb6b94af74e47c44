"""Who sent it: what we believe is what the standard's own package believes, and never more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from api.signatures import CLOCK_TOLERANCE, Signed, verify
from ordersaga.config import Settings, standard_key
from ordersaga.errors import BadSignature
from tests.api.senders import a_secret

OURS, NEXT, FOREIGN = (a_secret(word) for word in ("ours", "next", "foreign"))
ID = "msg_1"
BODY = '{"type": "payment.captured"}'


def _signed(
    *, secret: str = OURS, at: datetime, message_id: str = ID, body: str = BODY, before: str = ""
) -> Signed:
    return Signed(
        id=message_id,
        timestamp=str(int(at.timestamp())),
        signature=before + Webhook(secret).sign(message_id, at, body),
    )


def _is_believed(signed: Signed, *, body: bytes = BODY.encode(), now: datetime) -> bool:
    try:
        return verify(signed, body, secrets=(OURS, NEXT), now=now) == signed.id
    except BadSignature:
        return False


def _is_believed_by_the_package(signed: Signed, body: bytes) -> bool:
    headers = {
        "webhook-id": signed.id or "",
        "webhook-timestamp": signed.timestamp or "",
        "webhook-signature": signed.signature or "",
    }
    for secret in (OURS, NEXT):
        try:
            Webhook(secret).verify(body, headers, json_parse=False)
        except Exception:  # noqa: S112 - of many kinds, where a header is broken
            continue
        return True
    return False


@given(
    message_id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=99),
    body=st.text(),
    secret=st.sampled_from([OURS, NEXT, FOREIGN]),
    age_s=st.integers(-400, 400).filter(lambda s: not 297 < abs(s) < 303),  # clocks tick meanwhile
)
def test_what_the_package_signs_is_believed_as_the_package_believes_it(
    message_id: str, body: str, secret: str, age_s: int
) -> None:
    now = datetime.now(UTC)
    at = now - timedelta(seconds=age_s)
    signed = _signed(secret=secret, at=at, message_id=message_id, body=body)

    is_believed = _is_believed(signed, body=body.encode(), now=now)

    assert is_believed == (secret != FOREIGN and abs(age_s) < 300)
    assert is_believed == _is_believed_by_the_package(signed, body.encode())


@given(data=st.data())
def test_whatever_is_changed_we_believe_nothing_that_the_package_does_not(
    data: st.DataObject,
) -> None:
    now = datetime.now(UTC)
    good = _signed(at=now)
    part = data.draw(st.sampled_from(["id", "timestamp", "signature", "body"]))
    text = BODY if part == "body" else getattr(good, part)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(begin + 3, len(text))))
    changed = text[:begin] + data.draw(st.text(max_size=3)) + text[end:]
    body = changed.encode() if part == "body" else BODY.encode()
    signed = good if part == "body" else Signed(**{**vars(good), part: changed})

    if _is_believed(signed, body=body, now=now):
        assert _is_believed_by_the_package(signed, body)
        assert changed == text or part == "signature", "the same, or with more around it"


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "v1",
        "v1,",
        ",",
        "v1,!!!",
        "v1a,{good}",
        "v2,{good}",
        "{good}",
        "V1,{good}",
        "v1,{good}A",
        "v1,é",
        "v1,\ud800",
    ],
)
def test_a_header_without_a_fitting_signature_proves_nothing(signature: str | None) -> None:
    now = datetime.now(UTC)
    good = _signed(at=now)
    assert good.signature is not None
    proof = good.signature.removeprefix("v1,")
    given = None if signature is None else signature.replace("{good}", proof)
    assert not _is_believed(Signed(**{**vars(good), "signature": given}), now=now)


def test_one_good_signature_among_others_is_enough() -> None:
    now = datetime.now(UTC)
    assert _is_believed(_signed(at=now, before="v1a,x v1,AAAA nonsense "), now=now)
    foreign = _signed(at=now, secret=FOREIGN).signature
    assert _is_believed(_signed(at=now, before=f"{foreign} "), now=now)


@pytest.mark.parametrize(
    ("off_by", "is_believed"),
    [
        (timedelta(0), True),
        (CLOCK_TOLERANCE, True),
        (CLOCK_TOLERANCE + timedelta(seconds=1), False),
    ],
)
def test_a_clock_may_be_five_minutes_off_either_way(off_by: timedelta, is_believed: bool) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    for at in (now - off_by, now + off_by):
        assert _is_believed(_signed(at=at), now=now) == is_believed


@pytest.mark.parametrize(
    "timestamp", [None, "", "now", "-1", "1e9", "1.5", " 1", "９", "0x1", "9" * 40]
)
def test_a_time_that_is_no_number_of_seconds_proves_nothing(timestamp: str | None) -> None:
    now = datetime.now(UTC)
    assert not _is_believed(Signed(**{**vars(_signed(at=now)), "timestamp": timestamp}), now=now)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_***", "d2hvc2U=", "WHSEC_d2hvc2U="])
def test_a_secret_of_another_form_is_a_wrong_setting_and_is_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_<base64>"):
        standard_key(secret)
    with pytest.raises(ValueError, match="payment_webhook_secrets") as error:
        Settings(database_url="x", payment_webhook_secrets={"acme": (OURS, secret)})
    assert OURS not in str(error.value)


def test_secrets_come_from_the_environment_as_json() -> None:
    written = Settings(database_url="x", carrier_webhook_secrets={"sandbox": (OURS, NEXT)}).to_env()
    assert written["ORDERSAGA_CARRIER_WEBHOOK_SECRETS"] == f'{{"sandbox": ["{OURS}", "{NEXT}"]}}'
    assert Settings.from_env(written).carrier_webhook_secrets == {"sandbox": (OURS, NEXT)}
    for wrong in ("nonsense", "[]", '{"sandbox": []}', '{"sandbox": "one"}'):
        with pytest.raises(ValueError, match="carrier_webhook_secrets"):
            Settings.from_env({**written, "ORDERSAGA_CARRIER_WEBHOOK_SECRETS": wrong})
