"""Starts the programs of each engine, and says which engines cannot be had here."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bench.engines import two_phase
from bench.engines.registry import ENTRIES, OURS_APART, Entry, engines_of, is_installed
from bench.engines.stage import Part, Stage, module_part, stage_for

RESTATE_PORTS = ("restate_ingress", "restate_admin", "restate_node", "restate_service")


def choose(keys: Sequence[str]) -> tuple[list[Entry], dict[str, str]]:
    """Those that can run, and of the others why not. `keys`: only these; none: all."""
    wanted = [entry for entry in ENTRIES if not keys or entry.key in keys]
    missing = {entry.key: _lacks(entry) for entry in wanted}
    chosen = [entry for entry in wanted if not missing[entry.key]]
    return chosen, {key: why for key, why in missing.items() if why}


def _lacks(entry: Entry) -> str:
    if not is_installed(entry):
        return f"{entry.package} is not installed: pip install 'ordersaga[bench]'"
    if entry.engine == "restate":
        from bench.engines.restate import find_server

        if find_server() is None:
            return "restate-server is not there: npm puts it into .bench"
    return ""


@asynccontextmanager
async def everything_for(home: Path, entries: Sequence[Entry]) -> AsyncIterator[Stage]:
    """A stage with every engine of these on it, their callers too."""
    engines = engines_of(entries)
    databases = [e for e in engines if e != "two_phase"]
    if "two_phase" in engines:
        databases += two_phase.DATABASES
    async with stage_for(home, databases, ports=RESTATE_PORTS) as stage:
        if OURS_APART in engines:
            await stage.stack.start("worker")
        if "temporal_sample" in engines:
            part = module_part(
                "sample worker", "bench.engines.temporal_sample", says="worker ready"
            )
            await stage.start(part, stage.where_of("temporal_sample"))
        if "restate" in engines:
            await _start_restate(stage, home / "restate")
        if "two_phase" in engines:
            await two_phase.prepare_databases(
                {name: stage.where_of(name).owner for name in two_phase.DATABASES}
            )
        for engine in engines:
            await stage.start_load(engine)
        yield stage


async def _start_restate(stage: Stage, directory: Path) -> None:
    from bench.engines.restate import find_server, register, server_command

    where = stage.where_of("restate")
    server = find_server()
    assert server is not None
    service = (sys.executable, "-m", "bench.engines.restate")
    await stage.start(
        Part("restate service", service, port=where.ports["restate_service"], path="/health"), where
    )
    argv, env = server_command(server, where, directory)
    await stage.start(
        Part("restate server", argv, port=where.ports["restate_admin"], path="/health", env=env),
        where,
    )
    await register(where)
