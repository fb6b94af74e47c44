"""The workflow of `temporal_sample`, in a file of its own, as the SDK's guide advises for its sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.engines.flow import UNDO, Ask

STEP_TIMEOUT: Final = timedelta(seconds=10)


@workflow.defn(name="TextbookOrder")
class TextbookOrder:
    """A queued activity a step, one after the other; the undo when one says no."""

    @workflow.run
    async def run(self, ask: Ask) -> str | None:
        for name in ask.steps:
            refusal: str | None = await workflow.execute_activity(
                name, ask, start_to_close_timeout=STEP_TIMEOUT, result_type=str
            )
            if refusal:
                await workflow.execute_activity(UNDO, ask, start_to_close_timeout=STEP_TIMEOUT)
                return refusal
        return None
