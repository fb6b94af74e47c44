"""The `ordersaga` command: quick to answer, and plain about what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.stack.conftest import run_ordersaga

HEAVY = {"temporalio", "fastapi", "stripe", "asyncpg", "sqlalchemy", "alembic", "httpx", "pydantic"}


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }

    assert "typer" in imported
    assert not imported & HEAVY
    for command in ("up", "serve", "worker", "api", "migrate", "keys"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("serve",),
        ("worker",),
        ("api",),
        ("migrate",),
        ("keys", "list", "--data-dir", "/nonexistent"),
    ],
)
def test_a_missing_setting_is_one_clear_line(command: tuple[str, ...]) -> None:
    done = run_ordersaga(*command)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "DATABASE_URL" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_setting_is_named() -> None:
    done = run_ordersaga(
        "worker", ORDERSAGA_DATABASE_URL="postgresql://x", ORDERSAGA_OUTAGE_PATIENCE_S="soon"
    )

    assert done.returncode == 2
    assert "ORDERSAGA_OUTAGE_PATIENCE_S" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "code"),
    [("mysql://somewhere", 2), ("postgresql://nobody@127.0.0.1:1/nothing", 1)],
)
def test_a_database_that_cannot_be_reached_is_one_line(url: str, code: int) -> None:
    done = run_ordersaga("migrate", ORDERSAGA_DATABASE_URL=url)

    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1
