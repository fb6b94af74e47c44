"""What each migration does: run the .sql file that lies beside it under the same name."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_sql_beside(migration: str) -> None:
    """Runs the whole file as one script, in the migration's transaction.

    `migration` is the caller's `__file__`. Through asyncpg itself, because SQLAlchemy prepares
    each statement and PostgreSQL prepares only one at a time.
    """
    script = Path(migration).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
