"""The program in docs/client.md does what it says."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from cli.stack import LocalStack

DOC = Path(__file__).parents[2] / "docs" / "client.md"


async def test_the_program_in_the_docs_runs(demo_stack: LocalStack) -> None:
    found = re.search(r"```python\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    assert found is not None
    ready = demo_stack.ready
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        found[1],
        env={**os.environ, "ORDERSAGA_URL": ready.api, "ORDERSAGA_KEY": ready.keys.ops},
        stdout=asyncio.subprocess.PIPE,
    )
    printed = (await process.communicate())[0].decode().splitlines()
    assert process.returncode == 0
    order_id, status, failure = printed[0].split(" ")
    assert (status, failure) == ("confirmed", "None")
    assert any(line.startswith(order_id) for line in printed[1:])
