"""What people are told of their orders: each thing once."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql_beside(__file__)
