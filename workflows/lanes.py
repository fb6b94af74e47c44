"""A remote step asked within the workflow's own task first, and by the task queue when that does not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from temporalio import workflow
from temporalio.exceptions import FailureError

Queued: TypeAlias = "workflow.ActivityHandle[Any]"


class LocalFirst:
    """A step that is asked at once, and goes over to the task queue when no answer comes of that.

    To be used as the SDK's own handle of an activity is. What a time-out or a failure leaves behind is
    unclear, as it is after any failed try: `queued` begins what looks first.
    """

    def __init__(self, at_once: Queued, queued: Callable[[], Queued]) -> None:
        self._now = at_once
        self._queued = queued
        self._may_go_over = True
        at_once.add_done_callback(self._go_over)

    def done(self) -> bool:
        return self._now.done() and not self._goes_over()

    def cancel(self) -> None:
        self._may_go_over = False
        self._now.cancel()

    def cancelled(self) -> bool:
        return self._now.cancelled()

    def exception(self) -> BaseException | None:
        return self._now.exception()

    def result(self) -> Any:
        return self._now.result()

    def __await__(self) -> Generator[Any, None, Any]:
        """For what was canceled: it goes over to nothing any more."""
        return self._now.__await__()

    def _goes_over(self) -> bool:
        # (A local activity's failure comes as it is, without the SDK's ActivityError around it.)
        return (
            self._may_go_over
            and not self._now.cancelled()
            and isinstance(self._now.exception(), FailureError)
        )

    def _go_over(self, _: asyncio.Task[Any]) -> None:
        if self._goes_over():
            self._may_go_over = False
            self._now = self._queued()
