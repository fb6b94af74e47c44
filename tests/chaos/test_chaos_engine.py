"""Temporal's local server under SIGKILL: what it said yes to is there when it is back."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from cli.stack import LocalStack

KILLS = 2
AT_ONCE = 8
STARTS_WITHIN_S = 30.0
RUNS_S = 0.5  # long enough for a hundred starts


@pytest.fixture
async def engine() -> AsyncIterator[LocalStack]:
    """A stack of Temporal alone."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, parts={"temporal"}
    ) as stack:
        yield stack
    await asyncio.to_thread(shutil.rmtree, home)


async def test_a_workflow_whose_start_was_answered_is_there_after_a_kill(
    engine: LocalStack,
) -> None:
    """If not, an order could be accepted, started and then forgotten, and no sweep would know."""
    answered: list[str] = []
    for kill in range(KILLS):
        client = await Client.connect(engine.ready.temporal)
        starting = [
            asyncio.create_task(_start_many(client, f"{kill}-{n}", answered))
            for n in range(AT_ONCE)
        ]
        before = len(answered)
        async with asyncio.timeout(STARTS_WITHIN_S):
            await asyncio.sleep(RUNS_S)
            while len(answered) == before:  # noqa: ASYNC110  else nothing is at stake
                await asyncio.sleep(0.05)
        await engine.kill("temporal")
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await engine.start("temporal")
    client = await Client.connect(engine.ready.temporal)
    for workflow_id in answered:
        found = await client.get_workflow_handle(workflow_id).describe()
        assert found.status == WorkflowExecutionStatus.RUNNING


async def _start_many(client: Client, name: str, answered: list[str]) -> None:
    """One after the other, until Temporal does not answer."""
    number = 0
    while True:
        try:
            handle = await client.start_workflow(
                "Anything", id=f"{name}-{number}", task_queue="nobody"
            )
        except RPCError:
            return
        answered.append(handle.id)
        number += 1
