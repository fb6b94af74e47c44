"""Replays histories as they were recorded and encrypted: `python -m tests.privacy.replay_encrypted FILE…`.

Its last line is a JSON object: what failed, by the history's name. A program of its own, as
`tests.histories.replay` is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from adapters.payload_codec import KeyRing, data_converter
from tests.privacy.keys import NEW, OLD
from workflows.order import OrderWorkflow
from workflows.refund import PaymentNewsWorkflow, RefundWorkflow
from workflows.return_ import ReturnWorkflow


async def main(files: list[Path]) -> None:
    logging.disable()  # a failed task is told as a failure below
    replayer = Replayer(
        workflows=[OrderWorkflow, ReturnWorkflow, RefundWorkflow, PaymentNewsWorkflow],
        data_converter=data_converter([NEW, OLD]),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    failures: dict[str, str] = {}
    for file in files:
        recorded = json.loads(file.read_text("utf-8"))
        began = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
        history = WorkflowHistory.from_json(began["workflowId"], recorded)
        for name in ("plain", "half of it", "encrypted"):
            if name != "plain":
                await encrypt(history, every=2 if name == "half of it" else 1)
            result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
            if result.replay_failure is not None:
                failures[f"{file.stem}, {name}"] = str(result.replay_failure)
    print(json.dumps(failures))


async def encrypt(history: WorkflowHistory, *, every: int) -> None:
    """In place, by the old key, as an order that began before its keys were changed."""
    ring = KeyRing([OLD])
    payloads = [p for event in history.events for p in _payloads(event)]
    assert payloads
    for payload in payloads[::every]:
        if payload.metadata.get("encoding") != b"binary/encrypted":
            (encrypted,) = await ring.encode([payload])
            payload.CopyFrom(encrypted)


def _payloads(node: Message) -> Iterator[Payload]:
    """All that a codec sees: not search attributes, nor what the SDK notes in a marker for itself."""
    for field, value in node.ListFields():
        if field.message_type is None or field.name == "search_attributes":
            continue
        for name, inner in _messages(value):
            if isinstance(inner, Payload):
                yield inner
            elif isinstance(inner, Message) and (field.name, name) != ("details", "data"):
                yield from _payloads(inner)


def _messages(value: Any) -> Iterator[tuple[str, Any]]:
    """With the names that a map gives them."""
    if isinstance(value, Message):
        yield "", value
    elif isinstance(value, Mapping):
        yield from value.items()
    else:
        yield from (("", inner) for inner in value)


if __name__ == "__main__":
    asyncio.run(main([Path(name) for name in sys.argv[1:]]))
