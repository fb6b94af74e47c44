"""The local lane, as the workflows ask it: a transaction of our own site, within the workflow's task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from workflows import policy

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


async def here(
    step: Callable[[OwnSiteActivities, Ask], Awaitable[Answer]], ask: Ask, summary: str
) -> Answer:
    """Done here, now, however often it takes. `summary`: what its marker is called in Temporal's UI."""
    return await workflow.execute_local_activity_method(step, ask, summary=summary, **policy.LOCAL)
