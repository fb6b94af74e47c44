"""Temporal's own cancellation, turned into what a customer's is: a request that the saga answers.

The saga runs in a task of its own, which nobody cancels: no step of it is torn in the middle.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio import workflow

T = TypeVar("T")


class Cancelable(Protocol):
    """A workflow that takes a cancel as a request."""

    def cancel_from_engine(self) -> None: ...


async def until(
    is_so: Callable[[], bool], *, timeout: timedelta | None = None, summary: str | None = None
) -> None:
    """Waits for `is_so`; raises `TimeoutError`. `summary`: of the timer, in Temporal's UI.

    A cancel of the workflow does not end the waiting: the SDK may raise it in any task that waits, not
    only in the main one. Only a task that was itself canceled by us stops here.
    """
    while True:
        try:
            return await workflow.wait_condition(is_so, timeout=timeout, timeout_summary=summary)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise


W = TypeVar("W", bound=Cancelable)
Arg = TypeVar("Arg")


def cancel_is_a_request(
    run: Callable[[W, Arg], Coroutine[Any, Any, T]],
) -> Callable[[W, Arg], Awaitable[T]]:
    """Decorates a workflow's `run`."""

    @functools.wraps(run)
    async def shielded(self: W, arg: Arg) -> T:
        saga = asyncio.create_task(run(self, arg))
        try:
            return await asyncio.shield(saga)
        except asyncio.CancelledError:
            if saga.done():
                raise
            self.cancel_from_engine()
        return await saga  # a cancellation comes once; eviction ends here and below alike

    return shielded
