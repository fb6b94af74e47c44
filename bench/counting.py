"""How the cost of an order is counted: in Temporal's history, at the connections, on the way to others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from adapters.postgres.pool import Pool
from ordersaga.keys import workflow_id

Counts: TypeAlias = Mapping[str, int]

OF_THE_HISTORY: Final = (
    "history_events",
    "workflow_tasks",
    "activity_tasks",
    "billable_actions",
)
COUNTS: Final = (
    *OF_THE_HISTORY,
    "api_statements",
    "api_round_trips",
    "worker_statements",
    "worker_round_trips",
    "provider_calls",
    "carrier_calls",
)

UNDER_WAY: Final = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
)
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
LOOK_EVERY_S: Final = 0.05

# The transaction's own: a round trip each, but no statement of ours.
BRACKETS: Final = ("begin", "commit", "rollback", "savepoint", "release")
# Done beside the requests, by the clock: which keys were used, and how often.
BY_THE_CLOCK: Final = ("update api_keys", "insert into request_tokens")


class Statements:
    """What goes to PostgreSQL over one connection. (A statement that is known there is one round trip.)"""

    def __init__(self) -> None:
        self._seen: list[str] = []

    async def listen(self, pool: Pool) -> None:
        """To the only connection of this pool."""
        async with pool.acquire() as connection:
            connection.add_query_logger(self._note)

    def _note(self, record: object) -> None:
        query = " ".join(str(getattr(record, "query", "")).split()).lower()
        if not query.startswith(BY_THE_CLOCK):
            self._seen.append(query)

    def clear(self) -> None:
        self._seen.clear()

    @property
    def round_trips(self) -> int:
        return len(self._seen)

    @property
    def statements(self) -> int:
        return sum(not query.startswith(BRACKETS) for query in self._seen)


class Calls(logging.Handler):
    """Requests over HTTP, by where they go: httpx tells of each."""

    def __init__(self, url: str) -> None:
        super().__init__(logging.INFO)
        self._url = url
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += self._url in record.getMessage()


def billable_actions(events: Iterable[HistoryEvent]) -> int:
    """Of Temporal Cloud, for a workflow whose history this is."""
    actions, batches = 0, set()
    for event in events:
        if event.event_type in _BILLED:
            actions += 1
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes
            if marker.marker_name == LOCAL_ACTIVITY:
                batches.add(marker.workflow_task_completed_event_id)
            else:
                actions += 1
    return actions + len(batches)


async def count_history(temporal: Client, order_id: str) -> dict[str, int]:
    """Of an order's workflow, as soon as it is at rest: no task of its is under way."""
    events = await _at_rest(temporal.get_workflow_handle(workflow_id(order_id)))
    kinds = _kinds(events)
    return {
        "history_events": len(kinds),
        "workflow_tasks": kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED),
        "activity_tasks": kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED),
        "billable_actions": billable_actions(events),
    }


def _kinds(events: Iterable[HistoryEvent]) -> list[EventType.ValueType]:
    return [event.event_type for event in events]


async def _at_rest(handle: WorkflowHandle[object, object]) -> list[HistoryEvent]:
    while True:
        events: list[HistoryEvent] = list((await handle.fetch_history()).events)
        kinds = _kinds(events)
        begun = kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        if (
            kinds[-1] not in UNDER_WAY
            and kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
            and begun == kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
        ):
            return events
        await asyncio.sleep(LOOK_EVERY_S)
