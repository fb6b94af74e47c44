"""Signs of life from activities that take long, so that a killed worker's step is retried within seconds.

An activity that ends sooner, as nearly all do, never sends one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

HEARTBEAT_EVERY_S: Final = 2  # two may be late or lost before the policy's time-out of 5 s


class Heartbeats(Interceptor):
    """Sends them for every activity of the queued lane."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Beating(next)


class _Beating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if activity.info().is_local:
            return await super().execute_activity(input)
        beating = asyncio.create_task(_beat())
        try:
            return await super().execute_activity(input)
        finally:
            beating.cancel()


async def _beat() -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_EVERY_S)
        activity.heartbeat()
