"""A listener with a durable queue: `python -m sandbox.listeners.queue --queue NAME --books FILE`.

The broker's address comes by the environment, as LISTENER_URL. A message is written down, and only then
acknowledged. A broker that is away is asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from functools import partial

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from sandbox.listeners.diary import Diary
from sandbox.listeners.running import listener_parser, open_diary, run_until_told, say_ready

URL = "LISTENER_URL"
EXCHANGE = "ordersaga.events"
EVERYTHING = "order.#"
PREFETCHED = 50  # messages that are here and not acknowledged yet
CONNECT_TIMEOUT_S = 10.0
HEARTBEAT_S = 5
AGAIN_S = 0.5
AWAY = (AMQPError, OSError, RuntimeError)  # TimeoutError is an OSError


async def _listen(diary: Diary, url: str, queue: str, program: str) -> None:
    if diary.mark is not None:  # the queue is there, and keeps what we miss
        say_ready(program)
    while True:
        with contextlib.suppress(*AWAY):
            await _until_lost(diary, url, queue, program)
        await asyncio.sleep(AGAIN_S)


async def _until_lost(diary: Diary, url: str, queue: str, program: str) -> None:
    lost = asyncio.Event()

    async def hear(message: AbstractIncomingMessage) -> None:
        diary.keep_event(message.body)
        with contextlib.suppress(*AWAY):  # the line is cut: it comes again
            await message.ack()

    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        connection = await aio_pika.connect(url, heartbeat=HEARTBEAT_S)
    async with connection:
        channel = await connection.channel()
        for closed in (connection.close_callbacks, channel.close_callbacks):
            closed.add(lambda *_: lost.set())
        await channel.set_qos(PREFETCHED)
        told = await channel.declare_exchange(EXCHANGE, "topic", durable=True)
        bound = await channel.declare_queue(queue, durable=True)
        await bound.bind(told, EVERYTHING)
        await bound.consume(hear)
        if diary.mark is None:
            diary.begin(queue)
            say_ready(program)
        await lost.wait()


def main() -> None:
    """Parse the command line and listen until SIGTERM."""
    parser = listener_parser(
        program="sandbox.listeners.queue", description="Hears of orders by a queue of RabbitMQ's."
    )
    parser.add_argument("--queue", required=True, help="durable; made and bound if it is not there")
    given = parser.parse_args()
    url = os.environ.get(URL)
    if not url:
        parser.error(f"{URL} is not set")
    diary = open_diary(parser, given.books)
    run_until_told(partial(_listen, diary, url, given.queue, parser.prog))
    diary.close()


if __name__ == "__main__":
    main()
