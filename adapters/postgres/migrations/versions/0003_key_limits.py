"""Keys that expire and are rotated, what each may do in a second, and how many orders it may have open."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql_beside(__file__)
