"""`ordersaga listen`: a listener as others would write one, with RabbitMQ and a file of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Final, Self

import typer

from cli.endings import MISUSED, give_up
from cli.options import DEFAULT_DATA_DIR, DataDir

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

AMQP_URL: Final = "ORDERSAGA_AMQP_URL"
DEFAULT_QUEUE: Final = "ordersaga.listen"
DEFAULT_EXCHANGE: Final = "ordersaga.events"
EVERYTHING: Final = "order.#"
PREFETCHED: Final = 100  # messages that are here and not acknowledged yet
HEARTBEAT_S: Final = 15
RECONNECT_S: Final = 1.0


class Heard:
    """Which events were heard, in a file: of each order the highest sequence. `with Heard(path) as heard:`"""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = sqlite3.connect(self._path)
        self._rows.execute(
            "create table if not exists heard (order_id text primary key, sequence int not null)"
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()

    def once(self, order_id: str, sequence: int, work: Callable[[], None]) -> None:
        """Does it within the transaction that remembers it; not again for what was heard before."""
        with self._rows:
            changed = self._rows.execute(
                "insert into heard values (?, ?) on conflict (order_id) do update"
                " set sequence = excluded.sequence where excluded.sequence > heard.sequence",
                (order_id, sequence),
            )
            if changed.rowcount == 1:
                work()


def command(
    queue: Annotated[
        str, typer.Option(help="A durable queue of your own; it keeps what you miss.")
    ] = DEFAULT_QUEUE,
    binding: Annotated[
        list[str] | None,
        typer.Option(help="Which events, as a pattern of routing keys; several: once for each."),
    ] = None,
    exchange: Annotated[str, typer.Option(help="Where the events are told.")] = DEFAULT_EXCHANGE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print each event of the orders that RabbitMQ (ORDERSAGA_AMQP_URL) brings, until Ctrl-C.

    Each comes at least once, each order's in their order, and is printed
    once: what was heard before is kept in --data-dir.

    The queue stays, and collects what comes meanwhile. To end that:
    rabbitmqctl delete_queue NAME
    """
    url = os.environ.get(AMQP_URL)
    if not url:
        give_up(f"{AMQP_URL}: is not set", code=MISUSED)
    name = re.sub(r"[^\w.-]", "_", queue)
    with Heard(data_dir / f"heard.{name}.db") as heard:
        asyncio.run(_listen(url, exchange, queue, binding or [EVERYTHING], heard))


async def _listen(url: str, exchange: str, queue: str, bindings: list[str], heard: Heard) -> None:
    import aio_pika
    from aio_pika.exceptions import AMQPError

    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        connection = await aio_pika.connect_robust(
            url, heartbeat=HEARTBEAT_S, reconnect_interval=RECONNECT_S
        )
    except (AMQPError, OSError) as error:
        give_up(f"RabbitMQ does not take us: {error}")
    async with connection:
        bound = await _bind(await connection.channel(), exchange, queue, bindings)

        async def on_message(message: AbstractIncomingMessage) -> None:
            event = json.loads(message.body)["data"]
            heard.once(event["order_id"], event["sequence"], lambda: typer.echo(_line(event)))
            with contextlib.suppress(AMQPError, RuntimeError):  # the line is cut: it comes again
                await message.ack()

        await bound.consume(on_message)
        typer.echo(f"listening on {queue} to {', '.join(bindings)}; Ctrl-C ends it", err=True)
        await stop.wait()


async def _bind(
    channel: AbstractChannel, exchange: str, queue: str, bindings: list[str]
) -> AbstractQueue:
    """A durable queue of its own, with these of the exchange's events, and after an outage again."""
    await channel.set_qos(PREFETCHED)
    told = await channel.declare_exchange(exchange, "topic", durable=True)
    bound = await channel.declare_queue(queue, durable=True)
    for binding in bindings:
        await bound.bind(told, binding)
    return bound


def _line(event: dict[str, str | None]) -> str:
    """Time, order, what happened, and what that moved."""
    moved = f"  {event['machine']}: {event['from']} → {event['to']}" if event["machine"] else ""
    return f"{event['occurred_at']}  {event['order_id']}  {event['sequence']:>3}  {event['type']}{moved}"
