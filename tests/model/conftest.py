"""A PostgreSQL for the state machine."""

from __future__ import annotations

from tests.postgres.conftest import database as database  # the same fixture, for this folder too
