"""What an engineer sees of orders in Temporal, and the commands of docs/operations.md."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Json

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "operations.md"
COMMAND: Final = re.compile(r"^# (?P<title>.+)\n(?P<command>temporal .+)$", re.MULTILINE)
SEEN_WITHIN_S: Final = 30  # visibility follows within a second; a busy machine is slower

# By what the page calls it.
COMMANDS: Final = {
    found["title"]: found["command"] for found in COMMAND.finditer(PAGE.read_text("utf-8"))
}


@dataclass(frozen=True)
class Engineer:
    """At a shell, with the `temporal` command of this environment."""

    temporal: Client
    address: str

    async def run(self, command: str, **env: str) -> str:
        """What the command prints. It must succeed."""
        beside = str(Path(sys.executable).parent)
        ran = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "PATH": f"{beside}:{os.environ['PATH']}",
                "TEMPORAL_ADDRESS": self.address,
                **env,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await ran.communicate()
        assert ran.returncode == 0, err.decode()
        return out.decode()

    async def find(self, title: str, *, since: str = "", **env: str) -> set[str]:
        """The ids that a query of the page finds. `since`: in place of its `1 day ago`."""
        command = COMMANDS[title]
        if since:
            assert "1 day ago" in command
            command = command.replace("1 day ago", since)
        listed = json.loads(await self.run(f"{command} --output json --limit 1000", **env) or "[]")
        return {each["execution"]["workflowId"] for each in listed}

    async def find_until(
        self, title: str, wanted: Collection[str], *, since: str = "", **env: str
    ) -> set[str]:
        """The same, as soon as all that is wanted is among it."""
        until_s = time.monotonic() + SEEN_WITHIN_S
        while not set(wanted) <= (found := await self.find(title, since=since, **env)):
            assert time.monotonic() < until_s, f"{wanted} not in {found}"
            await asyncio.sleep(0.3)
        return found

    async def shown(self, order: Json) -> dict[str, object]:
        """The search attributes of an order's workflow."""
        described = await self.temporal.get_workflow_handle(workflow_id(order["id"])).describe()
        return {pair.key.name: pair.value for pair in described.typed_search_attributes}

    async def details(self, id_: str) -> str:
        """What the workflow says that it does now."""
        answer: WorkflowMetadata = await self.temporal.get_workflow_handle(id_).query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata
        )
        return answer.current_details
