"""What a carrier answers is not ours: its no is believed, its code and words only within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.carrier_http import LONGEST_DETAIL, REFUSED, HttpCarrier
from ordersaga.order import Refusal


@asynccontextmanager
async def carrier_that_says(code: str, message: str) -> AsyncIterator[HttpCarrier]:
    content = json.dumps({"error": {"code": code, "message": message}}).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 422 No\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    carrier = HttpCarrier(base_url=f"http://127.0.0.1:{port}", key="k")
    async with server:
        yield carrier
        await carrier.aclose()


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("address_unknown", "address_unknown"),
        ("x" * 64, "x" * 64),
        (
            "x" * 65,
            REFUSED,
        ),  # further on it would be more than Temporal keeps of a search attribute
        ("No such street: 1 Main St", REFUSED),
        ("", REFUSED),
        ("canceled", REFUSED),  # our own word for why an order ends
    ],
)
async def test_a_code_that_is_none_is_told_as_ours(code: str, kept: str) -> None:
    async with carrier_that_says(code, "we do not go there") as carrier:
        assert await carrier.cancel("ord_1:parcel:1") == Refusal(
            "parcel", kept, "we do not go there"
        )


@pytest.mark.parametrize(
    ("message", "kept"),
    [("y" * 5000, "y" * LONGEST_DETAIL), ("", "too_far"), ("a\x00b\u202ec", "abc")],
)
async def test_its_words_are_one_printable_line(message: str, kept: str) -> None:
    async with carrier_that_says("too_far", message) as carrier:
        assert await carrier.cancel("ord_1:parcel:1") == Refusal("parcel", "too_far", kept)
