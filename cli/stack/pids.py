"""The children of a stack that was killed, found again and ended by the next one."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import psutil

from cli.stack.files import write_private

PIDS_FILE = "pids.json"

SAME_START_S = 1.0  # a clock set right meanwhile moves a process's start time a little
STALE_PATIENCE_S = 8.0  # PostgreSQL may have a checkpoint to write


class PidFile:
    """Each child's pid and start time: a pid alone may be somebody else's by now."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / PIDS_FILE
        self._children: dict[str, dict[str, float]] = {}

    def add(self, name: str, *, pid: int, stop_signal: signal.Signals) -> None:
        try:
            started_at = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:  # gone at once; its exit is reported elsewhere
            return
        self._children[name] = {"pid": pid, "started_at": started_at, "signal": stop_signal}
        self._save()

    def remove(self, name: str) -> None:
        if self._children.pop(name, None):
            self._save()

    def end_stale(self, *, patience_s: float = STALE_PATIENCE_S) -> list[str]:
        """Ends what an earlier stack left running; returns its names. Blocks until it is gone."""
        if not self._path.exists():
            return []
        stale: dict[str, psutil.Process] = {}
        for name, child in json.loads(self._path.read_text()).items():
            process = _same_process(int(child["pid"]), child["started_at"])
            if process is not None:
                stale[name] = process
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(int(child["signal"]))
        _, stubborn = psutil.wait_procs(stale.values(), timeout=patience_s)
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=STALE_PATIENCE_S)
        self._path.unlink()
        return list(stale)

    def _save(self) -> None:
        write_private(self._path, json.dumps(self._children, indent=2) + "\n")


def _same_process(pid: int, started_at: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - started_at) < SAME_START_S
    except psutil.NoSuchProcess:
        return None
    return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
