"""The saga as Temporal's samples write it: a queued activity a step, one after the other.

`python -m bench.engines.temporal_sample` is its worker, with the SDK's own settings: workflow sandbox
on, five pollers. It has the dev server of ordersaga, with one task-queue partition and a database file.
Durability: each step's rows in PostgreSQL and their history in Temporal's SQLite file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import uvloop
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from bench.engines.calling import NotConfirmed
from bench.engines.flow import STEPS, UNDO, Ask
from bench.engines.participants import Participants, participants_of
from bench.engines.temporal_workflow import TextbookOrder
from bench.engines.where import Where
from ordersaga.order import NewOrder

TASK_QUEUE: Final = "bench-temporal-sample"


class TextbookCaller:
    """Starts a workflow and waits for its result."""

    def __init__(self, client: Client, participants: Participants) -> None:
        self._client = client
        self._participants = participants

    async def place(self, order: NewOrder, ask: Ask) -> None:
        await self._participants.accept(order)
        refusal = await self._client.execute_workflow(
            TextbookOrder.run, ask, id=workflow_id(order.id), task_queue=TASK_QUEUE
        )
        if refusal:
            raise NotConfirmed(refusal)


def workflow_id(order_id: str) -> str:
    return f"textbook:{order_id}"


@asynccontextmanager
async def calling(where: Where, participants: Participants) -> AsyncIterator[TextbookCaller]:
    client = await Client.connect(where.temporal, namespace=where.temporal_namespace)
    yield TextbookCaller(client, participants)


def _activities(participants: Participants) -> list[Callable[..., Any]]:
    names = {name for steps in STEPS.values() for name in steps} | {UNDO}
    return [_activity(participants, name) for name in sorted(names)]


def _activity(participants: Participants, name: str) -> Callable[[Ask], Any]:
    @activity.defn(name=name)
    async def step(ask: Ask) -> str | None:
        return await participants.step(name)(ask)

    return step


async def work(where: Where) -> None:
    """Until it is ended."""
    async with participants_of(where) as participants:
        client = await Client.connect(where.temporal, namespace=where.temporal_namespace)
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[TextbookOrder],
            activities=_activities(participants),
        )
        async with worker:
            print("worker ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(work(Where.from_env()))
