"""A stack for demos: with the patience that a user's own has, so that a busy machine changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.stack import LocalStack


@pytest.fixture(scope="session")
async def demo_stack() -> AsyncIterator[LocalStack]:
    home = Path(tempfile.mkdtemp(prefix="ordersaga-"))
    await asyncio.to_thread(home.chmod, 0o711)  # where we are root, PostgreSQL runs as another user
    async with LocalStack(data_dir=home / "data", port=0, keep_data=False) as running:
        yield running
    await asyncio.to_thread(shutil.rmtree, home)


@pytest.fixture
def ready_file(demo_stack: LocalStack, tmp_path: Path) -> Path:
    path = tmp_path / "ready.json"
    path.write_text(demo_stack.ready.model_dump_json())
    return path
