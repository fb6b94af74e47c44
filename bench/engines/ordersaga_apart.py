"""ordersaga with API and worker apart, as `ordersaga api` and `ordersaga worker` run them.

The worker is the local stack's: on its database, by its task queue.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from bench.engines import ordersaga
from bench.engines.ordersaga import Ordersaga
from bench.engines.participants import Participants
from bench.engines.where import Where


def calling(where: Where, participants: Participants) -> AbstractAsyncContextManager[Ordersaga]:
    return ordersaga.calling(where, participants, works=False)
