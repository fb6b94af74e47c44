"""Fixtures: the sandbox provider, and the gateway that speaks to it through a front."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from adapters.stripe import StripeGateway
from tests.conformance.misbehaving import MisbehavingFront
from tests.sandbox.programs import KEY, Program
from tests.stripe.till import Till


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The sandbox provider, as strict as Stripe about parameters that it has removed."""
    path = tmp_path_factory.mktemp("provider") / "books.db"
    program = Program("sandbox.provider", path, ("--refuse-removed-params",)).start()
    yield program
    program.stop()


@pytest.fixture(scope="session")
async def open_till(books: Program) -> AsyncIterator[Till]:
    async with (
        MisbehavingFront(books.url) as front,
        httpx.AsyncClient(base_url=books.url) as stage,
    ):
        gateway = StripeGateway(api_key=KEY, base_url=front.url, return_url="https://shop.test/")
        yield Till(gateway, front, stage)
        await gateway.aclose()


@pytest.fixture
def till(open_till: Till) -> Till:
    """Nothing lies yet, and nothing was asked."""
    open_till.tells_the_truth()
    return open_till


@pytest.fixture
async def straight(books: Program) -> AsyncIterator[StripeGateway]:
    """The gateway without a front, which would lose the provider's headers."""
    gateway = StripeGateway(api_key=KEY, base_url=books.url)
    yield gateway
    await gateway.aclose()


@pytest.fixture
def books_url(books: Program) -> str:
    return books.url


@pytest.fixture(scope="module")
def free_port() -> int:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
