"""Those who listen while parts die, and die as well: a receiver of webhooks, a mailbox, a queue, a stream.

Each is a process of its own with books of its own (`sandbox/listeners`). They begin before the first order
comes, so that nothing may be missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from adapters.postgres import outbox
from adapters.postgres.pool import connect_pool, reading
from cli.chaos.broker import broker_program, find_broker
from cli.chaos.schedule import BROKER, CONSUMER, FOLLOWER, LISTENERS, MAILBOX, RECEIVER
from cli.stack import LocalStack, StackError
from cli.stack.pids import PidFile
from cli.stack.ports import HOST, is_free
from cli.stack.processes import Child, Program, http_status

# Beside those that a stack takes (`cli.stack.ports`), and below those of outgoing connections.
PORTS: Final = range(12_200, 15_000)
ENDPOINTS: Final = "/v1/webhook-endpoints"
API_TIMEOUT_S: Final = 20.0
KNOWN_WITHIN_S: Final = 30.0  # a sink hears of what happens once the relay knows it
LOOK_EVERY_S: Final = 0.1

SHOP: Final = "Chaos <orders@shop.example>"
SELLER: Final = "seller@shop.example"
QUEUE: Final = "ordersaga.chaos"


class Listeners:
    """`async with listeners.of(stack):`, a stack that was started with `settings`.

    `home`: for their books; a run's own. `has_broker`: RabbitMQ's program is on this machine.
    """

    def __init__(self, home: Path, *, say: Callable[[str], None]) -> None:
        self.home = home.absolute()  # a part runs elsewhere
        self._say = say
        self._script = find_broker()
        names = [*LISTENERS, "nodes"]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._children: dict[str, Child] = {}
        self.endpoint_id = ""

    @property
    def has_broker(self) -> bool:
        return self._script is not None

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that are there."""
        return LISTENERS if self.has_broker else (RECEIVER, MAILBOX, FOLLOWER)

    @property
    def sinks(self) -> frozenset[str]:
        """As the relay names them."""
        return frozenset(["webhooks", "mail", *(["rabbitmq"] if self.has_broker else [])])

    @property
    def settings(self) -> Mapping[str, object]:
        """Fields of `Settings`: whom the worker tells."""
        return {
            "smtp_url": f"smtp://{HOST}:{self._ports[MAILBOX]}?starttls=no",
            "mail_from": SHOP,
            "seller_email": {"*": SELLER},
            "amqp_url": self._amqp_url if self.has_broker else "",
        }

    def books(self, part: str) -> Path:
        """What it heard: SQLite, by the schema of `sandbox/listeners`."""
        return self.home / f"{part}.db"

    async def kill(self, part: str) -> None:
        """SIGKILL; it stays dead until `start`."""
        await self._children[part].kill()

    async def start(self, part: str) -> None:
        """Raises `StackError` where it does not come."""
        await self._children[part].start()

    @asynccontextmanager
    async def of(self, stack: LocalStack) -> AsyncIterator[None]:
        """From here on all of them listen. Raises `StackError`, `Unavailable`."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with httpx.AsyncClient(
            base_url=stack.ready.api,
            headers={"authorization": f"Bearer {stack.ready.keys.ops}"},
            timeout=API_TIMEOUT_S,
            trust_env=False,
        ) as endpoints:
            secret = await self._register(endpoints)
            pids = PidFile(self.home)
            self._children = {
                program.name: Child(program, pids=pids, say=self._say)
                for program in self._programs(stack, secret)
            }
            try:
                await self._start_all()
                await _until_known(stack, self.sinks)
                yield
            finally:
                for part in (part for part in reversed(LISTENERS) if part in self._children):
                    await self._children[part].stop()
                with contextlib.suppress(httpx.HTTPError):  # the API may be dead
                    await self._disable(endpoints)

    @property
    def _amqp_url(self) -> str:
        return f"amqp://{HOST}:{self._ports[BROKER]}/"

    async def _register(self, endpoints: httpx.AsyncClient) -> str:
        """The run's endpoint; its secret."""
        url = f"http://{HOST}:{self._ports[RECEIVER]}/hooks"
        answer = await endpoints.post(
            ENDPOINTS, json={"url": url}, headers={"idempotency-key": f"chaos-{self.home.name}"}
        )
        if answer.status_code != 201:
            raise StackError(f"no endpoint could be made: {answer.status_code} {answer.text}")
        made = answer.json()
        self.endpoint_id = str(made["id"])
        return str(made["secret"])

    async def _disable(self, endpoints: httpx.AsyncClient) -> None:
        """What was delivered stays there for whoever looks."""
        await endpoints.post(
            f"{ENDPOINTS}/{self.endpoint_id}/disable",
            json={},
            headers={"idempotency-key": f"chaos-{self.home.name}-end"},
        )

    async def _start_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part in self.parts:
                if part != CONSUMER:
                    group.create_task(self.start(part))
        if self.has_broker:
            await self.start(CONSUMER)

    def _programs(self, stack: LocalStack, secret: str) -> list[Program]:
        logs, port = stack.logs, str(self._ports[RECEIVER])

        async def answers(_: Child) -> bool:
            return await http_status(host=HOST, port=int(port), path="/healthz") == 200

        async def has_said(child: Child) -> bool:
            return child.has_said("ready")

        def listener(name: str, module: str, *options: str, **env: str) -> Program:
            books = ("--books", str(self.books(name)))
            return Program(
                name=name,
                # -P: a directory named `sandbox` where we were started is not ours.
                argv=(sys.executable, "-P", "-m", f"sandbox.listeners.{module}", *books, *options),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
                log=logs / f"{name}.log",
                is_ready=answers if name == RECEIVER else has_said,
            )

        url, key = f"{stack.ready.api}/v1/events/stream", stack.ready.keys.ops
        found = [
            listener(RECEIVER, "webhooks", "--port", port, LISTENER_SECRET=secret),
            listener(MAILBOX, "mailbox", "--port", str(self._ports[MAILBOX])),
            listener(FOLLOWER, "stream", "--url", url, LISTENER_KEY=key),
        ]
        if self._script is not None:
            broker = broker_program(
                self._script,
                home=self.home / "rabbitmq",
                port=self._ports[BROKER],
                nodes_port=self._ports["nodes"],
                log=logs / f"{BROKER}.log",
            )
            consumer = listener(CONSUMER, "queue", "--queue", QUEUE, LISTENER_URL=self._amqp_url)
            found += [broker, consumer]
        return found


async def _until_known(stack: LocalStack, sinks: Iterable[str]) -> None:
    """Until the relay brings events to all of these."""
    pool = await connect_pool(stack.ready.database, size=1, application_name="ordersaga chaos")
    missing = frozenset(sinks)
    try:
        async with asyncio.timeout(KNOWN_WITHIN_S):
            while missing:
                await asyncio.sleep(LOOK_EVERY_S)
                async with reading(pool) as connection:
                    known = {each.sink for each in await outbox.read_backlog(connection)}
                missing -= known
    except TimeoutError:
        raise StackError(f"the relay does not know {', '.join(sorted(missing))}") from None
    finally:
        await pool.close()


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)  # noqa: S311  not a secret
        if port not in found and is_free(port):
            found.append(port)
    return found
