"""`ordersaga relay`: a person sees who does not hear, and does something about it."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from adapters.postgres import outbox
from adapters.postgres.pool import Pool, reading
from cli.stack.stack import LocalStack
from tests.postgres.merchant import Merchant, card
from tests.rabbitmq.conftest import is_known
from tests.relay.conftest import Listener, happen, relaying, until
from worker.relay import lane

SINK = "deaf"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself it is not tried again within a test."""
    monkeypatch.setattr(lane, "FIRST_RETRY_S", 600)
    monkeypatch.setattr(lane, "LOOK_EVERY_S", 0.2)


async def relay(stack: LocalStack, *arguments: str) -> tuple[int, str, str]:
    """`ordersaga relay …` to its end: exit code, what it printed, what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", "relay", *arguments),
        env={**os.environ, "ORDERSAGA_DATABASE_URL": stack.ready.database, "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.slow
async def test_what_is_parked_is_shown_retried_and_skipped(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    order = (await merchant.remote_order(card(1000))).id
    listener = Listener(SINK, refuses=lambda e: e.order_id == order and e.sequence in (2, 3))

    async def waits_at(sequence: int) -> bool:
        async with reading(pool) as connection:
            found = await outbox.list_parked(connection, limit=100)
        return any((p.order_id, p.sequence) == (order, sequence) for p in found)

    async with relaying(stack, pool, listener):
        await is_known(pool, SINK)
        await happen(pool, order, 3)
        await until(lambda: waits_at(2))

        code, shown, _ = await relay(stack, "status")
        row = next(line.split() for line in shown.splitlines() if line.startswith(SINK))
        assert (code, row[-1]) == (0, "1"), shown
        code, shown, _ = await relay(stack, "parked")
        assert code == 0
        assert f"{SINK}  {order}  event 2" in shown
        assert "not this one" in shown

        code, _, complaint = await relay(stack, "skip", SINK, order, "3", "--note", "a bug")
        assert code == 1
        assert complaint == f"ordersaga: event 3 of {order} is not the one that waits for {SINK}\n"
        code, said, _ = await relay(stack, "skip", SINK, order, "2", "--note", "a bug")
        assert (code, said) == (0, f"{SINK} will not hear of event 2 of {order}\n")
        await until(lambda: waits_at(3))
        listener.refuses = lambda _: False
        assert (await relay(stack, "retry", SINK, order))[0] == 0
        await until(lambda: listener.of(order)[-2:] == [3, 4])
        assert 2 not in listener.of(order)
    code, _, complaint = await relay(stack, "retry", SINK, order)
    assert (code, complaint) == (1, f"ordersaga: nothing of {order} is parked for {SINK}\n")
    assert await relay(stack, "parked") == (0, "nothing is parked\n", "")
