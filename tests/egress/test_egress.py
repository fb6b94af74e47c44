"""What somebody gives us as an address never leads to a machine inside (SSRF)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from adapters.egress import MOST_ANSWER_BYTES, Egress, ForbiddenAddress, Resolve, check_url
from ordersaga.errors import Unavailable

PUBLIC = "93.184.216.34"
INSIDE = (
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0.0.0.0",  # noqa: S104  what must not be asked
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",  # metadata of clouds
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[2002:7f00:1::]",  # 6to4 of 127.0.0.1
    "[64:ff9b::a00:1]",  # NAT64 of 10.0.0.1
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",  # Teredo
)


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_is_refused_when_it_is_given(host: str) -> None:
    with pytest.raises(ForbiddenAddress, match="not on the public internet"):
        check_url(f"https://{host}/hook")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "//example.com/",
        "https://",
        "https:///hook",
        "https://user" + ":password@example.com/",
        "https://example.com/#part",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nX-Injected: 1",
        "https://ex\u0430mple.com/",
        "https://example.com:99999/",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_what_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


@pytest.mark.parametrize("url", ["https://example.com/hook?a=1", f"https://{PUBLIC}:8443/"])
def test_a_public_address_is_taken(url: str) -> None:
    assert str(check_url(url)) == url


@pytest.mark.parametrize(
    "inside", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fe80::1%eth0"]
)
async def test_a_name_that_means_an_address_inside_is_not_asked(inside: str) -> None:
    for found in ([inside], [PUBLIC, inside]):  # one of several is enough
        async with _egress(found) as (egress, asked):
            with pytest.raises(ForbiddenAddress):
                await egress.post("https://hooks.example/", content=b"", headers={})
            assert not asked


async def test_a_name_that_changes_its_mind_is_asked_once_and_pinned() -> None:
    """DNS rebinding: what was checked is what is connected to."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])

    async def resolve(host: str, port: int) -> list[str]:
        return next(answers)

    asked: list[httpx.Request] = []
    async with Egress(resolve=resolve, transport=_answering(asked, 200)) as egress:
        await egress.post("https://hooks.example/in", content=b"x", headers={})
        assert [r.url.host for r in asked] == [PUBLIC]
        assert asked[0].headers["host"] == "hooks.example"
        assert asked[0].extensions["sni_hostname"] == "hooks.example"
        with pytest.raises(ForbiddenAddress):
            await egress.post("https://hooks.example/in", content=b"x", headers={})
    assert len(asked) == 1


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    asked: list[httpx.Request] = []
    transport = _answering(asked, 302, {"location": "http://169.254.169.254/latest"})
    async with Egress(resolve=_always(PUBLIC), transport=transport) as egress:
        answer = await egress.post("https://hooks.example/", content=b"", headers={})
    assert answer.status == 302
    assert len(asked) == 1


async def test_an_answer_without_end_is_cut_and_cookies_are_not_kept() -> None:
    asked: list[httpx.Request] = []
    transport = _answering(asked, 200, {"set-cookie": "a=b"}, b"x" * 10 * MOST_ANSWER_BYTES)
    async with Egress(resolve=_always(PUBLIC), transport=transport) as egress:
        for _ in range(2):
            answer = await egress.post("https://hooks.example/", content=b"", headers={})
    assert len(answer.excerpt) == MOST_ANSWER_BYTES
    assert "cookie" not in asked[1].headers


async def test_a_name_that_nobody_knows_or_that_leads_nowhere_is_an_outage() -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    for resolve in (unknown, _always()):
        async with Egress(resolve=resolve) as egress:
            with pytest.raises(Unavailable):
                await egress.post("https://hooks.example/", content=b"", headers={})


async def test_a_real_connection_goes_to_the_pinned_address_with_the_name_that_was_given() -> None:
    """On a local stack our own network is allowed: seen there on a real socket."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Egress(allow_private=True, resolve=_always("127.0.0.1")) as egress:
        answer = await egress.post(f"http://hooks.test:{port}/in", content=b"{}", headers={})
    assert answer.status == 204
    assert f"Host: hooks.test:{port}".lower().encode() in heard[0].lower()


def _always(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


def _answering(
    asked: list[httpx.Request],
    status: int,
    headers: dict[str, str] | None = None,
    content: bytes = b"",
) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))

    return httpx.MockTransport(answer)


@asynccontextmanager
async def _egress(found: list[str]) -> AsyncIterator[tuple[Egress, list[httpx.Request]]]:
    asked: list[httpx.Request] = []
    async with Egress(resolve=_always(*found), transport=_answering(asked, 200)) as egress:
        yield egress, asked
