"""What the engines stand on: a PostgreSQL with a database each, Temporal, the stub provider."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg

from bench.engines.load import Burst, Taken
from bench.engines.registry import OURS_APART
from bench.engines.where import Where
from cli.stack.pids import PidFile
from cli.stack.ports import HOST, _any_free
from cli.stack.postgres import OWNER, Postgres
from cli.stack.processes import Child, Program, http_status
from cli.stack.stack import LocalStack
from cli.stack.state import State

# The product's own server but for these: more sessions than one product has, and two-phase commit.
SETTINGS: Final = {
    "max_connections": "250",
    "max_prepared_transactions": "200",
    "log_line_prefix": "%m [%p] %u@%d ",  # whose statements they are, while they are counted
}
TEMPLATE: Final = "ordersaga"
START_PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Part:
    """A program of an engine. Ready when its port answers HTTP, or it has said so."""

    name: str
    argv: tuple[str, ...]
    port: int | None = None
    path: str = "/"
    says: str = ""
    env: Mapping[str, str] | None = None


class LoadProcess:
    """The callers of one engine (`bench.engines.load`), over its standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def run(self, burst: Burst) -> Taken:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(burst)).encode() + b"\n")
        return Taken(**json.loads(await self._line()))

    async def until_ready(self) -> None:
        while (await self._line()).strip() != b"ready":
            pass

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a load process ended; see its log")
        return line

    def kill(self) -> None:
        self._process.kill()

    async def aclose(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Stage:
    """Everything that runs, and how to reach it."""

    def __init__(self, stack: LocalStack, where: Where, superuser: str, home: Path) -> None:
        self.stack = stack
        self.where = where
        self.superuser = superuser
        self.home = home
        self.parts: dict[str, Child] = {}
        self.loads: dict[str, LoadProcess] = {}
        self._pids = PidFile(stack.data_dir)
        self._exits = AsyncExitStack()

    def where_of(self, engine: str) -> Where:
        owner = self.stack.ready.database_owner.replace(f"/{TEMPLATE}?", f"/{database(engine)}?")
        return self.where.of(engine, owner=owner)

    async def start(self, part: Part, where: Where) -> Child:
        program = _program(part, where, self.stack.logs / f"{part.name}.log")
        child = Child(program, pids=self._pids, say=_say_nothing)
        await child.start()
        self._exits.push_async_callback(child.stop)
        self.parts[part.name] = child
        return child

    async def start_load(self, engine: str) -> LoadProcess:
        """Another one where there is one: the newest is in `loads`."""
        where = self.where_of(engine)
        log = (self.stack.logs / f"load-{engine}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.engines.load",
            engine,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=_environment(where),
            limit=2**26,
        )
        log.close()
        load = LoadProcess(process)
        self._exits.push_async_callback(load.aclose)
        async with asyncio.timeout(START_PATIENCE_S):
            await load.until_ready()
        self.loads[engine] = load
        return load

    async def start_worker(self, name: str) -> Child:
        """Of ours, beside the stack's own."""
        first = self.stack._children["worker"].program
        program = replace(first, name=name, log=self.stack.logs / f"{name}.log")
        child = Child(program, pids=self._pids, say=_say_nothing)
        await child.start()
        self._exits.push_async_callback(child.stop)
        self.parts[name] = child
        return child

    def pids(self, engine: str, parts: Sequence[str]) -> dict[str, int]:
        """Whose CPU an engine's orders cost."""
        stack = self.stack.ready.pids
        found = {"callers": self.loads[engine].pid, "postgres": stack["postgres"]}
        for name in parts:
            pid = stack.get(name) or self.parts[name].pid
            assert pid is not None, f"{name} does not run"
            found[name] = pid
        return found

    async def aclose(self) -> None:
        await self._exits.aclose()


def _say_nothing(_: str) -> None:
    return None


def database(engine: str) -> str:
    """ordersaga's worker sweeps its database for orders nobody drives: each engine has its own."""
    return TEMPLATE if engine == OURS_APART else f"bench_{engine}"


@asynccontextmanager
async def stage_for(
    home: Path, engines: Sequence[str], *, ports: Sequence[str] = ()
) -> AsyncIterator[Stage]:
    """Without the engines' own programs. `ports`: free ones are found for these."""
    chosen = _free_ports(("provider", *ports))
    provider = f"http://{HOST}:{chosen['provider']}"
    async with LocalStack(
        data_dir=home / "data",
        port=0,
        keep_data=False,
        parts={"postgres", "temporal"},
        settings={"payment_provider_url": provider},
    ) as stack:
        superuser = _superuser_url(stack)
        await _configure(stack, superuser)
        databases = await _make_databases(stack, superuser, engines)
        where = Where(
            engine="",
            database="",
            owner="",
            databases=databases,
            temporal=stack.ready.temporal,
            temporal_namespace=stack.ready.temporal_namespace,
            provider=provider,
            provider_key=stack.ready.payment_provider_key,
            ports=chosen,
        )
        stage = Stage(stack, where, superuser, home)
        try:
            argv = _module("bench.engines.provider", str(chosen["provider"]))
            await stage.start(Part("provider", argv, port=chosen["provider"]), where)
            yield stage
        finally:
            await stage.aclose()


def module_part(name: str, module: str, *, says: str) -> Part:
    return Part(name, _module(module), says=says)


async def _configure(stack: LocalStack, superuser: str) -> None:
    connection = await asyncpg.connect(superuser)
    for name, value in SETTINGS.items():
        await connection.execute(f"alter system set {name} = '{value}'")
    await connection.close()
    await stack.stop("postgres")
    await stack.start("postgres")


async def _make_databases(
    stack: LocalStack, superuser: str, engines: Sequence[str]
) -> dict[str, str]:
    connection = await asyncpg.connect(superuser)
    for engine in engines:
        if database(engine) != TEMPLATE:
            await connection.execute(
                f"create database {database(engine)} template {TEMPLATE} owner {OWNER}"
            )
    await connection.close()
    app = stack.ready.database
    return {e: app.replace(f"/{TEMPLATE}?", f"/{database(e)}?") for e in engines}


def _superuser_url(stack: LocalStack) -> str:
    state = State.load(stack.data_dir)
    assert state is not None
    postgres = Postgres.at(
        directory=stack.ready.database_dir,
        port=state.ports["postgres"],
        log=stack.logs / "postgres.log",
        state=state,
    )
    return postgres._superuser_url


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    taken: dict[str, int] = {}
    for name in names:
        taken[name] = _any_free(set(taken.values()))
    return taken


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _environment(where: Where) -> dict[str, str]:
    root = str(Path(__file__).parents[2])  # `bench` is not installed with the product
    return {**os.environ, **where.to_env(), "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}


def _program(part: Part, where: Where, log: Path) -> Program:
    async def is_ready(child: Child) -> bool:
        if part.port is not None:
            return await http_status(host=HOST, port=part.port, path=part.path) is not None
        return child.has_said(part.says)

    return Program(
        name=part.name,
        argv=part.argv,
        env={**_environment(where), **(part.env or {})},
        log=log,
        is_ready=is_ready,
        ready_patience_s=START_PATIENCE_S,
    )
