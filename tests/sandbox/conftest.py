"""Fixtures: the running programs, one each for most tests, and fresh ones for the rough tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.sandbox.programs import KEY, Payments, Program
from tests.sandbox.receiver import Receiver

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stripe package hands httpx bytes in a way that httpx deprecates; that is not ours."""
    mark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(mark)


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sandbox.provider", tmp_path_factory.mktemp("provider") / "books.db").start()
    yield program
    program.stop()


@pytest.fixture(scope="session")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sandbox.carrier", tmp_path_factory.mktemp("carrier") / "books.db").start()
    yield program
    program.stop()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts a program of the test's own: launch("sandbox.provider", "--option", …)."""
    started: list[Program] = []

    def start(module: str, *options: str) -> Program:
        program = Program(module, tmp_path / f"{module}.db", options).start()
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture
async def payments(provider: Program) -> AsyncIterator[Payments]:
    client = Payments(provider.url)
    yield client
    await client.close()


@pytest.fixture
async def stage(provider: Program) -> AsyncIterator[httpx.AsyncClient]:
    """The provider's /test routes."""
    async with httpx.AsyncClient(base_url=provider.url) as client:
        yield client


@pytest.fixture
async def parcels(carrier: Program) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=carrier.url, headers=headers) as client:
        yield client
