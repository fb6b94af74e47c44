"""One running stack a session: real parts, short patience, so that a deadline is a matter of seconds."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cli.stack.stack import ALL_PARTS, LocalStack

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


class _ByRoom(LoadScopeScheduling):  # type: ignore[misc]  # xdist's classes are untyped to mypy
    """Which tests go to the same worker where several run side by side: those of a file, or of a room.

    (xdist's own `loadgroup` sends them anywhere: it writes the group into an id that pytest 9 does not read.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        room = Path(file).parent.name
        return room if room in ON_ONE_WORKER else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByRoom(config, log)


@asynccontextmanager
async def own_stack(
    *, parts: Collection[str] = ALL_PARTS, **settings: object
) -> AsyncIterator[LocalStack]:
    """On free ports, its data removed at the end. `settings`: besides the short patience."""
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data",
        port=0,
        keep_data=False,
        settings={**SHORT_PATIENCE, **settings},
        parts=parts,
    ) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[LocalStack]:
    """Everything of the product, API and worker apart."""
    async with own_stack() as running:
        yield running
