"""Personal data can be taken away: people's words leave history, and an erasure leaves a record."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql_beside(__file__)
