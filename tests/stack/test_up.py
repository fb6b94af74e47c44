"""`ordersaga up`, whole: it comes up, serves, and leaves nothing behind, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from cli.stack import Ready, find_running
from tests.stack.conftest import Up, run_ordersaga, temporary_data_dir

RunUp = Callable[..., Up]

STOP_MOST_S = 8


def _running(ready: Ready) -> set[str]:
    return {name for name, pid in ready.pids.items() if psutil.pid_exists(pid)}


def _wait_until_gone(ready: Ready, *, patience_s: float = 5) -> set[str]:
    deadline_s = time.monotonic() + patience_s
    while _running(ready) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    return _running(ready)


def _is_all_new(before: Ready) -> bool:
    now = Ready.model_validate_json((before.data_dir / "ready.json").read_bytes())
    return set(now.pids) == set(before.pids) and not (
        set(now.pids.values()) & set(before.pids.values())
    )


async def _assert_all_answer(ready: Ready) -> None:
    async with httpx.AsyncClient(timeout=5) as http:
        for url in (
            f"{ready.api}/readyz",
            f"{ready.payment_provider}/healthz",
            f"{ready.carrier}/healthz",
            ready.temporal_ui,
        ):
            assert (await http.get(url)).is_success, url
        for scope, key in ready.keys.model_dump().items():
            orders = await http.get(
                f"{ready.api}/v1/orders", headers={"Authorization": f"Bearer {key}"}
            )
            assert orders.status_code == 200, (scope, orders.text)
    connection = await asyncpg.connect(ready.database)
    assert await connection.fetchval("SELECT count(*) FROM orders") == 0
    await connection.close()


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One for the tests that leave it as it is."""
    with temporary_data_dir() as path:
        up = Up(data_dir=path, options=("--port", "0"))
        yield up
        up.signal(signal.SIGKILL)
        up.end()


async def test_everything_answers_once_the_ready_file_is_there(up: Up) -> None:
    ready = up.wait_until_ready()

    assert set(ready.pids) == {"postgres", "temporal", "provider", "carrier", "server"}
    await _assert_all_answer(ready)
    assert find_running(ready.data_dir) == ready


