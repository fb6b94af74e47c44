"""A data directory: one stack at a time, its secrets kept, and nothing else removed."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from cli.stack import StackError
from cli.stack.lock import DataDirLock, is_locked
from cli.stack.purge import purge
from cli.stack.state import State
from cli.stack.users import may_reach


def test_one_stack_a_directory(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    lock = DataDirLock.acquire(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(StackError, match="another `ordersaga up` runs on"):
        DataDirLock.acquire(tmp_path)

    lock.release()

    assert not is_locked(tmp_path)


def test_secrets_differ_each_time_and_stay_once_saved(tmp_path: Path) -> None:
    first, second = State(), State()
    assert first.owner_password != second.owner_password
    assert first.webhook_secrets != second.webhook_secrets

    first.save(tmp_path)

    assert State.load(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert State.load(tmp_path / "elsewhere") is None


def test_purge_removes_the_stacks_own_files_only(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    State(database_dir=outside).save(data_dir)
    for name in ("temporal.db", "temporal.db-wal", "provider.db", "ready.json", "shopping.txt"):
        (data_dir / name).touch()

    assert purge(data_dir)

    assert [path.name for path in data_dir.iterdir()] == ["shopping.txt"]
    assert not outside.exists()
    assert not purge(data_dir), "nothing is left to remove"


def test_purge_leaves_a_running_stack_alone(tmp_path: Path) -> None:
    State().save(tmp_path)
    lock = DataDirLock.acquire(tmp_path)
    try:
        with pytest.raises(StackError):
            purge(tmp_path)
    finally:
        lock.release()
    assert State.load(tmp_path) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as another user")
def test_a_closed_directory_is_out_of_reach_for_another_user(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    assert not may_reach(closed / "postgres", nobody)
    assert may_reach(Path("/usr/bin/env"), nobody)
    assert may_reach(closed / "postgres", None), "as ourselves we reach our own"
