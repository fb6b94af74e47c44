"""Removes a stack's data, and nothing else that may lie in the same directory."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from cli.stack.lock import DataDirLock
from cli.stack.pids import PidFile
from cli.stack.state import State

# `*` also for what SQLite puts beside a file (-wal, -shm), and a draft that was not finished.
PATTERNS = (
    "temporal.db*",
    "provider.db*",
    "carrier.db*",
    "ready.json",
    "pids.json",
    ".*.json.*",
    "state.json",
    "lock",
)
DIRECTORIES = ("logs", "listeners", "postgres.new")


def purge(data_dir: Path) -> bool:
    """Whether there was anything. Raises StackError while the stack runs."""
    if State.load(data_dir) is None:
        return False
    lock = DataDirLock.acquire(data_dir)
    try:
        PidFile(data_dir).end_stale()
        remove_data(data_dir)
    finally:
        lock.release()
    return True


def remove_data(data_dir: Path) -> None:
    """For a holder of the lock, once nothing runs any more."""
    state = State.load(data_dir)
    if state is not None and state.database_dir is not None:
        shutil.rmtree(state.database_dir, ignore_errors=True)
    for name in DIRECTORIES:
        shutil.rmtree(data_dir / name, ignore_errors=True)
    for pattern in PATTERNS:
        for path in data_dir.glob(pattern):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something else is in it, or it is gone
        data_dir.rmdir()
