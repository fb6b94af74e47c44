"""A worker that asks before each activity what to do: `python -m tests.faults.obedient_worker PORT [CACHED]`.

It is the product's own worker, with one interceptor. CACHED: how many workflows it keeps in memory.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.steps import PaymentStep
from adapters.logs import configure_logs
from ordersaga.config import Settings
from ordersaga.errors import DatabaseUnavailable
from tests.faults.orders_to_workers import Moment, Question, Word, ask
from worker import main

Run = Callable[[], Awaitable[Any]]


class Obedience(Interceptor):
    """Asks at `port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.copies: set[asyncio.Task[Any]] = set()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Obedient(next, self)


class _Obedient(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, obedience: Obedience) -> None:
        super().__init__(next)
        self._obedience = obedience

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        async def run() -> Any:
            return await self.next.execute_activity(input)

        match await self._ask("before", input):
            case "fail":
                raise DatabaseUnavailable("refused by the test")
            case "freeze":
                return await asyncio.shield(self._copy(run, input))
            case "late_copy":
                self._copy(run, input)
                result = await run()
            case "twice":
                self._copy(run, input)
                result, _ = await asyncio.gather(run(), run(), return_exceptions=True)
                if isinstance(result, BaseException):
                    raise result
            case _:
                result = await run()
        await self._ask("after", input)
        return result

    def _copy(self, run: Run, input: ExecuteActivityInput) -> asyncio.Task[Any]:
        """The same once more, late: nothing that ends the activity ends this."""

        async def late() -> Any:
            await self._ask("late", input)
            try:
                result = await run()
            except Exception as error:
                await self._ask("came_late", input, error=repr(error))
                return None
            await self._ask("came_late", input)
            return result

        copy = asyncio.create_task(late())
        self._obedience.copies.add(copy)
        copy.add_done_callback(self._obedience.copies.discard)
        return copy

    async def _ask(self, moment: Moment, input: ExecuteActivityInput, error: str = "") -> Word:
        info = activity.info()
        about = input.args[0]
        amount = about.payment.amount if isinstance(about, PaymentStep) else 0
        _, _, subject = str(info.workflow_id).partition(":")
        question = Question(subject, info.activity_type, moment, amount, error)
        return await ask(self._obedience.port, question)


if __name__ == "__main__":
    configure_logs()
    port, *cached = (int(argument) for argument in sys.argv[1:])
    if cached:
        main.CACHED_WORKFLOWS = cached[0]  # type: ignore[misc]  # a setting of this process alone
    uvloop.run(main.run_worker(Settings.from_env(os.environ), [Obedience(port)]))
