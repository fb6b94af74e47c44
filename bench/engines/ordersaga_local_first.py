"""ordersaga with its other lane: the workflow's own task asks the provider. It has a worker of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from bench.engines import ordersaga
from bench.engines.ordersaga import Ordersaga
from bench.engines.participants import Participants
from bench.engines.where import Where

SETTINGS: Final = {"remote_lane": "local_first", "task_queue": "orders-local-first"}


def calling(where: Where, participants: Participants) -> AbstractAsyncContextManager[Ordersaga]:
    return ordersaga.calling(where, participants, **SETTINGS)
