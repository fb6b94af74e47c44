"""A place for a stack's data, and `ordersaga up` as a person or a script would run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.stack import Ready
from cli.stack.purge import purge

UP_PATIENCE_S = 60
END_PATIENCE_S = 20


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """Not pytest's own: closed to others, it would send root's PostgreSQL to /var/lib."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    home.chmod(0o711)
    try:
        yield home / "data"
    finally:
        purge(home / "data")
        shutil.rmtree(home)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


def run_ordersaga(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`ordersaga …` to its end, with none of the settings of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ORDERSAGA_", "TEMPORAL_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env={**kept, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


class Up:
    """A running `ordersaga up`."""

    def __init__(self, *, data_dir: Path, options: tuple[str, ...] = ()) -> None:
        self.ready_file = data_dir.with_name(f"ready-{time.monotonic_ns()}.json")
        command = [sys.executable, "-m", "cli.main", "up", "--data-dir", str(data_dir)]
        self._process = subprocess.Popen(
            [*command, "--ready-file", str(self.ready_file), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def wait_until_ready(self) -> Ready:
        deadline_s = time.monotonic() + UP_PATIENCE_S
        while not self.ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.signal(signal.SIGKILL)
                pytest.fail(f"`ordersaga up` did not come up:\n{self.end()[1]}")
            time.sleep(0.05)
        return Ready.model_validate_json(self.ready_file.read_bytes())

    def signal(self, how: signal.Signals) -> None:
        self._process.send_signal(how)

    def end(self) -> tuple[int, str]:
        """Waits for its end; its exit code and all that it said."""
        said, _ = self._process.communicate(timeout=END_PATIENCE_S)
        return self._process.returncode, said


@pytest.fixture
def run_up(data_dir: Path) -> Iterator[Callable[..., Up]]:
    """`run_up(*options)` starts one on `data_dir`; what still runs at the end is killed."""
    started: list[Up] = []

    def start(*options: str) -> Up:
        # --port 0: the ports of a stack that somebody runs beside the tests are left alone.
        up = Up(data_dir=data_dir, options=options or ("--port", "0"))
        started.append(up)
        return up

    yield start
    for up in started:
        up.signal(signal.SIGKILL)
        up.end()
