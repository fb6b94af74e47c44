"""`ordersaga listen`: each event one line, once, also after it was away."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aio_pika
import pytest

from tests.rabbitmq.conftest import event, publishing

WITHIN_S = 30


@asynccontextmanager
async def listening(
    amqp_url: str, exchange: str, home: Path, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """From where it says that it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", "listen", "--queue", exchange, "--exchange", exchange),
        *("--data-dir", str(home), *options),
        env={**os.environ, "ORDERSAGA_AMQP_URL": amqp_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            assert b"listening on" in await process.stderr.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def next_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        return (await process.stdout.readline()).decode()


@pytest.fixture
async def queue(amqp_url: str, exchange: str) -> AsyncIterator[None]:
    yield
    async with await aio_pika.connect(amqp_url) as connection:
        await (await connection.channel()).queue_delete(exchange)


@pytest.mark.usefixtures("queue")
async def test_it_prints_each_event_once_and_ends_with_ctrl_c(
    amqp_url: str, exchange: str, tmp_path: Path
) -> None:
    async with publishing(amqp_url, exchange) as sink:
        async with listening(amqp_url, exchange, tmp_path) as process:
            for sequence in (1, 2, 1, 2, 3):
                await sink.publish(event(sequence))
            lines = [await next_line(process) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            rest, complaints = await asyncio.wait_for(process.communicate(), WITHIN_S)
            assert (process.returncode, rest, complaints) == (0, b"", b"")
        assert [line.split()[2] for line in lines] == ["1", "2", "3"]
        assert all("ord_1" in line and "order.confirmed" in line for line in lines)
        assert lines[0].endswith("status: pending → confirmed\n")
        for sequence in (3, 4):
            await sink.publish(event(sequence))  # it is away, its queue is not
        async with listening(amqp_url, exchange, tmp_path) as process:
            assert (await next_line(process)).split()[2] == "4"


@pytest.mark.usefixtures("queue")
async def test_it_hears_what_its_binding_says(amqp_url: str, exchange: str, tmp_path: Path) -> None:
    async with (
        publishing(amqp_url, exchange) as sink,
        listening(amqp_url, exchange, tmp_path, "--binding", "order.status.#") as process,
    ):
        await sink.publish(replace(event(1, "ord_note"), machine=None))
        await sink.publish(event(1, "ord_moved"))
        assert "ord_moved" in await next_line(process)


async def test_without_a_broker_it_says_so(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "ORDERSAGA_AMQP_URL"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", "listen", "--data-dir", str(tmp_path)),
        env=env,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaints = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 2
    assert complaints.decode() == "ordersaga: ORDERSAGA_AMQP_URL: is not set\n"
