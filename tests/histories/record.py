"""Records workflow histories anew: `python -m tests.histories.record [NAME …]`, without names all.

Drives a stack of its own through each path and keeps what Temporal wrote, without what names this
machine or tells where code lies. When to do that: docs/changing-a-workflow.md.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from temporalio.client import Client

from cli.stack.stack import LocalStack
from ordersaga.keys import workflow_id
from tests.conftest import SHORT_PATIENCE
from tests.histories.driving import Path as OrderPath
from tests.histories.paths import ONE_BY_ONE, PATHS, SIDE_BY_SIDE
from tests.histories.paths_outside import OUTSIDE
from tests.saga.shop import Shop

KEPT_IN: Final = Path(__file__).parent
SETTLED_AFTER_S: Final = 0.5  # a workflow that waits writes nothing for so long
GIVE_UP_AFTER: Final = 40  # looks
AT_ONCE: Final = 6  # paths

_IN_A_TASK: Final = (
    "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED",
    "EVENT_TYPE_WORKFLOW_TASK_STARTED",
)
_DROPPED: Final = frozenset({"stackTrace", "workerVersion", "binaryChecksum"})
_REPLACED: Final = {"identity": "worker"}
_STICKY: Final = "TASK_QUEUE_KIND_STICKY"


async def main(names: list[str]) -> None:
    unknown = set(names) - PATHS.keys()
    if unknown:
        sys.exit(f"no such path: {', '.join(sorted(unknown))}; there are {', '.join(PATHS)}")
    wanted = names or list(PATHS)
    together = {**SIDE_BY_SIDE, **OUTSIDE}
    home = Path(tempfile.mkdtemp(prefix="ordersaga-histories-"))
    home.chmod(0o711)  # noqa: ASYNC240  # where we are root, PostgreSQL runs as another user
    async with LocalStack(
        data_dir=home / "data", port=0, keep_data=False, settings=SHORT_PATIENCE
    ) as stack:
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(
            *(_record(stack, gate, n, path) for n, path in together.items() if n in wanted)
        )
        for name, path in ONE_BY_ONE.items():
            if name in wanted:
                await _record(stack, gate, name, path)
    home.rmdir()  # noqa: ASYNC240


async def _record(stack: LocalStack, gate: asyncio.Semaphore, name: str, path: OrderPath) -> None:
    async with gate, Shop(stack) as shop:
        driven = await path(shop)
        history = await _settled_history(stack, driven)
    events = [_without_the_machine(event) for event in history["events"]]
    # One event a line: a change of a path shows as a change of lines.
    lines = ",\n".join(json.dumps(event, sort_keys=True) for event in events)
    (KEPT_IN / f"{name}.json").write_text(f'{{"events": [\n{lines}\n]}}\n', "utf-8")
    print(f"{name}: {len(events)} events", flush=True)


async def _settled_history(stack: LocalStack, driven: str) -> Mapping[str, Any]:
    """Of a workflow that is over or waits: a prefix that ends within a task cannot be replayed."""
    client = await Client.connect(stack.ready.temporal)
    handle = client.get_workflow_handle(driven if ":" in driven else workflow_id(driven))
    count = 0
    for _ in range(GIVE_UP_AFTER):
        history: Mapping[str, Any] = (await handle.fetch_history()).to_json_dict()
        events = history["events"]
        if len(events) == count and events[-1]["eventType"] not in _IN_A_TASK:
            return history
        count = len(events)
        await asyncio.sleep(SETTLED_AFTER_S)
    raise TimeoutError(f"{driven} does not come to rest")


def _without_the_machine(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_the_machine(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("kind") == _STICKY:
        return {**node, "name": "sticky"}
    return {
        key: _REPLACED.get(key) or _without_the_machine(value)
        for key, value in node.items()
        if key not in _DROPPED
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
