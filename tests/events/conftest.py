"""The relay's own tables, and a relay that does as it is told."""

from __future__ import annotations

from tests.relay.conftest import merchant, pool, stack

__all__ = ["merchant", "pool", "stack"]
