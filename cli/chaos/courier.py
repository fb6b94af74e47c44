"""Sends requests until each has an answer; those whose senders walked away, when all is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from cli.chaos.visits import Manner
from ordersaga.client import ApiClient, ApiProblem, ApiUnavailable, Order

RESOLVED_AT_ONCE: Final = 8  # questions; the machine has its orders to finish as well


@dataclass
class Request:
    """One request under one idempotency key, and all that its senders were told.

    `ask` sends it once more. `orders`: the ids in its answers, which should be one.
    """

    reference: str  # of the order it is about
    kind: str
    ask: Callable[[ApiClient], Awaitable[Order]]
    is_doubled: bool = False  # sent twice on purpose
    lost: int = 0  # answers
    was_left: bool = False  # without an answer until all was over
    orders: set[str] = field(default_factory=set)
    refusal: ApiProblem | None = None

    @property
    def is_answered(self) -> bool:
        return bool(self.orders) or self.refusal is not None


class Courier:
    """`hasty`: a client that takes the first failure for an answer that does not come."""

    def __init__(self, hasty: ApiClient) -> None:
        self._hasty = hasty
        self.requests: list[Request] = []

    async def deliver(self, request: Request, manner: Manner) -> Order | None:
        """The order as answered; None: refused, or nobody waited for the answer any more."""
        self.requests.append(request)
        request.is_doubled = manner.twice != "no"
        if manner.twice == "together":
            answers = await asyncio.gather(self._send(request, manner), self._send(request, manner))
            return answers[0] or answers[1]
        answer = await self._send(request, manner)
        if manner.twice == "again" and request.is_answered:
            answer = await self._send(request, manner) or answer
        return answer

    async def _send(self, request: Request, manner: Manner) -> Order | None:
        while True:
            try:
                order = await request.ask(self._hasty)
            except ApiProblem as problem:
                request.refusal = problem
                return None
            except ApiUnavailable as error:
                request.lost += error.is_lost
                if error.is_lost and manner.walks_away:
                    return None
                await asyncio.sleep(manner.repeats_after_s)
            else:
                request.orders.add(order.id)
                return order

    async def resolve(self, patient: ApiClient) -> int:
        """Repeats what has no answer, until it has one; returns how many there were.

        Raises `ApiUnavailable` in a group where the API stays away.
        """
        left = [request for request in self.requests if not request.is_answered]
        turns = asyncio.Semaphore(RESOLVED_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for request in left:
                request.was_left = True
                group.create_task(_resolve(request, patient, turns))
        return len(left)


async def _resolve(request: Request, patient: ApiClient, turns: asyncio.Semaphore) -> None:
    async with turns:
        try:
            request.orders.add((await request.ask(patient)).id)
        except ApiProblem as problem:
            request.refusal = problem
