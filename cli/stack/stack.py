"""Starts all parts, each as soon as what it needs is there; watches them; stops them in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.stack.errors import PartEnded, StackError
from cli.stack.files import write_private
from cli.stack.lock import DataDirLock
from cli.stack.pids import PidFile
from cli.stack.ports import HOST, choose_ports
from cli.stack.postgres import Postgres
from cli.stack.processes import Child, Program
from cli.stack.programs import (
    Webhook,
    api_program,
    carrier_program,
    environment,
    provider_program,
    server_program,
    settings_for,
    worker_program,
)
from cli.stack.purge import remove_data
from cli.stack.ready import READY_FILE, Keys, Ready, WebhookSecrets
from cli.stack.state import State
from cli.stack.temporal import NAMESPACE, temporal_program
from cli.stack.users import database_dir, database_user
from ordersaga.config import STRIPE
from ordersaga.order import MERCHANT, SANDBOX

# First what serves, last what keeps: nobody loses a part it still uses.
STOP_ORDER = ("api", "server", "worker", "carrier", "provider", "temporal", "postgres")
OURS_APART = frozenset({"api", "worker"})
OURS_IN_ONE = frozenset({"server"})  # both in one process
OTHERS = frozenset(STOP_ORDER) - OURS_APART - OURS_IN_ONE
ALL_PARTS = OTHERS | OURS_APART
ALL_IN_ONE = OTHERS | OURS_IN_ONE

DEMO_TENANT = "demo"
KEY_SCOPES = {
    "write": ["orders:read", "orders:write"],
    "read": ["orders:read"],
    "ops": ["orders:read", "orders:write", "ops"],
}

NO_KEYS = Keys(write="", read="", ops="")  # of a stack that never had its API started

# A PostgreSQL killed a moment ago may still have sessions that have not noticed.
POSTGRES_TRIES = 4
POSTGRES_RETRY_S = 0.5


class LocalStack:
    """`async with LocalStack(data_dir=…) as stack: stack.ready.api …`

    `port`: the API's, if it is free; 0 takes free ports for every part, for stacks side by side.
    `settings`: fields of `Settings` to set otherwise. `env`: instead of this process's own.
    `ready_file`: written once all is ready, as the data directory's own ready.json is.
    `parts`: start only these; where nothing is said, all, with API and worker apart.
    `keep_data=False`: remove everything at the end.
    `say`: told when a part dies and comes back.
    Enter it on the main thread: Linux ends the children when the thread that started them ends.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        port: int | None = None,
        settings: Mapping[str, object] | None = None,
        env: Mapping[str, str] | None = None,
        parts: Collection[str] = ALL_PARTS,
        keep_data: bool = True,
        ready_file: Path | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.logs = self.data_dir / "logs"
        self.start_s: dict[str, float] = {}
        self.ended_stale: list[str] = []
        self._port = port
        self._overrides = dict(settings or {})
        self._env = dict(os.environ if env is None else env)
        self._parts = frozenset(STOP_ORDER) & set(parts)
        self._keep_data = keep_data
        self._ready_file = ready_file
        self._say = say
        self._children: dict[str, Child] = {}
        self._lock: DataDirLock | None = None
        self._is_complete = False

    async def __aenter__(self) -> Self:
        began_s = time.monotonic()
        self._make_data_dir()
        self._lock = DataDirLock.acquire(self.data_dir)
        try:
            if self._ready_file is not None:
                self._ready_file.unlink(missing_ok=True)  # of an earlier stack
            self.ended_stale = await asyncio.to_thread(PidFile(self.data_dir).end_stale)
            self._plan()
            await self._start_parts()
        except BaseException as error:
            await self._stop_parts()
            raise _first_reason(error) from None
        self.start_s["all"] = round(time.monotonic() - began_s, 2)
        self._is_complete = True
        self._write_ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop_parts()

    @property
    def ready(self) -> Ready:
        """What runs where, now; `pids` of the parts that are up."""
        state, ports = self._state, self._ports
        return Ready(
            api=_url(ports["api"]),
            console=f"{_url(ports['api'])}/console",
            temporal=f"{HOST}:{ports['temporal']}",
            temporal_namespace=NAMESPACE,
            temporal_ui=_url(ports["temporal_ui"]),
            database=self._postgres.app_url,
            database_owner=self._postgres.owner_url,
            payment_provider=_url(ports["provider"]),
            payment_provider_key=state.provider_key,
            carrier=_url(ports["carrier"]),
            carrier_key=state.carrier_key,
            keys=state.keys or NO_KEYS,
            webhook_secrets=state.webhook_secrets,
            pids={
                name: child.pid
                for name, child in self._children.items()
                if child.pid and child.is_up
            },
            data_dir=self.data_dir,
            database_dir=self._postgres.directory,
            logs=self.logs,
            start_s=self.start_s,
        )

    async def start(self, name: str) -> None:
        """Starts a part again after `stop` or `kill`; returns when it is ready."""
        await self._children[name].start()
        self._write_ready()

    async def stop(self, name: str) -> None:
        """Stops a part in good order; it stays away until `start`."""
        await self._children[name].stop()
        self._write_ready()

    async def kill(self, name: str) -> None:
        """SIGKILL; it stays dead until `start`. (One killed from outside is started again.)"""
        await self._children[name].kill()
        self._write_ready()

    def pid(self, name: str) -> int | None:
        return self._children[name].pid

    def _make_data_dir(self) -> None:
        # Root's PostgreSQL runs as another user, who has to pass through, and sees nothing.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        if not self.data_dir.exists():
            self.data_dir.mkdir(parents=True)
            self.data_dir.chmod(mode)
        self.logs.mkdir(exist_ok=True, mode=0o700)

    def _plan(self) -> None:
        """Decides where everything goes, and how it is run."""
        remembered = State.load(self.data_dir)
        if remembered is None and (self.data_dir / "postgres").exists():
            raise StackError(
                f"{self.data_dir} has a database, but no state.json with its passwords: "
                "put that back, or choose another --data-dir"
            )
        state = remembered or State()
        self._ports = choose_ports(
            last_time=state.ports, api_port=self._port, usual=self._port != 0
        )
        directory = state.database_dir or database_dir(self.data_dir, database_user())
        self._remember(state.model_copy(update={"ports": self._ports, "database_dir": directory}))
        self._postgres = Postgres.at(
            directory=directory,
            port=self._ports["postgres"],
            log=self._log("postgres"),
            state=self._state,
        )
        pids = PidFile(self.data_dir)
        self._children = {
            program.name: Child(program, pids=pids, say=self._tell) for program in self._programs()
        }

    def _programs(self) -> list[Program]:
        ports, state, data_dir = self._ports, self._state, self.data_dir
        settings = settings_for(
            self._env,
            {
                "database_url": self._postgres.app_url,
                "payment_provider_url": _url(ports["provider"]),
                "payment_provider_key": state.provider_key,
                "carrier_url": _url(ports["carrier"]),
                "carrier_key": state.carrier_key,
                **_webhook_settings(state.webhook_secrets),
                "temporal_ui_url": _url(ports["temporal_ui"]),
                "webhooks_to_private": True,
                "public_url": _url(ports["api"]),
                "link_secrets": [state.link_secret],
                **self._overrides,
            },
        )
        env = environment(self._env, settings=settings, temporal=f"{HOST}:{ports['temporal']}")
        webhooks = f"{_url(ports['api'])}/v1/webhooks"
        return [
            self._postgres.program(),
            temporal_program(ports=ports, data_dir=data_dir, log=self._log("temporal")),
            provider_program(
                port=ports["provider"],
                data_dir=data_dir,
                log=self._log("provider"),
                key=state.provider_key,
                env=env,
                webhook=Webhook(
                    url=f"{webhooks}/payments/{STRIPE}", secret=state.webhook_secrets.payments
                ),
            ),
            carrier_program(
                port=ports["carrier"],
                data_dir=data_dir,
                log=self._log("carrier"),
                key=state.carrier_key,
                env=env,
                webhook=Webhook(
                    url=f"{webhooks}/carriers/{SANDBOX}", secret=state.webhook_secrets.carrier
                ),
            ),
            worker_program(log=self._log("worker"), env=env),
            api_program(port=ports["api"], log=self._log("api"), env=env),
            server_program(port=ports["api"], log=self._log("server"), env=env),
        ]

    async def _start_parts(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_database())
            for name in ("temporal", "provider", "carrier"):
                group.create_task(self._start_part(name))
        async with asyncio.TaskGroup() as group:
            for name in ("worker", "api", "server"):
                group.create_task(self._start_part(name))

    async def _start_database(self) -> None:
        if "postgres" not in self._parts:
            return
        async with self._timed("initdb"):
            await asyncio.to_thread(self._postgres.initialise)
        for tries_left in reversed(range(POSTGRES_TRIES)):
            try:
                await self._start_part("postgres")
                break
            except PartEnded:
                if not tries_left:
                    raise
                await asyncio.sleep(POSTGRES_RETRY_S)
        async with self._timed("migrations"):
            from adapters.postgres.migrate import migrate

            await self._postgres.create_roles_and_database()
            await migrate(self._postgres.owner_url)
        if self._parts & {"api", "server"}:
            async with self._timed("keys"):
                await self._make_keys()

    async def _start_part(self, name: str) -> None:
        if name not in self._parts:
            return
        async with self._timed(name):
            await self._children[name].start()

    async def _make_keys(self) -> None:
        if self._state.keys is not None:
            return
        import asyncpg

        from adapters.postgres.api_keys import create_api_key

        connection = await asyncpg.connect(self._postgres.app_url)
        try:
            keys = {
                name: await create_api_key(
                    connection, tenant=DEMO_TENANT, scopes=scopes, name=f"local {name}"
                )
                for name, scopes in KEY_SCOPES.items()
            }
        finally:
            await connection.close()
        self._remember(self._state.model_copy(update={"keys": Keys(**keys)}))

    async def _stop_parts(self) -> None:
        (self.data_dir / READY_FILE).unlink(missing_ok=True)
        self._is_complete = False
        for name in STOP_ORDER:
            if name in self._children:
                await self._children[name].stop()
        if not self._keep_data:
            remove_data(self.data_dir)
        if self._lock is not None:
            self._lock.release()

    def _tell(self, message: str) -> None:
        self._write_ready()
        self._say(message)

    def _write_ready(self) -> None:
        if self._is_complete:
            text = self.ready.model_dump_json(indent=2) + "\n"
            write_private(self.data_dir / READY_FILE, text)
            if self._ready_file is not None:
                write_private(self._ready_file, text)

    def _remember(self, state: State) -> None:
        self._state = state
        state.save(self.data_dir)

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    @asynccontextmanager
    async def _timed(self, part: str) -> AsyncIterator[None]:
        began_s = time.monotonic()
        yield
        self.start_s[part] = round(time.monotonic() - began_s, 2)


def _webhook_settings(secrets: WebhookSecrets) -> dict[str, object]:
    """Whose messages our API takes. `sandbox` payments: for messages that a person makes."""
    return {
        "payment_webhook_secrets": {STRIPE: [secrets.payments], SANDBOX: [secrets.payments]},
        "carrier_webhook_secrets": {SANDBOX: [secrets.carrier], MERCHANT: [secrets.merchant]},
    }


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _first_reason(error: BaseException) -> BaseException:
    """Parts start side by side; the first that failed is the one to tell."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
