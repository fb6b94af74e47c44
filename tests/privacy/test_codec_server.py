"""`ordersaga codec-server`, as its operator starts it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from temporalio.api.common.v1 import Payload, Payloads

from adapters.payload_codec import KeyRing
from cli.stack.ports import HOST, choose_ports
from tests.privacy.keys import NEW, OLD
from tests.stack.conftest import run_ordersaga

pytestmark = pytest.mark.long

KEYS = json.dumps([{"id": key.id, "key": key.key} for key in (NEW, OLD)])
READY_WITHIN_S = 20
SAID = Payload(metadata={"encoding": b"json/plain"}, data=b'"an order"')


@pytest.mark.parametrize(
    "keys",
    ["", "[]", "no JSON", '[{"id": "1", "key": "c2VjcmV0"}]'],
    ids=["unset", "none", "text", "short"],
)
def test_without_a_key_it_says_so_and_does_not_start(keys: str) -> None:
    done = run_ordersaga("codec-server", ORDERSAGA_PAYLOAD_KEYS=keys)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ordersaga: ORDERSAGA_PAYLOAD_KEYS:")
    assert "c2VjcmV0" not in done.stderr


def test_it_decrypts_with_every_key_it_has() -> None:
    port = choose_ports(last_time={}, api_port=None, usual=False)["api"]
    command = [sys.executable, "-m", "cli.main", "codec-server", "--port", str(port)]
    asked = asyncio.run(_encrypted())
    with subprocess.Popen(
        command, env={**os.environ, "ORDERSAGA_PAYLOAD_KEYS": KEYS}, stdout=subprocess.DEVNULL
    ) as server:
        try:
            told = _decoded(port, asked)
        finally:
            server.terminate()
    assert told == MessageToDict(Payloads(payloads=[SAID, SAID]))


async def _encrypted() -> object:
    """The same by each key."""
    by_each = [payload for key in (OLD, NEW) for payload in await KeyRing([key]).encode([SAID])]
    return MessageToDict(Payloads(payloads=by_each))


def _decoded(port: int, asked: object) -> object:
    """As soon as it answers."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            return httpx.post(f"http://{HOST}:{port}/decode", json=asked, trust_env=False).json()
        except httpx.TransportError:
            assert time.monotonic() < deadline_s, "it does not answer"
            time.sleep(0.1)
