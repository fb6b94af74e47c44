"""What Temporal keeps can be read with the keys, also the old ones, and with no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import CompositePayloadConverter
from temporalio.exceptions import ApplicationError

from adapters.payload_codec import (
    ENCODING,
    KEY_ID,
    NONCE_BYTES,
    PLAIN,
    KeyRing,
    Unreadable,
    data_converter,
)
from ordersaga.config import PayloadKey, Settings
from tests.privacy.keys import NEW, OLD

ROOT: Final = Path(__file__).parent.parent.parent
HISTORIES: Final = sorted((ROOT / "tests" / "histories").glob("*.json"))
REPLAYED_WITHIN_S: Final = 110
SAID: Final = Payload(metadata={"encoding": b"json/plain"}, data=b'"an order"')


async def test_what_is_encrypted_says_nothing_but_its_key() -> None:
    (encrypted,) = await KeyRing([NEW]).encode([SAID])
    assert dict(encrypted.metadata) == {"encoding": ENCODING, KEY_ID: b"2026"}
    assert b"order" not in encrypted.SerializeToString()
    assert await KeyRing([NEW]).decode([encrypted]) == [SAID]


async def test_the_same_is_never_encrypted_alike() -> None:
    once, again = await KeyRing([NEW]).encode([SAID, SAID])
    assert once.data[:NONCE_BYTES] != again.data[:NONCE_BYTES]
    assert once.data[NONCE_BYTES:] != again.data[NONCE_BYTES:]


async def test_the_first_key_encrypts_and_all_of_them_read() -> None:
    by_old = await KeyRing([OLD]).encode([SAID])
    turned = KeyRing([NEW, OLD])
    assert await turned.decode(by_old) == [SAID]
    (by_new,) = await turned.encode([SAID])
    assert by_new.metadata[KEY_ID] == b"2026"
    with pytest.raises(Unreadable, match="2026"):
        await KeyRing([OLD]).decode([by_new])


async def test_what_was_written_before_there_were_keys_stays_as_it_is() -> None:
    assert await KeyRing([NEW]).decode([SAID]) == [SAID]


@pytest.mark.parametrize("where", [0, NONCE_BYTES, -1])
async def test_what_somebody_changed_is_not_read(where: int) -> None:
    (encrypted,) = await KeyRing([NEW]).encode([SAID])
    bent = bytearray(encrypted.data)
    bent[where] ^= 1
    encrypted.data = bytes(bent)
    with pytest.raises(Unreadable):
        await KeyRing([NEW]).decode([encrypted])


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 28])
async def test_what_was_never_encrypted_and_says_so_is_not_read(data: bytes) -> None:
    forged = Payload(metadata={"encoding": ENCODING, KEY_ID: b"2026"}, data=data)
    with pytest.raises(Unreadable):
        await KeyRing([NEW]).decode([forged])


async def test_another_keys_name_does_not_pass() -> None:
    same = PayloadKey(id="2027", key=NEW.key)
    (encrypted,) = await KeyRing([NEW]).encode([SAID])
    encrypted.metadata[KEY_ID] = b"2027"
    with pytest.raises(Unreadable):
        await KeyRing([same]).decode([encrypted])


async def test_the_words_and_the_trace_of_a_failure_are_encrypted_too() -> None:
    converter = data_converter([NEW])
    failure = Failure()
    try:
        raise ApplicationError("the words", "a detail")
    except ApplicationError as error:
        await converter.encode_failure(error, failure)
    written = failure.SerializeToString()
    assert b"the words" not in written
    assert b"a detail" not in written
    assert b"test_payload_codec" not in written
    assert str(await converter.decode_failure(failure)) == "the words"


def test_without_keys_all_is_plain() -> None:
    assert data_converter([]).payload_codec is None


def test_what_pydantic_makes_of_a_type_is_made_once_and_not_for_each_workflow() -> None:
    first, second = PLAIN.payload_converter_class(), PLAIN.payload_converter_class()
    assert isinstance(first, CompositePayloadConverter)
    assert isinstance(second, CompositePayloadConverter)
    assert first.converters[b"json/plain"] is second.converters[b"json/plain"]


@pytest.mark.long
def test_every_recorded_order_goes_on_plain_encrypted_and_when_its_key_is_changed_half_way() -> (
    None
):
    done = subprocess.run(
        (sys.executable, "-m", "tests.privacy.replay_encrypted", *map(str, HISTORIES)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=REPLAYED_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}


# --- The setting -----------------------------------------------------------------------------------


def settings(**fields: object) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://nowhere", **fields})


def test_keys_come_as_json_and_survive_the_way_through_an_environment() -> None:
    keys = [{"id": key.id, "key": key.key} for key in (NEW, OLD)]
    read = settings(payload_keys=json.dumps(keys))
    assert read.payload_keys == (NEW, OLD)
    assert Settings.from_env(read.to_env()) == read
    assert settings(payload_keys="").payload_keys == ()


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        [{"id": "1", "key": "c2hvcnQ="}],
        [{"id": "", "key": NEW.key}],
        [{"id": "1", "key": "?" * 44}],
        [{"id": "1", "key": NEW.key}, {"id": "1", "key": OLD.key}],
    ],
)
def test_a_key_that_is_none_is_refused_without_being_told(wrong: object) -> None:
    with pytest.raises(ValueError, match="payload_keys") as refused:
        settings(payload_keys=wrong)
    assert "c2hvcnQ" not in str(refused.value)
    assert NEW.key not in str(refused.value)


def test_settings_shown_are_settings_without_secrets() -> None:
    secret = "s3cr3t-" + "9" * 8
    shown = repr(
        settings(
            database_url=f"postgresql://app:{secret}@db/orders",
            payload_keys=[NEW],
            payment_provider_key=secret,
            carrier_key=secret,
            payment_webhook_secrets={"stripe": [secret]},
        )
    )
    assert secret not in shown
    assert NEW.key not in shown
    assert "payer_patience_s" in shown
