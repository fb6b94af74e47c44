"""Replays histories: `python -m tests.histories.replay sandboxed|plain FILE…`.

Its last line is a JSON object: what failed, by the history's name.

A program of its own, so that a replay that hangs can be killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from workflows.order import OrderWorkflow
from workflows.refund import PaymentNewsWorkflow, RefundWorkflow
from workflows.return_ import ReturnWorkflow


async def main(runner: str, files: list[Path]) -> None:
    logging.disable()  # a failed task is told as a failure below
    replayer = Replayer(
        workflows=[OrderWorkflow, ReturnWorkflow, RefundWorkflow, PaymentNewsWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner()
        if runner == "sandboxed"
        else UnsandboxedWorkflowRunner(),
    )
    failures = {}
    for file in files:
        recorded = json.loads(file.read_text("utf-8"))
        began = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
        history = WorkflowHistory.from_json(began["workflowId"], recorded)
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        if result.replay_failure is not None:
            failures[file.stem] = str(result.replay_failure)
        print(file.stem, file=sys.stderr, flush=True)
    print(json.dumps(failures))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
