"""Events on their way to others: stamped, shared out, and how far each sink is."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql_beside(__file__)
