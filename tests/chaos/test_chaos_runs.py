"""Chaos on a stack of its own, as a person starts it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.chaos.broker import find_broker
from cli.chaos.schedule import BROKER, CONSUMER, FOLLOWER, MAILBOX, PARTS, RECEIVER, draw_schedule
from cli.stack import find_running
from cli.stack.purge import purge

LAST_LINE = re.compile(r"chaos: (\d+) orders, (\d+) kills, (\d+) violations, seed (-?\d+)")
FEW = 40  # orders: each part dies once, within 30 s
ABSENT = frozenset() if find_broker() else frozenset({BROKER, CONSUMER})


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not pytest's own: closed to others, it would send root's PostgreSQL elsewhere."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    home.chmod(0o711)
    yield home / "data"
    purge(home / "data")
    shutil.rmtree(home)


def chaos(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "chaos", *arguments]


async def run_chaos(*arguments: str) -> tuple[int, str]:
    """To its end: exit code, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *chaos(*arguments), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_whichever_part_is_killed_no_order_is_half_done_doubled_or_lost() -> None:
    code, printed = await run_chaos("--orders", str(FEW), "--seed", "3")
    last = LAST_LINE.fullmatch(printed.splitlines()[-1])
    assert last is not None, printed
    assert tuple(map(int, last.groups())) == (FEW, len(PARTS) - len(ABSENT), 0, 3), printed
    assert code == 0, printed
    assert re.search(r"^receiver heard (\d+) events of \1,", printed, re.MULTILINE), printed
    assert ("no broker: rabbitmq-server is not on this machine" in printed) == bool(ABSENT)
    assert "kept in" not in printed, "its data is gone where all is right"


@pytest.mark.slow
@pytest.mark.timeout(420)
async def test_a_run_tells_programs_all_that_it_tells_people(data_dir: Path) -> None:
    code, printed = await run_chaos(
        "--orders", "24", "--seed", "8", "--json", "--data-dir", str(data_dir)
    )
    report = json.loads(printed)
    assert (code, report["violations"], report["restless"]) == (0, [], [])
    assert (report["seed"], report["orders"]) == (8, 24)
    strikes = draw_schedule(seed=8, orders=24).without(ABSENT).strikes
    assert report["kills"] == {part: sum(s.part == part for s in strikes) for part in PARTS}
    assert sum(row["orders"] for row in report["outcomes"]) == 24
    assert report["sent_twice"] > 0
    assert set(report["heard"]) == {RECEIVER, CONSUMER, FOLLOWER, MAILBOX} - ABSENT
    assert all(each["came"] == each["due"] > 0 for each in report["heard"].values())
    assert report["untold"] == {}
    assert set(report["recovery"]) == {"orders", "p50_s", "p99_s", "worst_s"}
    assert (data_dir / "logs").is_dir(), "what was asked to be kept is kept"


@pytest.mark.slow
async def test_interrupted_it_stops_the_stack_that_it_started(data_dir: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *chaos("--orders", "500", "--data-dir", str(data_dir)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while b"kills" not in (text := await process.stdout.readline()):
        assert text, "ended before it was interrupted"
    process.send_signal(signal.SIGINT)
    await process.stdout.read()
    assert await process.wait() == 130
    assert find_running(data_dir) is None