async def test_secrets_are_readable_for_their_owner_only(up: Up) -> None:
    data_dir = up.wait_until_ready().data_dir

    names = (
        "state.json",
        "ready.json",
        "pids.json",
        "temporal.db",
        "temporal.db-wal",
        "provider.db",
        "logs/server.log",
    )
    for path in (up.ready_file, *(data_dir / name for name in names)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_temporal_writes_ahead_and_waits_for_the_disk(up: Up) -> None:
    """The file itself says that it has a write-ahead log; how it is synced is asked of the server."""
    ready = up.wait_until_ready()

    assert (ready.data_dir / "temporal.db").read_bytes()[
        18:20
    ] == b"\x02\x02"  # SQLite's file format
    asked = psutil.Process(ready.pids["temporal"]).cmdline()
    assert "--sqlite-pragma=synchronous=FULL" in asked


@pytest.mark.slow
async def test_a_second_up_on_the_same_data_says_so(up: Up) -> None:
    ready = up.wait_until_ready()

    code, said = Up(data_dir=ready.data_dir, options=("--port", "0")).end()

    assert code == 1
    assert "another `ordersaga up` runs on" in said
    assert "Traceback" not in said
    await _assert_all_answer(ready)


@pytest.mark.slow
async def test_a_key_is_made_listed_and_revoked_beside_a_running_stack(up: Up) -> None:
    ready = up.wait_until_ready()
    here = ("--data-dir", str(ready.data_dir))

    created = run_ordersaga("keys", "create", "--tenant", "t-9", "--scope", "orders:read", *here)
    key = created.stdout.strip()
    async with httpx.AsyncClient() as http:
        answer = await http.get(
            f"{ready.api}/v1/orders", headers={"Authorization": f"Bearer {key}"}
        )
    assert answer.status_code == 200
    listed = run_ordersaga("keys", "list", "--tenant", "t-9", *here).stdout
    assert key not in listed, "it was shown once"
    key_id = listed.split("\t")[0]

    assert run_ordersaga("keys", "revoke", key_id, *here).returncode == 0
    assert "revoked" in run_ordersaga("keys", "list", "--tenant", "t-9", *here).stdout
    assert run_ordersaga("keys", "revoke", "key_unknown", *here).returncode == 1
    wrong = run_ordersaga("keys", "create", "--tenant", "t-9", "--scope", "all", *here)
    assert wrong.returncode == 2
    assert "orders:read" in wrong.stderr


@pytest.mark.slow
async def test_migrations_are_applied_once(up: Up) -> None:
    ready = up.wait_until_ready()

    done = run_ordersaga("migrate", ORDERSAGA_MIGRATION_DATABASE_URL=ready.database_owner)

    assert (done.returncode, done.stdout) == (0, "nothing to apply\n")


async def test_data_in_use_is_not_purged(up: Up) -> None:
    ready = up.wait_until_ready()

    assert run_ordersaga("purge", "--data-dir", str(ready.data_dir)).returncode == 1

    await _assert_all_answer(ready)


@pytest.mark.long
@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
async def test_a_signal_stops_it_and_leaves_nothing(
    run_up: RunUp, data_dir: Path, how: signal.Signals
) -> None:
    up = run_up()
    ready = up.wait_until_ready()

    began_s = time.monotonic()
    up.signal(how)
    code, said = up.end()

    assert time.monotonic() - began_s < STOP_MOST_S
    assert code == 0, said
    assert _running(ready) == set()
    assert find_running(data_dir) is None
    assert ready.keys.read in said, "the screen gives a key to use"


@pytest.mark.long
async def test_a_killed_up_blocks_nothing_and_loses_nothing(run_up: RunUp, data_dir: Path) -> None:
    first_up = run_up()
    first = first_up.wait_until_ready()
    first_up.signal(signal.SIGKILL)
    first_up.end()
    assert _wait_until_gone(first) == set(), "the kernel ends the children"
    assert find_running(data_dir) is None, "its ready.json is not believed any more"

    second_up = run_up()
    second = second_up.wait_until_ready()
    await _assert_all_answer(second)
    assert second.keys == first.keys
    assert second.database == first.database, "same port, same password"
    assert second.api == first.api


@pytest.mark.long
@pytest.mark.slow
async def test_a_part_that_dies_is_started_again(run_up: RunUp) -> None:
    up = run_up()
    ready = up.wait_until_ready()
    for pid in ready.pids.values():
        os.kill(pid, signal.SIGKILL)

    async with asyncio.timeout(30):
        while not _is_all_new(ready):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.1)
    await _assert_all_answer(ready)

    up.signal(signal.SIGINT)
    code, said = up.end()
    assert code == 0
    for name in ready.pids:
        assert f"{name} is back" in said


@pytest.mark.slow
async def test_a_taken_port_is_left_to_its_owner(run_up: RunUp) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        taken = owner.getsockname()[1]
        up = run_up("--port", str(taken))
        ready = up.wait_until_ready()
        await _assert_all_answer(ready)
        assert not ready.api.endswith(f":{taken}")

        up.signal(signal.SIGINT)
        assert f"port {taken} is taken" in up.end()[1]


@pytest.mark.long
@pytest.mark.slow
async def test_a_signal_while_it_starts_leaves_nothing(run_up: RunUp, data_dir: Path) -> None:
    up = run_up()
    pids = data_dir / "pids.json"
    while not pids.exists():  # noqa: ASYNC110 - another process's doing
        await asyncio.sleep(0.01)
    started = json.loads(pids.read_text())

    up.signal(signal.SIGINT)
    code, said = up.end()

    assert code == 0, said
    assert not [child for child in started.values() if psutil.pid_exists(child["pid"])]
