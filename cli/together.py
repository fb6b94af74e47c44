"""`python -m cli.together`: API and worker in one process, over one connection to Temporal.

An order that it accepts begins in its own worker, at once: Temporal hands out the first task with the answer
to the start, without a queue between. Where that worker is full or not there yet, or a crowd waits, the queue
has it as always.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from adapters import temporal
from adapters.logs import configure_logs
from adapters.production import refuse_carelessness
from api.app import create_app
from api.serving import options
from ordersaga.config import Settings
from worker.main import stop_when_told, work


class _Server(uvicorn.Server):
    """Told to stop by us, who have a worker to stop after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_together(settings: Settings) -> None:
    """Until SIGTERM or SIGINT: requests end first, then what the worker has under way. Where one of both
    ends by itself, so does the other."""
    stop, stop_working = stop_when_told(), asyncio.Event()
    workflows = await temporal.reach(settings)
    server = _Server(uvicorn.Config(create_app(settings, workflows), **options()))
    serving = asyncio.create_task(server.serve())
    working = asyncio.create_task(work(settings, stop_working, share=workflows.share))
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, working, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    server.should_exit = True
    await asyncio.wait({serving})
    stop_working.set()
    await asyncio.wait({working})
    for task in (serving, working):
        task.result()


def main() -> None:
    configure_logs()
    settings = Settings.from_env(os.environ)
    refuse_carelessness(settings, os.environ)
    uvloop.run(run_together(settings))


if __name__ == "__main__":
    main()
