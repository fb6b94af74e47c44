"""What the relay costs beside a plain publish loop: events a second, and from a change to its receipt.

`python -m bench.relay [--amqp URL] [--rounds R] [--events N] [--output F]`. Both publish the same events to
the same broker by the same code, with confirms, an order's one after the other; the loop has them in
memory and forgets what it has told. In turns, so that only the ratios are to be believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Final

import aio_pika
import typer
from rich.console import Console
from rich.table import Table

from adapters.postgres import outbox
from adapters.postgres.history import lock_order, record
from adapters.postgres.pool import Pool, connect_pool, reading, transaction
from adapters.rabbitmq import RabbitPublisher
from cli.stack.stack import LocalStack
from ordersaga.events import OrderEvent
from ordersaga.history import Happening
from tests.postgres.merchant import Merchant, card
from worker.relay.lane import AT_ONCE
from worker.relay.relay import Relay

BROKER: Final = "amqp://127.0.0.1/"  # with the login that a new broker has, from this machine only
ORDERS: Final = 100  # that things happen to
EVERY_S: Final = 0.02  # one change, while its way is timed
CHANGES: Final = 200
KEPT_S: Final = 3600.0


@dataclass
class Receiver:
    """Somebody who listens to the exchange: when each event came first."""

    at_s: dict[str, float] = field(default_factory=dict)

    async def take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.at_s.setdefault(message.message_id or "", time.perf_counter())
        await message.ack()

    async def has(self, ids: set[str]) -> None:
        while not ids <= self.at_s.keys():  # noqa: ASYNC110  as near to it as a look can be
            await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Bench:
    pool: Pool
    database_url: str
    amqp: str
    exchange: str
    receiver: Receiver
    orders: tuple[str, ...]

    def publisher(self, name: str) -> RabbitPublisher:
        return RabbitPublisher(self.amqp, name=name, exchange=self.exchange)

    async def change(self, order_id: str) -> str:
        """One event of an order; its id."""
        async with transaction(self.pool) as connection:
            order = await record(
                connection,
                await lock_order(connection, order_id),
                Happening.of("cancel.requested", request="bench"),
            )
        return f"{order_id}:{order.state.version}"

    @asynccontextmanager
    async def relaying(self, publisher: RabbitPublisher) -> AsyncIterator[None]:
        relay = Relay(
            self.pool, database_url=self.database_url, publishers=[publisher], kept_s=KEPT_S
        )
        working = asyncio.create_task(relay.run_forever())
        try:
            yield
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            await publisher.aclose()


def main(
    amqp: Annotated[str, typer.Option(help="A broker, on this machine.")] = BROKER,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    events: Annotated[int, typer.Option(help="In each round.", min=ORDERS)] = 2_000,
    output: Annotated[Path | None, typer.Option(help="Where the figures go, as JSON.")] = None,
) -> None:
    """Measure, print a table, write the figures."""
    with tempfile.TemporaryDirectory(prefix="ordersaga-bench-") as home:
        Path(home).chmod(0o711)  # where we are root, PostgreSQL runs as another user
        figures = asyncio.run(_run(Path(home), amqp, rounds, events))
    table = Table("", "plain loop", "relay", "relay / plain")
    for name, unit in (("throughput", "events/s"), ("p50", "ms"), ("p99", "ms")):
        row = figures[name]
        table.add_row(
            f"{name}, {unit}", f"{row['plain']:.1f}", f"{row['relay']:.1f}", f"{row['ratio']:.2f} x"
        )
    Console().print(table)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(figures, indent=1) + "\n")


async def _run(home: Path, amqp: str, rounds: int, events: int) -> dict[str, dict[str, float]]:
    taken: dict[str, list[tuple[float, float]]] = {"throughput": [], "p50": [], "p99": []}
    async with _bench(home, amqp) as bench:
        for number in range(rounds):
            rates = (await _loop(bench, number, events), await _relay(bench, number, events))
            taken["throughput"].append(rates)
            plain = await _timed(bench, number, _publishing(bench, number))
            async with bench.relaying(bench.publisher(f"bench-timed-{number}")):
                await _until_known(bench, f"bench-timed-{number}")
                relayed = await _timed(bench, number, None)
            for name, at in (("p50", 49), ("p99", 98)):
                taken[name].append((plain[at], relayed[at]))
    return {
        name: {
            "plain": round(median(plain for plain, _ in each), 2),
            "relay": round(median(relay for _, relay in each), 2),
            "ratio": round(median(relay / plain for plain, relay in each), 2),
        }
        for name, each in taken.items()
    }


async def _loop(bench: Bench, number: int, events: int) -> float:
    """Events a second of a loop that has them in memory."""
    async with reading(bench.pool) as connection:
        after = await outbox.newest_position(connection)
    await _happen(bench, events)
    async with reading(bench.pool) as connection:
        while await outbox.stamp(connection, limit=1_000):
            pass
        told = await outbox.read_after(connection, after, limit=events)
    publisher, turns = bench.publisher(f"bench-plain-{number}"), asyncio.Semaphore(AT_ONCE)

    async def tell(chain: list[OrderEvent]) -> None:
        async with turns:
            for event in chain:
                await publisher.publish(event)

    began_s = time.perf_counter()
    await asyncio.gather(*(tell(chain) for chain in outbox.by_order(told).values()))
    await bench.receiver.has({event.id for event in told})
    took_s = time.perf_counter() - began_s
    await publisher.aclose()
    return events / took_s


async def _relay(bench: Bench, number: int, events: int) -> float:
    """Events a second of a relay that has as many before it when it starts."""
    sink = f"bench-relay-{number}"
    async with reading(bench.pool) as connection:
        await outbox.begin_cursors(connection, sink)
    told = await _happen(bench, events)
    began_s = time.perf_counter()
    async with bench.relaying(bench.publisher(sink)):
        await bench.receiver.has(told)
        return events / (time.perf_counter() - began_s)


async def _timed(
    bench: Bench, number: int, tell: Callable[[str], Awaitable[None]] | None
) -> list[float]:
    """Percentiles of milliseconds from a change's commit to its receipt."""
    committed: dict[str, float] = {}
    for n in range(CHANGES):
        order_id = bench.orders[(number + n) % ORDERS]
        event_id = await bench.change(order_id)
        committed[event_id] = time.perf_counter()
        if tell is not None:
            await tell(event_id)
        await asyncio.sleep(EVERY_S)
    await bench.receiver.has(set(committed))
    return quantiles(
        [(bench.receiver.at_s[one] - at_s) * 1000 for one, at_s in committed.items()], n=100
    )


