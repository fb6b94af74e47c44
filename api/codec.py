"""Temporal's codec server: with it, its UI and its command line show histories that are encrypted.

Source: https://docs.temporal.io/production-deployment/data-encryption. It answers this machine only, and
there no page but the UI's: what it says is what encryption keeps from others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads

from adapters.payload_codec import KeyRing, Unreadable

HERE: Final = ("127.0.0.1", "localhost")  # a page that gives itself our address says another name
ASKED_WITH: Final = ("content-type", "x-namespace", "authorization")  # by Temporal's UI
MOST_BYTES: Final = 8 * 1024 * 1024  # a history's page; one payload has 2 MB at most

Turn = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def create_codec_server(ring: KeyRing, *, ui_origin: str) -> Starlette:
    """`POST /encode` and `/decode`, for a browser that shows the UI from `ui_origin`, and for `temporal`."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[ui_origin],
        allow_methods=["POST"],
        allow_headers=ASKED_WITH,
    )
    return Starlette(
        routes=[
            Route("/encode", _answers(ring.encode), methods=["POST"]),
            Route("/decode", _answers(ring.decode), methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HERE)), cors],
    )


def _answers(turn: Turn) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return PlainTextResponse("too large", status_code=413)
        try:
            given = Parse(bytes(body), Payloads())
            turned = Payloads(payloads=await turn(given.payloads))
        except (ParseError, UnicodeDecodeError):
            return PlainTextResponse("no payloads in JSON", status_code=400)
        except Unreadable as error:
            return PlainTextResponse(str(error), status_code=400)
        return Response(MessageToJson(turned), media_type="application/json")

    return answer
