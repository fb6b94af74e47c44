"""No engine: asyncpg and httpx alone, in the caller's process.

Durability: PostgreSQL's, of each step by itself. Nobody goes on with an order whose process dies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.engines.calling import NotConfirmed
from bench.engines.flow import Ask
from bench.engines.participants import Participants
from bench.engines.where import Where
from ordersaga.order import NewOrder


class Alone:
    def __init__(self, participants: Participants) -> None:
        self._participants = participants

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await self._participants.accept(order)
        if refusal := await self._participants.run(ask):
            raise NotConfirmed(refusal)


@asynccontextmanager
async def calling(where: Where, participants: Participants) -> AsyncIterator[Alone]:
    yield Alone(participants)
