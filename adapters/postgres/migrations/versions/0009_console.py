"""The operators' console: who is signed in, what was done there, and what orders are found by."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql_beside(__file__)
