"""What the sandbox answered is in its books: SIGKILL loses nothing, SIGTERM ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest
import stripe

from tests.sandbox.programs import KEY, ROOT, Payments, Program

pytestmark = pytest.mark.long

HEADERS = {"authorization": f"Bearer {KEY}"}
ENOUGH = 40  # answers before the kill: requests are under way all the time


async def test_money_faults_and_keys_survive_a_kill(launch: Callable[..., Program]) -> None:
    program = launch("sandbox.provider")
    before = Payments(program.url)
    held = await before.confirmed()
    flaky = await before.create("tok_flaky_2")
    with pytest.raises(stripe.APIError):
        await before.intents.confirm_async(flaky.id, {}, {"idempotency_key": "once"})
    program.kill()
    await before.close()
    program.start()
    after = Payments(program.url)
    assert await after.status(held) == "requires_capture"
    with pytest.raises(stripe.APIError):  # replayed from the books, not counted again
        await after.intents.confirm_async(flaky.id, {}, {"idempotency_key": "once"})
    with pytest.raises(stripe.APIError):
        await after.intents.confirm_async(flaky.id)
    assert (await after.intents.confirm_async(flaky.id)).status == "requires_capture"
    await after.close()


async def test_every_answered_intent_is_there_after_a_kill_under_load(
    launch: Callable[..., Program],
) -> None:
    program = launch("sandbox.provider")
    fields = {"amount": "100", "currency": "brl", "payment_method": "tok_ok", "confirm": "true"}
    answered: list[str] = []
    is_enough = asyncio.Event()

    async def shop(client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                reply = await client.post("/v1/payment_intents", data=fields, headers=HEADERS)
                answered.append(reply.json()["id"])
                if len(answered) == ENOUGH:
                    is_enough.set()

    async with httpx.AsyncClient(base_url=program.url) as client:
        shops = [asyncio.create_task(shop(client)) for _ in range(8)]
        await is_enough.wait()
        program.kill()
        await asyncio.gather(*shops)
    program.start()
    payments = Payments(program.url)
    listed = await payments.intents.list_async({"limit": 100})
    kept = {intent.id: intent.status async for intent in listed.auto_paging_iter()}
    await payments.close()
    assert set(answered) <= set(kept)
    assert set(kept.values()) == {"succeeded"}


async def test_parcels_and_tombstones_survive_a_kill(launch: Callable[..., Program]) -> None:
    program = launch("sandbox.carrier")
    booking = {"service": "ship_cancel_flaky_1", "ship_to": {"country": "BR"}}
    async with httpx.AsyncClient(base_url=program.url, headers=HEADERS) as client:
        booked = await client.put("/parcels/a", json=booking)
        await client.post("/parcels/b/cancel")
        assert (await client.post("/parcels/a/cancel")).status_code == 500
    program.kill()
    program.start()
    async with httpx.AsyncClient(base_url=program.url, headers=HEADERS) as client:
        assert (await client.put("/parcels/a", json=booking)).json() == booked.json()
        assert (await client.put("/parcels/b", json=booking)).status_code == 409
        assert (await client.post("/parcels/a/cancel")).status_code == 200


@pytest.mark.parametrize("module", ["sandbox.provider", "sandbox.carrier"])
async def test_a_program_says_one_line_and_stops_cleanly(
    launch: Callable[..., Program], module: str
) -> None:
    program = launch(module)
    async with httpx.AsyncClient(base_url=program.url, headers=HEADERS) as client:
        await client.get("/healthz")
        assert program.ready_line == f"{module} ready on {program.url}\n"
        assert program.stop() == (0, "")


async def test_a_slow_call_does_not_hold_up_the_stop(launch: Callable[..., Program]) -> None:
    program = launch("sandbox.provider")
    payments = Payments(program.url)
    slow = await payments.create("tok_slow_60000")
    confirming = asyncio.create_task(payments.intents.confirm_async(slow.id))
    await asyncio.sleep(0.1)
    code, _ = await asyncio.to_thread(program.stop)
    assert code == 0
    with pytest.raises(stripe.StripeError):
        await confirming
    program.start()
    assert await payments.status(slow) == "requires_confirmation"
    await payments.close()


def test_books_of_another_version_are_refused(launch: Callable[..., Program]) -> None:
    program = launch("sandbox.provider")
    program.stop()
    with contextlib.closing(sqlite3.connect(program.books)) as books:
        books.execute("PRAGMA user_version = 999")
    command = [sys.executable, "-m", program.module, "--port", "0", "--key", KEY]
    ended = subprocess.run(
        [*command, "--books", str(program.books)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=10,
    )
    assert ended.returncode != 0
    assert "version 999" in ended.stderr
