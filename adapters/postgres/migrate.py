"""Brings a database's tables to the newest version. Forward only: a mistake gets a migration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"

# Two deployments that migrate at once take turns. Any number of our own, always the same.
TURN_LOCK = 7_305_001


async def migrate(database_url: str) -> list[str]:
    """Applies what is missing, all of it or nothing; returns those revisions, oldest first.

    `database_url` names the role that shall own the tables. Raises what asyncpg raises.
    """
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    # Opened here, so that the URL means what it means everywhere else, and so do its errors.
    opened = await asyncpg.connect(database_url)

    async def hand_over() -> asyncpg.Connection[asyncpg.Record]:
        return opened

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=hand_over, poolclass=NullPool
    )
    async with engine.begin() as connection:
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> list[str]:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import text

    connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN_LOCK})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection

    scripts = ScriptDirectory.from_config(config)
    before = MigrationContext.configure(connection).get_current_revision()
    missing = [str(s.revision) for s in scripts.iterate_revisions("heads", before)]
    if missing:
        command.upgrade(config, "head")
    return missing[::-1]
