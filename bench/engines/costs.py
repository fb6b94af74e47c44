"""What an order costs besides time: CPU by process, SQL statements, history, billable actions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

# One line a statement that PostgreSQL was sent, also BEGIN and COMMIT; a prepared one says `execute`.
_STATEMENT: Final = re.compile(r"\S+@(\S+) LOG:  (?:statement|execute \S+): ")


def cpu_s(pid: int) -> float:
    """User and system time of a process and its children, also of those that ended."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for each in family:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if each is process:
            total += times.children_user + times.children_system
    return total


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: cpu_s(pid) for name, pid in pids.items()}


class StatementCount:
    """Counts what PostgreSQL is sent, by its own log. Only while nobody is timed: the log costs time."""

    def __init__(self, superuser: str, log: Path) -> None:
        self._superuser = superuser
        self._log = log
        self._from = 0

    async def __aenter__(self) -> StatementCount:
        await self._log_statements("all")
        self._from = self._log.stat().st_size
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._log_statements("none")

    def by_database(self) -> Counter[str]:
        with self._log.open("rb") as log:
            log.seek(self._from)
            lines = log.read().decode(errors="replace")
        return Counter(_STATEMENT.findall(lines))

    async def _log_statements(self, which: str) -> None:
        connection = await asyncpg.connect(self._superuser)
        await connection.execute(f"alter system set log_statement = '{which}'")
        await connection.execute("select pg_reload_conf()")
        await connection.close()


@dataclass(frozen=True)
class History:
    """Of one workflow. `actions`: billable ones of Temporal Cloud."""

    events: int
    workflow_tasks: int
    actions: int


# https://docs.temporal.io/cloud/actions: what is billed once each. Local activities: once a workflow task,
# however many it ran. (Also billed, and not here: signals and updates, heartbeats that are sent.)
_BILLED: Final = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    }
)
LOCAL_ACTIVITY: Final = "core_local_activity"  # the marker's name, in every SDK on the same core


async def read_history(client: Client, workflow_id: str) -> History:
    """As it stands: of an order of ordersaga, until it waits for its parcel."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    actions, batches = 0, set()
    for event in history.events:
        if event.event_type in _BILLED:
            actions += 1
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes
            if marker.marker_name == LOCAL_ACTIVITY:
                batches.add(marker.workflow_task_completed_event_id)
            else:
                actions += 1
    tasks = sum(
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in history.events
    )
    return History(len(history.events), tasks, actions + len(batches))
