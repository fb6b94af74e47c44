"""A payment provider as plain as can be: it speaks Stripe's words, keeps all in memory, says yes.

`python -m bench.engines.provider PORT`. To authorise and to capture takes it 20 ms, to note a payment none.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
import uvicorn

THINKS_S: Final = 0.02
INTENTS: Final = "/v1/payment_intents"

_numbers = itertools.count(1)
_intents: dict[str, dict[str, Any]] = {}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`POST /v1/payment_intents[/{id}/confirm|capture|cancel]`, `GET /v1/payment_intents/{id}`."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    rest = scope["path"].removeprefix(INTENTS).strip("/").split("/")
    intent = await _answer(rest, dict(parse_qsl(body.decode())))
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(intent)})


async def _answer(rest: list[str], form: dict[str, str]) -> dict[str, Any]:
    match rest:
        case [""]:
            return _made(form) if form else {}  # `GET /`: whether it is there
        case [reference]:
            return _intents[reference]
        case [reference, "confirm"]:
            await asyncio.sleep(THINKS_S)
            intent = _intents[reference]
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        case [reference, "capture"]:
            await asyncio.sleep(THINKS_S)
            intent = _intents[reference]
            intent |= {"status": "succeeded", "amount_received": intent["amount"]}
            intent |= {"amount_capturable": 0}
        case [reference, _]:
            intent = _intents[reference]
            intent |= {"status": "canceled", "amount_capturable": 0}
    return intent


def _made(form: dict[str, str]) -> dict[str, Any]:
    reference = f"pi_{next(_numbers)}"
    metadata = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in form.items()
        if name.startswith("metadata[")
    }
    _intents[reference] = {
        "id": reference,
        "object": "payment_intent",
        "status": "requires_confirmation",
        "amount": int(form["amount"]),
        "amount_capturable": 0,
        "amount_received": 0,
        "currency": form["currency"],
        "metadata": metadata,
        "payment_method_types": ["card"],
    }
    return _intents[reference]


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
