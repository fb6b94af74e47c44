"""A copy of the tree in which a bug can be planted, and tests run so that the copy is what they see."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.planted.kinds import Bug, Edit

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = (
    *("ordersaga", "workflows", "activities", "adapters"),
    *("worker", "api", "sandbox", "cli", "tests"),
)
FILES: Final = ("pyproject.toml",)
TEST_TIMEOUT_S: Final = 300  # for one pytest run; a bug may leave an order undecided for a while

# Prints where each room comes from: it must be the copy, not the tree that is installed.
WHERE: Final = f"""
import importlib, pathlib
for room in {ROOMS!r}:
    module = importlib.import_module(room)
    print(room, pathlib.Path(next(iter(module.__path__))).resolve())
"""


class NotInScratch(Exception):
    """A room is imported from somewhere else: the tests would not see the bug."""


class DoesNotApply(Exception):
    """The text that a bug replaces is not in its file, or more than once."""


def check(edit: Edit, root: Path = ROOT) -> str:
    """The file's text as it is. Raises `DoesNotApply`."""
    text = (root / edit.path).read_text(encoding="utf-8")
    if (found := text.count(edit.old)) != 1:
        raise DoesNotApply(f"{edit.path}: found {found} times: {edit.old.strip()[:60]!r}")
    return text


class Scratch:
    """The copy. `directory`: where it is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        for room in ROOMS:
            shutil.copytree(
                ROOT / room, self.directory / room, ignore=shutil.ignore_patterns("__pycache__")
            )
        for name in FILES:
            shutil.copy(ROOT / name, self.directory / name)
        self._check_imports()

    @contextmanager
    def planted(self, bug: Bug) -> Iterator[None]:
        """With this bug in it. Raises `DoesNotApply`."""
        before: list[tuple[Path, str]] = []
        try:
            for edit in bug.edits:
                text, path = check(edit, self.directory), self.directory / edit.path
                before.append((path, text))
                path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
            yield
        finally:
            for path, text in reversed(before):
                path.write_text(text, encoding="utf-8")

    def run_tests(self, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """pytest, as `make test` runs it, on these alone."""
        options = ("-q", "-x", "-p", "no:cacheprovider", "--no-header", "--show-capture=no")
        return self._python("-m", "pytest", *options, *tests)

    def _check_imports(self) -> None:
        where = self._python("-c", WHERE)
        expected = [f"{room} {self.directory / room}" for room in ROOMS]
        if where.stdout.splitlines() != expected:
            raise NotInScratch(where.stdout + where.stderr)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.directory),  # before the tree that is installed
            "PYTHONDONTWRITEBYTECODE": "1",  # no compiled text of before the bug
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TEST_TIMEOUT_S,
            check=False,
        )
