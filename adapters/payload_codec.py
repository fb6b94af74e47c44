"""What Temporal keeps, encrypted: payloads, and with them the words and traces of failures.

AES-256-GCM, a fresh nonce each, the key's id beside it. The ring's first key encrypts; all of them read, and
so is what was written before there were keys. Ids and search attributes go past every codec.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
)

from ordersaga.config import PayloadKey
from ordersaga.errors import OrdersagaError

ENCODING: Final = b"binary/encrypted"
KEY_ID: Final = "encryption-key-id"
NONCE_BYTES: Final = 12  # what GCM is made for


_JSON: Final = PydanticJSONPlainPayloadConverter()


class PayloadConverter(CompositePayloadConverter):
    """As the SDK's for pydantic, but with one cache of what pydantic makes of each type.

    The SDK makes a converter a workflow, and with it the readers of all its types anew: 4 ms of CPU an order.
    """

    def __init__(self) -> None:
        super().__init__(
            *(
                _JSON if isinstance(each, JSONPlainPayloadConverter) else each
                for each in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


PLAIN: Final = DataConverter(payload_converter_class=PayloadConverter)


class Unreadable(OrdersagaError):
    """A payload that none of our keys opens: a key is missing, or somebody changed it."""


class KeyRing(PayloadCodec):
    """Encrypts by its first key, reads by all."""

    def __init__(self, keys: Sequence[PayloadKey]) -> None:
        """At least one."""
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._newest = keys[0].id

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `Unreadable`. What is not encrypted stays as it is."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        key_id, nonce = self._newest.encode(), secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        cipher = self._ciphers.get(key_id.decode(errors="replace"))
        if cipher is None:
            raise Unreadable(f"no payload key {key_id.decode(errors='replace')!r}")
        nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, key_id))
        except (InvalidTag, ValueError):
            raise Unreadable(f"not what payload key {key_id.decode()!r} wrote") from None


def data_converter(keys: Sequence[PayloadKey]) -> DataConverter:
    """As every client of ours converts: by pydantic, and encrypted where there are keys."""
    if not keys:
        return PLAIN
    return replace(
        PLAIN,
        payload_codec=KeyRing(keys),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
