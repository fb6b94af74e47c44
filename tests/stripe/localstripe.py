"""localstripe, somebody else's stand-in for Stripe: a process of its own, never imported here.

It speaks Stripe as it was some years ago, and not all of it. What stands between is told in
docs/payments.md; nothing else is changed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Final

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from tests.conformance.misbehaving import Call, MisbehavingFront, Reply

IS_INSTALLED: Final = find_spec("localstripe") is not None
KEY: Final = "sk_test_any"  # it takes any that begins so
STARTS_WITHIN_S: Final = 20  # a second or two, but on a busy machine
STOPS_WITHIN_S: Final = 5
LOOK_EVERY_S: Final = 0.05

# Its own command listens on every interface, and keeps its books in a file that all runs share.
PROGRAM: Final = """
import sys
from aiohttp import web
from localstripe.resources import store
from localstripe.server import app
store.dump_to_disk = lambda: None
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


def start(port: int) -> subprocess.Popen[bytes]:
    """Waits until it answers."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)])
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/v1/payment_intents", trust_env=False)
            return process
        except httpx.TransportError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline_s, "it does not answer"
            time.sleep(LOOK_EVERY_S)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(STOPS_WITHIN_S)


class Interpreter(MisbehavingFront):
    """Between the two: one parameter by its older name, two sums that localstripe leaves out."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.rewrite = _with_sums

    async def _pass_on(self, request: Request) -> Response:
        body = await request.body()
        older = body.replace(b"allowed_payment_method_types", b"payment_method_types")
        return await super()._pass_on(Request(request.scope, _receiving(older)))


def _receiving(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _with_sums(call: Call) -> Reply:
    said = orjson.loads(call.answered.body)
    if said.get("object") != "payment_intent":
        return call.answered
    held = said["amount"] if said["status"] == "requires_capture" else 0
    taken = said["amount"] if said["status"] == "succeeded" else 0
    summed = {**said, "amount_capturable": held, "amount_received": taken}
    return Reply(call.answered.status, orjson.dumps(summed))
