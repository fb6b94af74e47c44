"""What comes from outside: messages, tracking, returns, refunds, reviews, holds."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql_beside(__file__)
