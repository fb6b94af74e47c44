"""Webhooks out: who wants to hear of what, what is on its way to them, and what came back."""

from __future__ import annotations

from adapters.postgres.migrations.script import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql_beside(__file__)
