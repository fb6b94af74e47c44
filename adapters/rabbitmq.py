"""RabbitMQ: a topic exchange that anybody binds a queue to, told of every event and asked to confirm it.

No queue is ours. An event that nobody has bound a queue for is delivered all the same: it was told, and
nobody listened.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Final

import aio_pika
import orjson
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError
from aiormq.abc import DeliveredMessage
from prometheus_client import Counter

from ordersaga.errors import Unacceptable, Unavailable
from ordersaga.events import CONTENT_TYPE, OrderEvent

EXCHANGE: Final = "ordersaga.events"
CONNECT_TIMEOUT_S: Final = 10.0
CONFIRM_TIMEOUT_S: Final = (
    10.0  # a broker that is short of memory or disk takes, and does not confirm
)
CLOSE_TIMEOUT_S: Final = 2.0  # of a connection that may be dead
HEARTBEAT_S: Final = 15  # a line that was cut without a word is known after two of them
MOST_BYTES: Final = 1_000_000  # a hundred times our largest event; brokers take 16 MiB by default

# How a broker says that its own limit is lower. It closes the channel with it, and so all that is on it.
_TOO_LARGE: Final = re.compile(r"message size \d+ .*max size (\d+)")

_AWAY: Final = (
    AMQPError,
    ChannelInvalidStateError,
    OSError,  # TimeoutError is one
    RuntimeError,  # a connection that was closed in between
)

UNHEARD: Final = Counter(
    "ordersaga_events_unheard", "Events for which nobody has bound a queue.", ["sink"]
)

log = structlog.get_logger(__name__)


class RabbitPublisher:
    """A `Publisher`. `url`: amqp:// or amqps://.

    Connects with the first event, and anew with the next one after an outage: who waits before it asks
    again is the relay.
    """

    def __init__(self, url: str, *, name: str = "rabbitmq", exchange: str = EXCHANGE) -> None:
        self.name = name
        self._url = url
        self._exchange_name = exchange
        self._most_bytes = MOST_BYTES
        self._turn = asyncio.Lock()  # one connects, the others wait for it
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None
        self._unheard: set[str] = set()  # routing keys, each logged once a connection

    async def publish(self, event: OrderEvent) -> None:
        """Returns when the broker has it, on disk where its queues are durable."""
        body = orjson.dumps(event.to_cloudevent())
        if len(body) > self._most_bytes:
            raise Unacceptable(f"{len(body)} bytes, and the broker takes {self._most_bytes}")
        exchange = await self._connected()
        try:
            with self._in_our_words():
                confirmed = await exchange.publish(
                    _message(event, body), event.routing_key, timeout=CONFIRM_TIMEOUT_S
                )
        except Unavailable as away:
            self._learn_limit(str(away))
            await self._disconnect(exchange)
            raise
        if isinstance(confirmed, DeliveredMessage):
            self._note_unheard(event.routing_key)

    async def aclose(self) -> None:
        await self._disconnect(self._exchange)

    async def _connected(self) -> AbstractExchange:
        async with self._turn:
            if self._exchange is None or self._channel is None or self._channel.is_closed:
                await self._close()
                with self._in_our_words():
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        self._exchange = await self._connect()
            return self._exchange

    async def _connect(self) -> AbstractExchange:
        self._connection = await aio_pika.connect(self._url, heartbeat=HEARTBEAT_S)
        self._channel = await self._connection.channel(on_return_raises=False)
        self._unheard.clear()
        log.info("rabbitmq.connected", sink=self.name)
        return await self._channel.declare_exchange(
            self._exchange_name, aio_pika.ExchangeType.TOPIC, durable=True
        )

    async def _disconnect(self, exchange: AbstractExchange | None) -> None:
        """From this one; of many that failed on it, the first does."""
        async with self._turn:
            if exchange is self._exchange:
                await self._close()

    async def _close(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Unavailable), self._in_our_words():
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()

    @contextlib.contextmanager
    def _in_our_words(self) -> Iterator[None]:
        """Raises `Unacceptable`, `Unavailable`."""
        try:
            yield
        except DeliveryError:  # an AMQPError too
            raise Unacceptable("the broker refused it") from None
        except _AWAY as error:
            raise Unavailable(f"{self.name}: {str(error) or type(error).__name__}") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # The library's word for a line that it closed: nobody has cancelled us.
            raise Unavailable(f"{self.name}: the line was closed") from None

    def _learn_limit(self, said: str) -> None:
        """Until this process ends: what is larger stops no other event again."""
        told = _TOO_LARGE.search(said)
        if told is not None:
            self._most_bytes = int(told[1])

    def _note_unheard(self, routing_key: str) -> None:
        UNHEARD.labels(sink=self.name).inc()
        if routing_key not in self._unheard:
            self._unheard.add(routing_key)
            log.info("rabbitmq.unheard", sink=self.name, route=routing_key)


def _message(event: OrderEvent, body: bytes) -> aio_pika.Message:
    """A CloudEvent in structured mode: all of it is in the body."""
    return aio_pika.Message(
        body,
        content_type=CONTENT_TYPE,
        content_encoding="utf-8",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=event.id,
        type=event.type,
        timestamp=event.occurred_at,
    )
