"""A worker that dies by SIGKILL at a named point: `python -m tests.saga.doomed_worker WHEN ACTIVITY OLDER`.

WHEN is `before` its effect, or `after`: then nobody is told, the reply dies with the process.
It dies for orders younger than the id OLDER, not for what another worker left undone.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import uvloop
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from ordersaga import keys
from ordersaga.config import Settings
from worker.main import run_worker


class Doom(Interceptor):
    """Kills this process around the first run of one activity."""

    def __init__(self, when: str, name: str, older: str) -> None:
        self.when = when
        self.name = name
        self.older = keys.workflow_id(older)  # ids sort by the time they were made

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Doomed(next, self)


class _Doomed(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, doom: Doom) -> None:
        super().__init__(next)
        self._doom = doom

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        is_mine = info.activity_type == self._doom.name and str(info.workflow_id) > self._doom.older
        if is_mine and self._doom.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await super().execute_activity(input)
        if is_mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


if __name__ == "__main__":
    uvloop.run(run_worker(Settings.from_env(os.environ), [Doom(*sys.argv[1:])]))
