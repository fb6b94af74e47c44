"""The life of a key: shown once, found by its hash, used, rotated, dead at its end."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from adapters.postgres.api_keys import (
    USE_COARSENESS,
    create_api_key,
    list_api_keys,
    note_uses,
    revoke_api_key,
    rotate_api_key,
)
from api.auth import KEY_MEMORY_S, KnownKeys
from cli.stack import LocalStack
from tests.api.calls import Database, fresh
from tests.api.running import RunningApi, make_key
from tests.stack.conftest import run_ordersaga

DAY = timedelta(days=1)
LAST_USE = "select last_used_at from api_keys where tenant = $1"


async def test_only_a_keys_hash_is_stored(database: Database) -> None:
    key = await create_api_key(database, tenant=fresh("t"), scopes=["ops"])
    stored = await database.fetchval(
        "select to_json(k)::text from api_keys k where key_hash = $1",
        hashlib.sha256(key.encode()).digest(),
    )

    assert key.startswith("osk_")
    assert key not in stored


async def test_a_key_has_scopes_there_are_and_a_tenant(database: Database) -> None:
    for tenant, scopes in (("t", ["root"]), ("t", []), ("", ["ops"])):
        with pytest.raises(ValueError, match=r"scope|tenant"):
            await create_api_key(database, tenant=tenant, scopes=scopes)


# --- Its end -------------------------------------------------------------------------------------


async def test_a_revoked_key_is_soon_worth_nothing(api: RunningApi, database: Database) -> None:
    tenant = fresh("t")
    key = await make_key(api, tenant=tenant, scopes=["ops"])
    (listed,) = await list_api_keys(database, tenant=tenant)
    assert await KnownKeys(api.pool).find(key) is not None

    assert await revoke_api_key(database, listed.id)
    assert await KnownKeys(api.pool).find(key) is None, "a process that did not know it"
    assert KEY_MEMORY_S <= 10, "a process that did"
    (listed,) = await list_api_keys(database, tenant=tenant)
    assert listed.revoked_at is not None
    assert not await revoke_api_key(database, "key_nobody")


async def test_a_key_ends_on_time_also_where_it_is_remembered(
    api: RunningApi, database: Database
) -> None:
    lives_for = timedelta(seconds=0.4)
    assert lives_for.total_seconds() < KEY_MEMORY_S
    key = await create_api_key(database, tenant=fresh("t"), scopes=["ops"], expires_in=lives_for)
    known = KnownKeys(api.pool)
    assert await known.find(key) is not None

    await asyncio.sleep(lives_for.total_seconds())
    assert await known.find(key) is None


# --- Rotation ------------------------------------------------------------------------------------


async def test_a_rotated_key_works_beside_the_new_one_for_a_while(
    api: RunningApi, database: Database
) -> None:
    tenant = fresh("t")
    old = await create_api_key(
        database,
        tenant=tenant,
        scopes=["ops", "orders:read"],
        name="till",
        requests_per_s=7,
        open_orders=8,
    )
    (listed,) = await list_api_keys(database, tenant=tenant)
    rotated = await rotate_api_key(database, listed.id, overlap=DAY)
    assert rotated is not None

    before, after = [await KnownKeys(api.pool).find(key) for key in (old, rotated.key)]
    assert before is not None
    assert after is not None
    assert before.id != after.id
    assert (after.tenant, after.scopes) == (before.tenant, before.scopes)
    assert (after.requests_per_s, after.open_orders) == (7, 8)
    first, second = await list_api_keys(database, tenant=tenant)
    assert [first.name, second.name] == ["till", "till"]
    assert first.expires_at == rotated.old_ends_at
    assert abs(rotated.old_ends_at - datetime.now(UTC) - DAY) < timedelta(minutes=1)
    assert second.expires_at is None


async def test_without_an_overlap_the_old_key_is_dead_at_once(
    api: RunningApi, database: Database
) -> None:
    tenant = fresh("t")
    old = await make_key(api, tenant=tenant, scopes=["ops"])
    (listed,) = await list_api_keys(database, tenant=tenant)
    rotated = await rotate_api_key(database, listed.id, overlap=timedelta(0))

    assert rotated is not None
    assert await KnownKeys(api.pool).find(old) is None
    assert await KnownKeys(api.pool).find(rotated.key) is not None


async def test_rotation_lengthens_no_life(database: Database) -> None:
    tenant = fresh("t")
    await create_api_key(database, tenant=tenant, scopes=["ops"], expires_in=timedelta(minutes=5))
    (listed,) = await list_api_keys(database, tenant=tenant)
    rotated = await rotate_api_key(database, listed.id, overlap=DAY)

    assert rotated is not None
    assert rotated.old_ends_at == listed.expires_at


async def test_a_dead_key_is_not_rotated(api: RunningApi, database: Database) -> None:
    tenant = fresh("t")
    await make_key(api, tenant=tenant, scopes=["ops"])
    (listed,) = await list_api_keys(database, tenant=tenant)
    await revoke_api_key(database, listed.id)

    assert await rotate_api_key(database, listed.id, overlap=DAY) is None
    assert await rotate_api_key(database, "key_nobody", overlap=DAY) is None
    assert len(await list_api_keys(database, tenant=tenant)) == 1


# --- Its use -------------------------------------------------------------------------------------


async def test_when_a_key_was_used_is_known_to_the_minute(
    api: RunningApi, database: Database
) -> None:
    tenant, known = fresh("t"), KnownKeys(api.pool)
    key = await make_key(api, tenant=tenant, scopes=["ops"])
    await known.settle()
    assert await database.fetchval(LAST_USE, tenant) is None

    await known.find(key)
    assert await database.fetchval(LAST_USE, tenant) is None, "not in the request's way"
    await known.settle()
    first = await database.fetchval(LAST_USE, tenant)
    assert abs(datetime.now(UTC) - first) < USE_COARSENESS

    for process in (known, KnownKeys(api.pool)):
        await process.find(key)
        await process.settle()
    assert await database.fetchval(LAST_USE, tenant) == first, "written once a minute"


async def test_a_use_a_minute_later_is_written(api: RunningApi, database: Database) -> None:
    tenant = fresh("t")
    await make_key(api, tenant=tenant, scopes=["ops"])
    (listed,) = await list_api_keys(database, tenant=tenant)
    await database.execute(
        "update api_keys set last_used_at = now() - $2::interval where id = $1",
        *(listed.id, USE_COARSENESS * 1.1),
    )
    await note_uses(database, [listed.id])

    assert datetime.now(UTC) - await database.fetchval(LAST_USE, tenant) < USE_COARSENESS


# --- The command ---------------------------------------------------------------------------------


async def test_the_command_creates_lists_rotates_and_revokes(
    api: RunningApi, postgres: LocalStack
) -> None:
    tenant = fresh("t")

    async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            run_ordersaga, "keys", *arguments, ORDERSAGA_DATABASE_URL=postgres.ready.database
        )

    async def listed() -> list[list[str]]:
        done = await run("list", "--tenant", tenant)
        return [line.split("\t") for line in done.stdout.splitlines()]

    options = ("--name", "till", "--expires-in", "90d", "--requests-per-s", "5")
    created = await run("create", "--tenant", tenant, "--scope", "ops", *options)
    found = await KnownKeys(api.pool).find(created.stdout.strip())
    assert found is not None
    assert (found.tenant, set(found.scopes), found.requests_per_s) == (tenant, {"ops"}, 5)
    ((key_id, _, scopes, dates, name),) = await listed()
    assert (key_id, scopes, name) == (found.id, "ops", "till")
    assert "expires" in dates
    assert "never used" in dates

    rotated = await run("rotate", key_id, "--overlap", "0s")
    (new_key,) = rotated.stdout.splitlines()
    assert key_id in rotated.stderr
    assert await KnownKeys(api.pool).find(new_key) is not None
    assert await KnownKeys(api.pool).find(created.stdout.strip()) is None
    assert (await run("rotate", key_id)).returncode == 1, "it is dead"

    new_id = (await listed())[-1][0]
    assert (await run("revoke", new_id)).returncode == 0
    assert "revoked" in (await listed())[-1][3]
    assert await KnownKeys(api.pool).find(new_key) is None


@pytest.mark.parametrize("wrong", ["soon", "1", "5y", "-1h", ""])
def test_a_time_that_is_none_is_refused_by_name(wrong: str) -> None:
    done = run_ordersaga("keys", "rotate", "key_x", "--overlap", wrong)

    assert done.returncode == 2
    assert "--overlap" in done.stderr
