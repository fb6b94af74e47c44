"""DBOS, as its guide advises: a library in the caller's own process, its tables in the same database.

A transaction of its datasources would keep a step's record with its work, and is recorded as a step besides:
plain steps cost less, and the fence makes them safe to repeat.
Durability: workflow and steps as rows in PostgreSQL, each committed before the next step begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dbos import DBOS, DBOSConfig, SetWorkflowID

from bench.engines.calling import NotConfirmed
from bench.engines.flow import UNDO, Ask
from bench.engines.participants import Participants
from bench.engines.where import Where
from ordersaga.order import NewOrder

SYSTEM_POOL: Final = 20  # its own default

_participants: list[Participants] = []  # DBOS's functions are of the module: it finds them by name


@DBOS.step()
async def run_step(name: str, told: dict[str, str]) -> str | None:
    """Recorded once done; run again when the process died before."""
    return await _participants[0].step(name)(Ask.read(told))


@DBOS.workflow()
async def durable_order(told: dict[str, str]) -> str | None:
    """A step after the other; the undo when one says no."""
    for name in Ask.read(told).steps:
        refusal: str | None = await run_step(name, told)
        if refusal:
            await run_step(UNDO, told)
            return refusal
    return None


class DbosCaller:
    """Calls the workflow function, as a request handler would."""

    def __init__(self, participants: Participants) -> None:
        self._participants = participants

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await self._participants.accept(order)
        with SetWorkflowID(order.id):
            refusal = await durable_order(ask.told())
        if refusal:
            raise NotConfirmed(refusal)


@asynccontextmanager
async def calling(where: Where, participants: Participants) -> AsyncIterator[DbosCaller]:
    _participants[:] = [participants]
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": where.owner,
        "sys_db_pool_size": SYSTEM_POOL,
        "log_level": "ERROR",
        "application_version": "bench",
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield DbosCaller(participants)
    finally:
        await asyncio.to_thread(DBOS.destroy)
