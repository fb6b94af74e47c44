"""Plants each bug in a copy of the tree and runs the test that should catch it: `python -m tests.planted`.

First the same tests run without any bug, and pass. Ends with 1 if a bug is missed or does not apply.
With words behind it, only the bugs whose names have one of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.planted.bugs import BUGS
from tests.planted.kinds import Bug
from tests.planted.scratch import DoesNotApply, Scratch

TESTS_FAILED: Final = 1  # pytest's exit code; 2 and more mean that it could not run them
LAST_LINES: Final = 12  # of pytest's output, where something is not as it should be


def main(words: Sequence[str]) -> int:
    bugs = [b for b in BUGS if not words or any(word in b.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="ordersaga-planted-") as directory:
        scratch = Scratch(Path(directory) / "tree")
        if not _passes_without(scratch, bugs):
            return 1
        caught = sum(_is_caught(scratch, bug) for bug in bugs)
    print(f"planted: {caught} caught, {len(bugs) - caught} missed")
    return 0 if caught == len(bugs) else 1


def _passes_without(scratch: Scratch, bugs: Sequence[Bug]) -> bool:
    tests = sorted({bug.caught_by for bug in bugs})
    done = scratch.run_tests(tests)
    if done.returncode != 0:
        print(f"Without any bug the tests do not pass:\n{_end_of(done)}")
        return False
    print(f"{len(tests)} tests pass without a bug.", flush=True)
    return True


def _is_caught(scratch: Scratch, bug: Bug) -> bool:
    began_s = time.monotonic()
    try:
        with scratch.planted(bug):
            done = scratch.run_tests([bug.caught_by])
    except DoesNotApply as error:
        print(f"  missed  {bug.name}\n          does not apply: {error}", flush=True)
        return False
    except subprocess.TimeoutExpired as error:
        print(f"  missed  {bug.name}\n          no end after {error.timeout} s", flush=True)
        return False
    took_s = time.monotonic() - began_s
    is_caught = done.returncode == TESTS_FAILED
    print(f"  {'caught' if is_caught else 'missed'}  {bug.name}  ({took_s:.0f} s)", flush=True)
    if not is_caught:
        print(f"          {bug.caught_by}\n{_end_of(done)}", flush=True)
    return is_caught


def _end_of(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join((done.stdout + done.stderr).splitlines()[-LAST_LINES:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