def _publishing(bench: Bench, number: int) -> Callable[[str], Awaitable[None]]:
    """What a service does that tells right after its commit, and loses it when it dies in between."""
    publisher = bench.publisher(f"bench-direct-{number}")

    async def tell(event_id: str) -> None:
        order_id, _, sequence = event_id.partition(":")
        async with reading(bench.pool) as connection:
            row = await connection.fetchrow(
                "select o.tenant, e.* from order_events e join orders o on o.id = e.order_id"
                " where e.order_id = $1 and e.sequence = $2",
                order_id,
                int(sequence),
            )
        assert row is not None
        event = outbox.event_of(row)
        await publisher.publish(event)

    return tell


async def _happen(bench: Bench, events: int) -> set[str]:
    """So many events, over all orders."""
    told: set[str] = set()

    async def one(order_id: str) -> None:
        for _ in range(events // ORDERS):
            told.add(await bench.change(order_id))

    await asyncio.gather(*(one(order_id) for order_id in bench.orders))
    return told


async def _until_known(bench: Bench, sink: str) -> None:
    while True:
        async with reading(bench.pool) as connection:
            if sink in {each.sink for each in await outbox.read_backlog(connection)}:
                return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _bench(home: Path, amqp: str) -> AsyncIterator[Bench]:
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"postgres"}
    ) as stack:
        pool = await connect_pool(stack.ready.database, size=16, application_name="bench")
        merchant = Merchant(pool)
        orders = tuple([(await merchant.remote_order(card(1000))).id for _ in range(ORDERS)])
        receiver, exchange = Receiver(), f"ordersaga.bench.{secrets.token_hex(4)}"
        connection = await aio_pika.connect(amqp)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        topic = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(topic, "order.#")
        await queue.consume(receiver.take)
        try:
            yield Bench(pool, stack.ready.database, amqp, exchange, receiver, orders)
        finally:
            await topic.delete()
            await connection.close()
            await pool.close()


if __name__ == "__main__":
    typer.run(main)
