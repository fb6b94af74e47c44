"""Each kind of stuck workflow of docs/operations.md: seen as it says there, and mended as it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop, card, payment, until_true
from tests.temporal_ui.conftest import PATIENCE
from tests.temporal_ui.page import COMMANDS, ROOT, Engineer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOMS: Final = ("ordersaga", "workflows", "activities", "adapters", "worker")
FAILING: Final = "workflows whose task keeps failing"
MENDED_WITHIN_S: Final = 120  # the engine pauses between a failing task's tries


@asynccontextmanager
async def unsound_worker(stack: LocalStack, code: Path) -> AsyncIterator[None]:
    """In place of the stack's worker: one whose code does not fit the orders that are under way."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, code / room, ignore=shutil.ignore_patterns("__pycache__"))
    order = code / "workflows" / "order.py"
    text = order.read_text("utf-8")
    first = "            await self._hold_our_own()\n"
    assert text.count(first) == 1
    with_a_timer = (
        "            await workflow.sleep(1)\n            or await self._hold_our_own()\n"
    )
    order.write_text(text.replace(first, with_a_timer), "utf-8")
    ready = stack.ready
    settings = {f"ORDERSAGA_{name.upper()}": str(value) for name, value in PATIENCE.items()}
    await stack.stop("worker")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker",
        cwd=code,
        env={
            **os.environ,
            **settings,
            "PYTHONPATH": str(code),
            "TEMPORAL_ADDRESS": ready.temporal,
            "ORDERSAGA_DATABASE_URL": ready.database,
            "ORDERSAGA_PAYMENT_PROVIDER_URL": ready.payment_provider,
            "ORDERSAGA_PAYMENT_PROVIDER_KEY": ready.payment_provider_key,
            "ORDERSAGA_CARRIER_URL": ready.carrier,
            "ORDERSAGA_CARRIER_KEY": ready.carrier_key,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        assert process.returncode is None, "it runs, and fails its tasks"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await stack.start("worker")


async def _that_waits(shop: Shop) -> Json:
    order = await shop.order(payment("boleto"), prefer="wait=0")
    return await shop.until(order["id"], lambda o: o["payment_status"] == "requires_action")


async def test_an_order_whose_task_keeps_failing_is_found_and_goes_on_with_the_code_it_began_with(
    patient: LocalStack, engineer: Engineer, shop: Shop, tmp_path: Path
) -> None:
    order, another = await _that_waits(shop), await _that_waits(shop)
    id_ = workflow_id(order["id"])
    async with unsound_worker(patient, tmp_path / "code"):
        await shop.play_payer(order["id"], "pay")
        found: set[str] = set()
        async with asyncio.timeout(MENDED_WITHIN_S):
            while id_ not in found:
                found = await engineer.find(FAILING)
        assert workflow_id(another["id"]) not in found, "nothing was asked of it"
        described = await engineer.run(COMMANDS["what a workflow is trying now"], ORDER=order["id"])
        assert "WorkflowTaskFailed" in described
        assert (await shop.get(order["id"]))["status"] == "pending"
    order = await shop.until(
        order["id"], lambda o: o["status"] == "confirmed", within_s=MENDED_WITHIN_S
    )
    await until_true(lambda: _is_found_no_more(engineer, id_))


async def _is_found_no_more(engineer: Engineer, id_: str) -> bool:
    return id_ not in await engineer.find(FAILING)


async def test_an_order_that_nobody_works_on_goes_on_when_a_worker_is_started(
    patient: LocalStack, engineer: Engineer, shop: Shop
) -> None:
    command = f"{COMMANDS['who works on the queue']} --output json"
    pid = f'"{patient.ready.pids["worker"]}@'
    assert pid in await engineer.run(command)
    await patient.stop("worker")
    try:
        order = await shop.order(card(), prefer="wait=0")
        described = await engineer.run(COMMANDS["what a workflow is trying now"], ORDER=order["id"])
        assert re.search(r"HistoryLength +2\b", described), described
        await until_true(lambda: _waits_for_a_worker(engineer))
    finally:
        await patient.start("worker")
    await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=60)
    assert f'"{patient.ready.pids["worker"]}@' in await engineer.run(command)


async def _waits_for_a_worker(engineer: Engineer) -> bool:
    described = json.loads(
        await engineer.run(f"{COMMANDS['who works on the queue']} --output json")
    )
    (backlog,) = [each for each in described["stats"] if each["taskQueueType"] == "workflow"]
    return bool(backlog["approximateBacklogCount"] > 0)


async def test_what_a_provider_that_is_away_is_asked_shows_its_tries(
    engineer: Engineer, shop: Shop
) -> None:
    order = await shop.order(card("tok_unavailable"), prefer="wait=0")

    async def is_tried_again() -> bool:
        said = await engineer.run(COMMANDS["what a workflow is trying now"], ORDER=order["id"])
        return "authorize_payment" in said and "ProviderUnavailable" in said

    await until_true(is_tried_again)
    said = await engineer.details(workflow_id(order["id"]))
    assert "Who gives no answer for" in said
    order = await shop.until_final(order["id"], within_s=60)
    assert order["failure"]["code"] == "provider_unavailable"


async def test_a_terminated_workflow_is_found_and_its_order_goes_on(
    engineer: Engineer, shop: Shop
) -> None:
    order = await _that_waits(shop)
    id_ = workflow_id(order["id"])
    await engineer.temporal.get_workflow_handle(id_).terminate("lost")
    await engineer.find_until("workflows that were lost", {id_})

    async def is_said() -> bool:
        said = await engineer.details(id_)
        return said.startswith("Waits for the payer of 10.00 BRL by boleto")

    async def runs_again() -> bool:
        described = await engineer.temporal.get_workflow_handle(id_).describe()
        return described.close_time is None

    await until_true(runs_again, within_s=90)
    await until_true(is_said)
    await shop.play_payer(order["id"], "pay")
    await shop.until(order["id"], lambda o: o["status"] == "confirmed", within_s=60)
