"""The tables of an order, from its lines to its outbox."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql_beside(__file__)
