"""Run by alembic for each upgrade; `adapters.postgres.migrate` hands it an open transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
