"""One stack a data directory. The kernel gives the lock back, however its holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from cli.stack.errors import StackError

# `is_locked` has to take the lock for a moment to know; such a look is no other stack.
TRIES = 3
RETRY_S = 0.05


class DataDirLock:
    """Held from construction to `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, data_dir: Path) -> Self:
        """Raises StackError when another stack has it."""
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(TRIES):
            if _locks(descriptor):
                return cls(descriptor)
            time.sleep(RETRY_S)
        os.close(descriptor)
        raise StackError(f"another `ordersaga up` runs on {data_dir}")

    def release(self) -> None:
        os.close(self._descriptor)


def is_locked(data_dir: Path) -> bool:
    """Whether a stack runs on this directory now."""
    try:
        descriptor = os.open(data_dir / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _locks(descriptor)
    finally:
        os.close(descriptor)


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
