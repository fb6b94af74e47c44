"""What Temporal alone knows of an order: how often each step was tried, what failed, when it comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter

from ordersaga import keys

MOST_EVENTS: Final = 500  # an order has some fifty; one that is retried for days not many more
RPC_TIMEOUT: Final = timedelta(seconds=2)  # somebody looks at a page meanwhile

# What an activity is asked with names what it is about (activities/steps.py).
_ABOUT: Final = (
    (("payment", "id"), keys.payment_step),
    (("refund", "id"), keys.refund_step),
    (("news", "payment_id"), keys.books_step),
    (("shipment_id",), keys.parcel_step),
)


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """An activity and its tries. `ended_at`: None, it is still tried, next at `next_try_at`.

    `is_done`: its last try succeeded; one that ended otherwise failed, or was called off.
    """

    activity: str
    step: str
    tries: int
    asked_at: datetime
    ended_at: datetime | None
    is_done: bool
    error: str | None  # of the last try that failed
    next_try_at: datetime | None


async def read_attempts(client: Client, workflow_id: str) -> tuple[Attempted, ...]:
    """In the order in which they were asked. Raises what the SDK raises."""
    handle = client.get_workflow_handle(workflow_id)
    found: dict[int, Attempted] = {}
    by_name: dict[str, int] = {}
    seen = 0
    async for event in handle.fetch_history_events(page_size=MOST_EVENTS, rpc_timeout=RPC_TIMEOUT):
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            by_name[scheduled.activity_id] = event.event_id
            found[event.event_id] = Attempted(
                activity=scheduled.activity_type.name,
                step=await _step(client.data_converter, scheduled.input.payloads),
                tries=0,
                asked_at=_time(event.event_time),
                ended_at=None,
                is_done=False,
                error=None,
                next_try_at=None,
            )
        else:
            _note(found, event)
        seen += 1
        if seen == MOST_EVENTS:
            break
    described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    for pending in described.raw_description.pending_activities:
        number = by_name.get(pending.activity_id)
        if number is not None:
            is_set = pending.HasField("next_attempt_schedule_time")
            found[number] = replace(
                found[number],
                tries=pending.attempt,
                error=_message(pending.last_failure),
                next_try_at=_time(pending.next_attempt_schedule_time) if is_set else None,
            )
    return tuple(found.values())


def _note(found: dict[int, Attempted], event: HistoryEvent) -> None:
    """What became of one that was asked."""
    name = event.WhichOneof("attributes")
    if name is None or not name.startswith("activity_task_"):
        return
    attributes = getattr(event, name)
    number = getattr(attributes, "scheduled_event_id", None)
    if number not in found:
        return
    if name == "activity_task_started_event_attributes":
        error = _message(attributes.last_failure)
        found[number] = replace(found[number], tries=attributes.attempt, error=error)
    elif not name.startswith("activity_task_cancel_requested"):
        failure = getattr(attributes, "failure", None)
        found[number] = replace(
            found[number],
            ended_at=_time(event.event_time),
            is_done=name == "activity_task_completed_event_attributes",
            error=found[number].error if failure is None else _message(failure),
        )


def _message(failure: Failure) -> str | None:
    """Our own words where they are ours; with keys, Temporal has them encrypted."""
    return failure.message or None


async def _step(converter: DataConverter, payloads: Sequence[Payload]) -> str:
    """Empty: it says nothing of one."""
    arguments = await converter.decode(payloads)
    asked: Any = arguments[0] if arguments else None
    for path, name in _ABOUT:
        value = asked
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return name(value)
    return ""


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
