"""What sellers bring of their past: orders that were never ours."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql_beside(__file__)
