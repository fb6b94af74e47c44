"""A child process that is started, watched, started again when it dies, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.stack.errors import PartEnded, StackError
from cli.stack.pids import PidFile

READY_POLL_S = 0.02
KILL_PATIENCE_S = 5.0  # a killed process is gone at once; longer means a stuck disk

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MOST_S = 5.0
GOOD_RUN_S = 30.0  # having run so long, a child's next back-off is the first one again

LOG_MOST_BYTES = 20_000_000  # then the log starts afresh, with one old one kept
LAST_WORDS_LINES = 15

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Program:
    """How to run one part. The same each time: a part that comes back has the same address."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    is_ready: Callable[[Child], Awaitable[bool]]
    ready_patience_s: float = 60.0  # a first start on a slow disk
    stop_signal: signal.Signals = signal.SIGTERM
    stop_patience_s: float = 8.0  # then it is killed
    death_signal: signal.Signals = signal.SIGKILL  # when the supervisor itself is killed (Linux)
    user: tuple[int, int] | None = None  # uid and gid to run as; None: our own
    before_start: Callable[[], None] = field(default=lambda: None)


class Child:
    """One part of the stack. `say` is told what a person should know."""

    def __init__(self, program: Program, *, pids: PidFile, say: Callable[[str], None]) -> None:
        self.program = program
        self._pids = pids
        self._say = say
        self._process: Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._log_offset = 0
        self._has_come_up = False

    @property
    def is_up(self) -> bool:
        """Whether it runs and was ready since it was started."""
        return self._has_come_up and self.pid is not None

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def start(self) -> None:
        """Returns when it is ready, and watches over it from then on. Nothing if it runs."""
        if self._watcher is not None:
            return
        await self._run()
        self._watcher = asyncio.create_task(self._watch(), name=f"watch {self.program.name}")

    async def stop(self) -> None:
        """Asks it to end, and kills it when it does not within `stop_patience_s`."""
        await self._end(self.program.stop_signal, self.program.stop_patience_s)

    async def kill(self) -> None:
        """SIGKILL. It stays dead until `start`."""
        await self._end(signal.SIGKILL, KILL_PATIENCE_S)

    def has_said(self, words: str) -> bool:
        """Whether its output since its last start contains `words`."""
        return words in self._output()

    async def _run(self) -> None:
        program = self.program
        program.before_start()
        self._has_come_up = False
        self._process = process = await self._spawn()
        self._pids.add(program.name, pid=process.pid, stop_signal=program.stop_signal)
        deadline_s = time.monotonic() + program.ready_patience_s
        try:
            while not await program.is_ready(self):
                if process.returncode is not None:
                    raise PartEnded(self._obituary(f"ended with code {process.returncode}"))
                if time.monotonic() > deadline_s:
                    raise StackError(
                        self._obituary(f"was not ready within {program.ready_patience_s:.0f} s")
                    )
                await asyncio.sleep(READY_POLL_S)
        except BaseException:
            await self._end_process(signal.SIGKILL, KILL_PATIENCE_S)
            raise
        self._has_come_up = True

    async def _spawn(self) -> Process:
        program = self.program
        as_user: dict[str, Any] = {}
        if program.user is not None:
            uid, gid = program.user
            as_user = {"user": uid, "group": gid, "extra_groups": []}
        with _open_log(program.log) as log:
            self._log_offset = log.tell()
            return await asyncio.create_subprocess_exec(
                *program.argv,
                env=dict(program.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=STDOUT,
                cwd="/",
                umask=0o077,
                # Ctrl-C is for us: we stop the parts one by one, in their order.
                start_new_session=True,
                preexec_fn=_end_with_parent(program.death_signal),
                **as_user,
            )

    async def _watch(self) -> None:
        name = self.program.name
        back_off_s = BACK_OFF_FIRST_S
        while True:
            assert self._process is not None
            started_s = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - started_s > GOOD_RUN_S:
                back_off_s = BACK_OFF_FIRST_S
            self._say(f"{name} {_ending(code)}; it is started again (see {self.program.log})")
            while True:
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, BACK_OFF_MOST_S)
                try:
                    await self._run()
                except (StackError, OSError) as error:
                    self._say(f"{name} does not start: {error}")
                else:
                    break
            self._say(f"{name} is back")

    async def _end(self, how: signal.Signals, patience_s: float) -> None:
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            await asyncio.wait([watcher])
        await self._end_process(how, patience_s)

    async def _end_process(self, how: signal.Signals, patience_s: float) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal(process, how)
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
        self._pids.remove(self.program.name)

    def _output(self) -> str:
        with self.program.log.open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(errors="replace")

    def _obituary(self, how: str) -> str:
        last_words = "\n  ".join(self._output().splitlines()[-LAST_WORDS_LINES:])
        return f"{self.program.name} {how}; its last words ({self.program.log}):\n  {last_words}"


def _open_log(path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_MOST_BYTES:
        path.replace(path.with_suffix(".old.log"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    log = os.fdopen(descriptor, "ab")
    log.seek(0, os.SEEK_END)
    return log


def _end_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child does before its program: asks Linux to end it when we are gone.

    Linux means the *thread* that started the child: start a stack from one that lives as long.
    """
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # we were gone before the child could ask
            os._exit(1)

    return ask


def _signal(process: Process, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(how)


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


async def http_status(*, host: str, port: int, path: str) -> int | None:
    """The status code of a GET; None when nobody answers. No client library: it must be quick."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return None
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        _, code, _ = (await reader.readline()).split(b" ", 2)
        return int(code)
    except (OSError, ValueError):
        return None
    finally:
        writer.close()
