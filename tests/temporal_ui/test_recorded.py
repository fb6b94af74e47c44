"""Of every recorded way an order can go: all that it does is named, and nothing is shown twice."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.histories.paths import RECORDED

HISTORIES: Final = Path(__file__).parents[1] / "histories"
TO_BE_NAMED: Final = {
    "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
    "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED",
    "EVENT_TYPE_TIMER_STARTED",
    "EVENT_TYPE_MARKER_RECORDED",
}


@pytest.fixture(params=RECORDED)
def events(request: pytest.FixtureRequest) -> list[Mapping[str, Any]]:
    recorded = json.loads((HISTORIES / f"{request.param}.json").read_text("utf-8"))
    events: list[Mapping[str, Any]] = recorded["events"]
    return events


def test_every_workflow_step_and_timer_has_a_summary(events: list[Mapping[str, Any]]) -> None:
    nameless = [
        (event["eventId"], event["eventType"])
        for event in events
        if event["eventType"] in TO_BE_NAMED and not event.get("userMetadata", {}).get("summary")
    ]
    assert nameless == []
    assert events[0]["userMetadata"]["details"]


def test_an_attribute_is_written_only_when_it_changes(events: list[Mapping[str, Any]]) -> None:
    known: dict[str, Any] = {}
    for changes in _written(events):
        assert not {name for name, value in changes.items() if known.get(name) == value}
        known |= changes


def test_a_hold_shows_its_votes(events: list[Mapping[str, Any]]) -> None:
    holds = [event for event in events if _summary(event).startswith("hold stock")]
    for event in holds:
        details = event["markerRecordedEventAttributes"]["details"]
        (result,) = details["result"]["payloads"]
        told = json.loads(base64.b64decode(result["data"]))
        votes = told["votes"] if "verdict" in told else told
        assert votes
        assert {vote["answer"] for vote in votes} <= {"yes", "no"}
        assert all(vote["reference"] or vote["refusal"] or vote["step"] for vote in votes)


def _summary(event: Mapping[str, Any]) -> str:
    if event["eventType"] != "EVENT_TYPE_MARKER_RECORDED":
        return ""
    return str(json.loads(base64.b64decode(event["userMetadata"]["summary"]["data"])))


def _written(events: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        attributes = event.get("workflowExecutionStartedEventAttributes") or event.get(
            "upsertWorkflowSearchAttributesEventAttributes"
        )
        if attributes and "searchAttributes" in attributes:
            fields = attributes["searchAttributes"]["indexedFields"]
            yield {name: payload.get("data", "") for name, payload in fields.items()}
