"""One running stack a session: real parts, short patience, so that a deadline is a matter of seconds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stack.stack import LocalStack

SHORT_PATIENCE = {
    "outage_patience_s": 15,  # longer than a killed worker's heartbeat time-out and three failures
    "payer_patience_s": 6,
    "hold_patience_s": 4,
    "completion_window_s": 3,
    "undo_retry_cap_s": 2,
    "sweep_interval_s": 0.5,
}

# Their tests share a stack of their own, which costs much of a core even while it idles.
ON_ONE_WORKER = ("audit", "demo", "conformance", "temporal_ui")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests go to the same worker where several run side by side: those of a file, or of a room."""
    for item in items:
        room = item.path.parent.name
        group = room if room in ON_ONE_WORKER else f"{room}/{item.path.name}"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """Everything that `ordersaga up` starts, on free ports, its data removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, settings=SHORT_PATIENCE
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)
