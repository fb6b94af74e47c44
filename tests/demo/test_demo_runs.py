"""The demo on running parts."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from cli.audit import Sources, run_audit
from cli.demo.drive import Driver
from cli.stack import LocalStack, find_running
from cli.stack.purge import purge
from cli.traffic.draw import FAULT_EVERY, DrawnOrders
from cli.traffic.faults import FAULTS
from cli.traffic.orders import OrderSource, PlayedOrder, survey
from cli.traffic.stage import Payers, Stage
from cli.traffic.tally import Result
from ordersaga.client import ApiClient
from tests.demo.test_demo_file import OLIST, line, put

LAST_LINE = re.compile(
    r"demo: (\d+) orders, (\d+) confirmed, (\d+) rejected, (\d+) canceled, (\d+) refused, "
    r"(\d+) violations"
)


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "demo", *arguments]


async def run_demo(*arguments: str) -> tuple[int, list[str], str]:
    """To its end: exit code, printed lines, complaints."""
    process = await asyncio.create_subprocess_exec(
        *demo(*arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines(), err.decode()


@asynccontextmanager
async def driver(stack: LocalStack, source: OrderSource, *, run: str) -> AsyncIterator[Driver]:
    """All set for these orders."""
    payers = Payers(stack.ready.payment_provider)
    playing = asyncio.create_task(payers.play())
    async with ApiClient(base_url=stack.ready.api, key=stack.ready.keys.ops) as api:
        stage = Stage(api, run=run)
        await stage.fill_shelves(source.stock_for(survey(source).demand))
        yield Driver(api=api, stage=stage, payers=payers, run=run, concurrency=16)
    playing.cancel()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not pytest's own: closed to others, it would send root's PostgreSQL elsewhere."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    home.chmod(0o711)
    yield home / "data"
    purge(home / "data")
    shutil.rmtree(home)


@pytest.mark.long
async def test_every_fault_ends_as_its_row_says_and_all_else_is_confirmed(
    demo_stack: LocalStack,
) -> None:
    source = DrawnOrders(seed=5, count=FAULT_EVERY * len(FAULTS))
    drawn = {order.name: order for order in source}
    results: list[Result] = []
    async with driver(demo_stack, source, run="faults") as driving:
        await driving.drive(source, results.append)

    rows = {fault.name: fault for fault in FAULTS}
    wrong = [r for r in results if not _as_told(r, drawn[r.name])]
    assert wrong == []
    assert {drawn[r.name].story.fault for r in results} == {"", *rows}
    report = await run_audit(Sources.of_stack(demo_stack.ready))
    assert report.violations == ()


def _as_told(result: Result, order: PlayedOrder) -> bool:
    fault = next((f for f in FAULTS if f.name == order.story.fault), None)
    if fault is None:
        return result.outcome == "confirmed" or result.reason == "out_of_stock"
    return result.outcome == fault.ends and (not fault.reasons or result.reason in fault.reasons)


async def test_orders_sent_twice_under_one_run_are_the_same_orders(
    demo_stack: LocalStack,
) -> None:
    source = DrawnOrders(seed=1, count=4)
    results: list[Result] = []
    async with driver(demo_stack, source, run="twice") as driving:
        await driving.drive(source, results.append)
        async with httpx.AsyncClient(
            base_url=demo_stack.ready.api,
            headers={"authorization": f"Bearer {demo_stack.ready.keys.ops}"},
        ) as api:
            before = (await api.get("/v1/orders?limit=100")).json()
            await driving.drive(source, results.append)
            after = (await api.get("/v1/orders?limit=100")).json()
    assert before == after
    assert [r.outcome for r in results] == ["confirmed"] * 8


@pytest.mark.slow
async def test_a_drawn_demo_on_a_running_stack_ends_clean(ready_file: Path) -> None:
    code, printed, complaints = await run_demo(
        "--orders", "60", "--seed", "3", "--ready-file", str(ready_file)
    )
    assert (code, complaints) == (0, "")
    last = LAST_LINE.fullmatch(printed[-1])
    assert last is not None, printed[-1]
    orders, confirmed, rejected, canceled, refused, violations = map(int, last.groups())
    assert (orders, violations) == (60, 0)
    assert confirmed + rejected + canceled + refused == orders
    assert confirmed >= 48 - 4  # all that meet no fault, but for scarce goods
    for label in ("Console", "Buyer's page", "API docs", "Temporal UI"):
        assert any(text.startswith(f"{label} ") and "http" in text for text in printed), label
    assert any("p50" in text and "p99" in text for text in printed)


async def test_broken_lines_are_named_and_the_rest_goes_on(
    ready_file: Path, tmp_path: Path
) -> None:
    good = line()
    off = line(recorded={"payments": [{"type": "credit_card", "amount": 1}]})
    no_sku = put("order/lines/0/sku", "x" * 65)
    path = tmp_path / "orders.jsonl"
    path.write_text("\n".join([json.dumps(good), "{", *map(json.dumps, (off, no_sku, good))]))
    code, printed, _ = await run_demo(str(path), "--ready-file", str(ready_file))
    assert code == 0
    assert any(text.startswith("· line 2 is left out: ") for text in printed)
    assert any(text.startswith("line 3 refused invalid_request: ") for text in printed)
    assert printed[-1] == (
        "demo: 4 orders, 2 confirmed, 0 rejected, 0 canceled, 2 refused, 0 violations"
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not OLIST.exists(), reason="the real orders are not beside the repository")
async def test_of_the_500_real_orders_497_are_confirmed_and_3_refused(ready_file: Path) -> None:
    code, printed, _ = await run_demo(str(OLIST), "--ready-file", str(ready_file))
    assert printed[-1] == (
        "demo: 500 orders, 497 confirmed, 0 rejected, 0 canceled, 3 refused, 0 violations"
    )
    assert code == 0


@pytest.fixture
def dead_ready_file(ready_file: Path) -> Path:
    ready = json.loads(ready_file.read_text())
    ready_file.write_text(json.dumps(ready | {"api": "http://127.0.0.1:1"}))
    return ready_file


async def test_a_stack_that_does_not_answer_is_told(dead_ready_file: Path) -> None:
    code, _, complaint = await run_demo("--orders", "1", "--ready-file", str(dead_ready_file))
    assert code == 1
    assert "does not answer" in complaint


async def test_a_file_that_is_not_there_is_told() -> None:
    code, _, complaint = await run_demo("no-such-file.jsonl")
    assert code == 2
    assert "no-such-file.jsonl" in complaint


@pytest.mark.slow
async def test_interrupted_it_stops_the_stack_that_it_started(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *demo("--orders", "5000", "--data-dir", str(data_dir)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        while b"/5000 orders" not in (text := await process.stdout.readline()):
            assert text, "ended before it was interrupted"
        ready = find_running(data_dir)
        assert ready is not None
    finally:
        process.send_signal(signal.SIGINT)
        await process.stdout.read()
    assert await process.wait() == 130
    assert find_running(data_dir) is None
    with pytest.raises(httpx.ConnectError):
        await _get(f"{ready.api}/healthz")


@pytest.mark.slow
async def test_on_a_terminal_its_stack_stays_up_until_ctrl_c(data_dir: Path) -> None:
    async with on_a_terminal("--orders", "5", "--data-dir", str(data_dir)) as (process, terminal):
        seen = b""
        while LAST_LINE.search(seen.decode(errors="replace")) is None:
            seen += await asyncio.to_thread(os.read, terminal, 4096)
        assert b"stays up" in seen
        ready = find_running(data_dir)
        assert ready is not None
        assert await _get(f"{ready.api}/healthz") == 200
        assert process.returncode is None

        os.write(terminal, b"\x03")
        assert await process.wait() == 0
        assert find_running(data_dir) is None


@asynccontextmanager
async def on_a_terminal(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A demo and the terminal it runs on; hung up at the end, whatever happened."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *demo(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: _take_terminal(theirs),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        os.close(ours)


def _take_terminal(terminal: int) -> None:
    """So that Ctrl-C reaches the demo, as in a shell."""
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


async def _get(url: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(url)).status_code
