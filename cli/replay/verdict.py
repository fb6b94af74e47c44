"""Where orders ended, and where history says that they did."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cli.replay.life import Life
from cli.replay.timeline import RecordedStatus
from cli.traffic.carrier import Carrier
from ordersaga.client import ApiClient, Order
from ordersaga.lifecycle import UNDECIDED, Status

LOOKING_AT_ONCE: Final = 16  # orders that are read side by side

# What was sent last is still on its way: told again by its sender, or, where the API has it already,
# by a sweep within seconds.
UNTOLD_LOOK_EVERY_S: Final = 0.2
UNTOLD_LOOKS: Final = 150  # half a minute: the sender's own longest pause
LAST_WORD_S: Final = 10.0


@dataclass(frozen=True)
class Placed:
    """An order that has a life, without all that it was made of."""

    order_id: str
    name: str
    reference: str
    recorded: RecordedStatus
    ends_as: frozenset[Status]

    @classmethod
    def of(cls, life: Life, order: Order) -> Placed:
        return cls(order.id, life.order.name, life.reference, life.recorded, life.ends_as)


@dataclass(frozen=True)
class Mismatch:
    """An order that is not where its record ends."""

    placed: Placed
    order: Order

    def __str__(self) -> str:
        placed, order = self.placed, self.order
        found = f"{order.status}, {order.payment_status}, {order.fulfillment_status}"
        why = f": {order.failure.code}" if order.failure else ""
        attention = ", in attention" if order.attention else ""
        return (
            f"{placed.name} ({placed.reference}) recorded {placed.recorded}, "
            f"{order.id} is {found}{attention}{why}"
        )

    @property
    def is_undecided(self) -> bool:
        return self.order.status in UNDECIDED


@dataclass
class Verdict:
    """Over all orders that were placed."""

    matched: Counter[tuple[RecordedStatus, str]] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)


async def until_all_is_told(carrier: Carrier) -> None:
    """Until nobody has anything left to say, or for as long as that may take."""
    for _ in range(UNTOLD_LOOKS):
        if not await carrier.count_untold():
            break
        await asyncio.sleep(UNTOLD_LOOK_EVERY_S)
    await asyncio.sleep(LAST_WORD_S)


async def judge(api: ApiClient, placed: Iterable[Placed]) -> Verdict:
    """Reads each order once more. Raises `Unavailable` in a group."""
    verdict = Verdict()
    looking = asyncio.Semaphore(LOOKING_AT_ONCE)

    async def look(one: Placed) -> None:
        async with looking:
            order = await api.get_order(one.order_id)
        if order.status in one.ends_as:
            verdict.matched[one.recorded, order.status] += 1
        else:
            verdict.mismatches.append(Mismatch(one, order))

    async with asyncio.TaskGroup() as group:
        for one in placed:
            group.create_task(look(one))
    return verdict
