"""ordersaga with its other lane: providers and carriers are asked by the task queue alone."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from bench.engines import ordersaga
from bench.engines.ordersaga import Ordersaga
from bench.engines.participants import Participants
from bench.engines.where import Where


def calling(where: Where, participants: Participants) -> AbstractAsyncContextManager[Ordersaga]:
    return ordersaga.calling(where, participants, task_queue="orders-queued", remote_lane="queued")
