"""Parts of a stack, one by one: killed, stopped, started; what each is made of."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from cli.stack import LocalStack, StackError
from cli.stack.processes import http_status
from tests.stack.conftest import temporary_data_dir

pytestmark = pytest.mark.long

INFRASTRUCTURE = {"postgres", "temporal"}


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the stack told its person."""
    return []


@pytest.fixture(scope="module")
async def stack(said: list[str]) -> AsyncIterator[LocalStack]:
    with temporary_data_dir() as path:
        async with LocalStack(
            data_dir=path, port=0, parts=INFRASTRUCTURE, say=said.append
        ) as stack:
            yield stack


async def _is_serving(stack: LocalStack, part: str) -> bool:
    if part == "postgres":
        try:
            connection = await asyncpg.connect(stack.ready.database)
        except OSError:
            return False
        await connection.close()
        return True
    port = int(stack.ready.temporal_ui.rpartition(":")[2])
    return await http_status(host="127.0.0.1", port=port, path="/") == 200


@pytest.mark.parametrize("part", sorted(INFRASTRUCTURE))
async def test_what_we_stop_or_kill_stays_away_until_we_start_it(
    stack: LocalStack, part: str
) -> None:
    for end in (stack.kill, stack.stop):
        await end(part)
        assert stack.pid(part) is None
        assert part not in stack.ready.pids
        assert not await _is_serving(stack, part)

        await stack.start(part)
        assert await _is_serving(stack, part)


@pytest.mark.parametrize("part", sorted(INFRASTRUCTURE))
async def test_what_dies_by_itself_comes_back_at_the_same_address(
    stack: LocalStack, said: list[str], part: str
) -> None:
    before = stack.pid(part)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(20):
        while f"{part} is back" not in said:  # noqa: ASYNC110 - the stack's own watcher says it
            await asyncio.sleep(0.02)
    assert stack.pid(part) not in (None, before)
    assert await _is_serving(stack, part)


async def test_the_service_owns_nothing_and_is_no_superuser(stack: LocalStack) -> None:
    connection = await asyncpg.connect(stack.ready.database)
    try:
        assert await connection.fetchval(
            "SELECT NOT (rolsuper OR rolcreatedb OR rolcreaterole) "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM pg_class WHERE relowner = "
                "(SELECT oid FROM pg_roles WHERE rolname = current_user)"
            )
            == 0
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine (id int)")
    finally:
        await connection.close()


async def test_postgres_asks_for_a_password_and_keeps_its_word(stack: LocalStack) -> None:
    wrong = stack.ready.database.replace("ordersaga_app:", "ordersaga_app:not")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)

    connection = await asyncpg.connect(stack.ready.database)
    try:
        for setting, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "127.0.0.1",
            "server_version_num": "18",
            "data_checksums": "on",
        }.items():
            shown = await connection.fetchval("SELECT current_setting($1)", setting)
            assert shown.startswith(value), setting
    finally:
        await connection.close()


async def test_a_part_that_cannot_start_says_why(data_dir: Path) -> None:
    async with LocalStack(data_dir=data_dir, port=0, parts={"temporal"}):
        pass
    (data_dir / "temporal.db").write_text("this is no database")
    (data_dir / "temporal.db-wal").unlink(missing_ok=True)  # which would mend it

    with pytest.raises(StackError, match=r"temporal ended with code[\s\S]*last words"):
        async with LocalStack(data_dir=data_dir, port=0, parts={"temporal"}):
            pytest.fail("it started")


async def test_a_database_without_its_passwords_is_not_touched(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)

    with pytest.raises(StackError, match=r"no state\.json"):
        async with LocalStack(data_dir=data_dir, port=0, parts={"postgres"}):
            pytest.fail("it started")


async def test_a_dead_postmasters_pid_that_is_now_a_strangers_does_not_block(
    data_dir: Path,
) -> None:
    async with LocalStack(data_dir=data_dir, port=0, parts={"postgres"}) as stack:
        directory = stack.ready.database_dir
        pid_file = (directory / "postmaster.pid").read_text()
    _, rest = pid_file.split("\n", 1)
    # A process of the same user that lives, as after a reboot: here it is the test's own parent,
    # or, where PostgreSQL runs as somebody else, one that it may not even signal.
    (directory / "postmaster.pid").write_text(f"{os.getppid()}\n{rest}")

    async with LocalStack(data_dir=data_dir, port=0, parts={"postgres"}) as stack:
        assert await _is_serving(stack, "postgres")
