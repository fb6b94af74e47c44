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

from bench.counting import billable_actions

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
    """Of one workflow. `actions`: billable ones."""

    events: int
    workflow_tasks: int
    actions: int


async def read_history(client: Client, workflow_id: str) -> History:
    """As it stands: of an order of ordersaga, until it waits for its parcel."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    tasks = sum(
        event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED for event in history.events
    )
    return History(len(history.events), tasks, billable_actions(history.events))
