"""Which leftovers are ended, and which processes are none of our business."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.pids import PIDS_FILE, PidFile


@pytest.fixture
def sleeper() -> Iterator[int]:
    """The pid of a process that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process.pid
        process.kill()


def test_a_child_left_behind_is_ended(tmp_path: Path, sleeper: int) -> None:
    PidFile(tmp_path).add("worker", pid=sleeper, stop_signal=signal.SIGTERM)

    assert PidFile(tmp_path).end_stale() == ["worker"]

    assert not psutil.pid_exists(sleeper)
    assert PidFile(tmp_path).end_stale() == []


def test_a_child_that_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        PidFile(tmp_path).add("worker", pid=process.pid, stop_signal=signal.SIGTERM)

        assert PidFile(tmp_path).end_stale(patience_s=0.3) == ["worker"]

        assert not psutil.pid_exists(process.pid)


def test_a_stranger_with_the_same_pid_is_spared(tmp_path: Path, sleeper: int) -> None:
    PidFile(tmp_path).add("worker", pid=sleeper, stop_signal=signal.SIGTERM)
    path = tmp_path / PIDS_FILE
    remembered = json.loads(path.read_text())
    remembered["worker"]["started_at"] -= 60
    path.write_text(json.dumps(remembered))

    assert PidFile(tmp_path).end_stale() == []

    assert psutil.pid_exists(sleeper)


def test_a_child_that_was_stopped_is_forgotten(tmp_path: Path, sleeper: int) -> None:
    pids = PidFile(tmp_path)
    pids.add("worker", pid=sleeper, stop_signal=signal.SIGTERM)
    pids.remove("worker")

    assert PidFile(tmp_path).end_stale() == []

    assert psutil.pid_exists(sleeper)
