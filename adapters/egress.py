"""Requests to addresses that somebody else gave us: to the public internet only, and to nobody's inside.

A name is resolved once, every address it has must be public, and the request goes to one of those:
a name that means something else a moment later (DNS rebinding) is not asked again. No redirects, no
proxies, no cookies.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Final, Self

import httpx

from ordersaga.errors import OrdersagaError, Unavailable

MOST_URL_CHARACTERS: Final = 2_000
MOST_ANSWER_BYTES: Final = (
    16_384  # of an answer that nobody reads but people who look for a mistake
)
TIMEOUT_S: Final = 10.0
NAMES_TIMEOUT_S: Final = 5.0
HTTPS_PORT: Final = 443
MOST_PORT: Final = 65_535

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
# IPv6 addresses that carry one of IPv4 in their last 32 bits: NAT64, and IPv4-compatible ones.
_CARRY_IPV4: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


class ForbiddenAddress(OrdersagaError):
    """We do not send anything there. The message says why, and names no address of ours."""


def check_url(text: str, *, allow_private: bool = False) -> httpx.URL:
    """An address that may be kept; whether its name is public is seen when something is sent.

    `allow_private`: our own network and plain HTTP as well, for a local stack. Raises
    `ForbiddenAddress`.
    """
    if len(text) > MOST_URL_CHARACTERS:
        raise ForbiddenAddress(f"it has more than {MOST_URL_CHARACTERS:,} characters")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ForbiddenAddress("it has characters that belong in no URL")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ForbiddenAddress("it is no URL") from None
    if url.scheme != "https" and not (allow_private and url.scheme == "http"):
        raise ForbiddenAddress("it does not begin with https://")
    if not url.host:
        raise ForbiddenAddress("it names no host")
    if url.port is not None and not 0 < url.port <= MOST_PORT:
        raise ForbiddenAddress("its port is none")
    if url.userinfo:
        raise ForbiddenAddress("it has a user or a password in it")
    if url.fragment:
        raise ForbiddenAddress("it has a fragment, which is never sent")
    literal = _as_ip(url.host)
    if literal is not None and not allow_private:
        _check_public(literal)
    return url


@dataclass(frozen=True)
class Answer:
    """What came back, its body cut after MOST_ANSWER_BYTES. A redirect is an answer like any other."""

    status: int
    headers: httpx.Headers
    excerpt: bytes


class Egress:
    """`async with Egress() as egress: await egress.post(url, …)`, many at once."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        connections: int = 50,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve or _resolve
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
            # A connection that was opened for one name is not used for another at the same address.
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=0),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def post(self, address: str, *, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises `ForbiddenAddress`, and `Unavailable` where no answer came."""
        url = check_url(address, allow_private=self._allow_private)
        port = url.port or (HTTPS_PORT if url.scheme == "https" else 80)
        pinned = await self._pin(url.host, port)
        request = self._http.build_request(
            "POST",
            url.copy_with(host=pinned),
            content=content,
            # The name as it was given, for the server and for its certificate.
            headers={**headers, "host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                excerpt = await _read_some(response)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, excerpt)

    async def _pin(self, host: str, port: int) -> str:
        """One address of this name, of which all are public."""
        literal = _as_ip(host)
        if literal is not None:
            found = [str(literal)]
        else:
            try:
                async with asyncio.timeout(NAMES_TIMEOUT_S):
                    found = await self._resolve(host, port)
            except (OSError, UnicodeError, TimeoutError) as error:
                raise Unavailable(f"its name is not known: {type(error).__name__}") from error
        if not found:
            raise Unavailable("its name has no address")
        if not self._allow_private:
            for one in found:
                _check_public(ipaddress.ip_address(one.partition("%")[0]))
        return found[0]


async def _read_some(response: httpx.Response) -> bytes:
    """Whoever answers without end is left."""
    kept = bytearray()
    async for chunk in response.aiter_raw():
        kept += chunk[: MOST_ANSWER_BYTES - len(kept)]
        if len(kept) >= MOST_ANSWER_BYTES:
            break
    return bytes(kept)


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _as_ip(host: str) -> IpAddress | None:
    """Also as `127.1`, `0x7f000001` or `2130706433`, which name resolution takes for addresses."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _check_public(address: IpAddress) -> None:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _CARRY_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            raise ForbiddenAddress("it is not on the public internet")
        if inner is not None:
            address = inner
    if not address.is_global or address.is_multicast or address.is_reserved:
        raise ForbiddenAddress("it is not on the public internet")
