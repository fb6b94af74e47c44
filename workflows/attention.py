"""A step that keeps failing says so to its own workflow, which shows it to whoever searches."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.steps import ATTENTION_SIGNAL
    from workflows.saga import Saga


class InAttention:
    """A workflow that insists on steps."""

    _saga: Saga

    @workflow.signal(name=ATTENTION_SIGNAL)
    def attention(self, step: Any = None, *_: Any) -> None:
        """From the activity itself, at the failure at which its order gets its mark."""
        self._saga.call_person(step)
