"""Restate, as its saga guide advises: a service whose handler runs each step by `ctx.run_typed`.

`python -m bench.engines.restate` is the service, served by Hypercorn with the settings of its guide, by one
process. The server is from npm, with its own settings: a log that is synced to disk before it answers.
Durability: each step's rows in PostgreSQL, its result in Restate's log (RocksDB, fsync) before the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import hypercorn
import hypercorn.asyncio
import restate
import uvloop

from bench.engines.calling import NotConfirmed
from bench.engines.flow import UNDO, Ask
from bench.engines.participants import Participants, participants_of
from bench.engines.where import Where
from ordersaga.order import NewOrder

PORTS: Final = ("restate_ingress", "restate_admin", "restate_node", "restate_service")
UNLIMITED: Final = 2_147_483_647  # of the guide's own configuration for production
SERVICE: Final = "BenchOrder"
CALL_TIMEOUT_S: Final = 60.0
SERVER: Final = "restate-server"
INSTALLED: Final = Path(__file__).parents[2] / ".bench/node_modules/@restatedev"

orders = restate.Service(SERVICE)
_participants: list[Participants] = []


@orders.handler()
async def place(ctx: restate.Context, told: dict[str, str]) -> str | None:
    """A step after the other; the undo when one says no."""
    ask = Ask.read(told)
    for name in ask.steps:
        refusal: str | None = await ctx.run_typed(name, _participants[0].step(name), ask=ask)
        if refusal:
            await ctx.run_typed(UNDO, _participants[0].step(UNDO), ask=ask)
            return refusal
    return None


class RestateCaller:
    """Calls the handler through the server's ingress; the order's id is the idempotency key."""

    def __init__(self, http: httpx.AsyncClient, participants: Participants) -> None:
        self._http = http
        self._participants = participants

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await self._participants.accept(order)
        answer = await self._http.post(
            f"/{SERVICE}/place", json=ask.told(), headers={"idempotency-key": order.id}
        )
        answer.raise_for_status()
        if answer.content and answer.json() is not None:
            raise NotConfirmed(answer.text)


@asynccontextmanager
async def calling(where: Where, participants: Participants) -> AsyncIterator[RestateCaller]:
    async with httpx.AsyncClient(
        base_url=where.url("restate_ingress"),
        timeout=CALL_TIMEOUT_S,
        trust_env=False,
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=100),
    ) as http:
        yield RestateCaller(http, participants)


def find_server() -> Path | None:
    """Where `make bench` puts it; else on the PATH. (Not npm's wrapper: killed, it leaves the server.)"""
    for found in sorted(INSTALLED.glob(f"{SERVER}-*/bin/{SERVER}")):
        return found
    anywhere = shutil.which(SERVER)
    return Path(anywhere) if anywhere else None


def server_command(
    server: Path, where: Where, directory: Path
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Its arguments and its environment: loopback only, nothing told to anybody."""
    ports = where.ports
    environment = {
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ports['restate_ingress']}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{ports['restate_admin']}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{ports['restate_node']}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{ports['restate_node']}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        "DO_NOT_TRACK": "1",
    }
    arguments = ("--node-name=bench", f"--base-dir={directory}", "--listen-mode=tcp", "--no-logo")
    return (str(server), *arguments), environment


async def register(where: Where) -> None:
    """Tells the server where the service is."""
    async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S, trust_env=False) as http:
        body: dict[str, Any] = {"uri": where.url("restate_service"), "force": True}
        answer = await http.post(f"{where.url('restate_admin')}/deployments", json=body)
        answer.raise_for_status()


async def serve(where: Where) -> None:
    """Until it is ended."""
    async with participants_of(where) as participants:
        _participants[:] = [participants]
        config = hypercorn.Config()
        config.bind = [f"127.0.0.1:{where.ports['restate_service']}"]
        config.h2_max_concurrent_streams = UNLIMITED
        config.keep_alive_max_requests = UNLIMITED
        config.keep_alive_timeout = UNLIMITED
        config.loglevel = "ERROR"
        await hypercorn.asyncio.serve(restate.app(services=[orders]), config)


if __name__ == "__main__":
    os.environ.setdefault("RESTATE_LOGGING", "ERROR")
    uvloop.run(serve(Where.from_env()))
