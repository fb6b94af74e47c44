"""Lives side by side: each order's own clock starts at its purchase."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from cli.replay.life import Act, Cancels, Life, Pays, Seen, SeenAgain
from cli.traffic.carrier import Carrier, CarrierSaysNo, Message
from cli.traffic.looking import look_until
from cli.traffic.pages import PayerPages, pages_of
from cli.traffic.stage import Stage
from ordersaga.client import ApiClient, ApiProblem, Order
from ordersaga.lifecycle import FINAL, STATUS_MOVES, Status

WAIT_S: Final = 30  # the longest that the API holds an answer back

# Lives under way at once. Most of a life is waiting, but each is kept in memory, and asks the API
# now and then.
MOST_LIVES: Final = 1000


class Clock:
    """Recorded time, `speed` times as fast; starts now."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began_at = datetime.now(UTC)

    def moment(self, after: timedelta) -> datetime:
        """When that is, or was, by our own clock."""
        return self._began_at + after / self._speed

    async def wait_until(self, after: timedelta) -> None:
        left = self.moment(after) - datetime.now(UTC)
        if left > timedelta(0):
            await asyncio.sleep(left.total_seconds())


@dataclass(frozen=True)
class Cast:
    """Everybody who acts on orders."""

    api: ApiClient
    stage: Stage
    pages: PayerPages
    carrier: Carrier


class Audience(Protocol):
    """Hears of everything as it happens."""

    def refused(self, life: Life, problem: ApiProblem) -> None: ...

    def placed(self, life: Life, order: Order) -> None: ...

    def acted(self, act: Act) -> None: ...

    def lived(self, life: Life, order: Order) -> None: ...


class Driver:
    """`concurrency`: how many orders are being placed at once. `run`: makes its keys unique."""

    def __init__(
        self, cast: Cast, audience: Audience, *, run: str, concurrency: int, speed: float
    ) -> None:
        self._cast = cast
        self._audience = audience
        self._run = run
        self._speed = speed
        self._placing = asyncio.Semaphore(concurrency)
        self._living = asyncio.Semaphore(MOST_LIVES)

    async def drive(self, lives: Iterable[Life]) -> None:
        """All of them, to the ends of their records. Raises `Unavailable` in a group."""
        async with asyncio.TaskGroup() as group:
            for life in lives:
                await self._living.acquire()
                group.create_task(self._one(life))

    async def _one(self, life: Life) -> None:
        try:
            await self._live(life)
        finally:
            self._living.release()

    async def _live(self, life: Life) -> None:
        key = f"{self._run}-{life.order.name.replace(' ', '-')}"
        async with self._placing:
            body = await self._cast.stage.prepare(life.order)
            clock = Clock(self._speed)
            try:
                order = await self._cast.api.create_order(body, key=key, wait_s=WAIT_S)
            except ApiProblem as problem:
                self._audience.refused(life, problem)
                return
        self._audience.placed(life, order)
        playing = _Playing(self._cast, clock, order, key)
        for act in life.acts:
            await clock.wait_until(act.after)
            if not await playing.act(act):
                break  # its life has gone another way: where it ends will tell
            self._audience.acted(act)
        self._audience.lived(life, await playing.until_ended(life))


@dataclass
class _Playing:
    """One order's life so far. `order`: as it was last seen."""

    cast: Cast
    clock: Clock
    order: Order
    key: str
    messages: dict[int, Message] = field(default_factory=dict)

    async def act(self, act: Act) -> bool:
        """Whether that could be done."""
        try:
            match act:
                case Pays():
                    await self._pay()
                case Cancels():
                    await self._cancel()
                case Seen():
                    self.messages[act.number] = await self._see(act)
                case SeenAgain():
                    await self.cast.carrier.tell_again(self.messages[act.number])
        except (ApiProblem, CarrierSaysNo):
            return False
        return True

    async def until_ended(self, life: Life) -> Order:
        """Where its record says; or where it is when it cannot get there, or does not in time."""
        order = await self.cast.api.get_order(self.order.id)
        return await look_until(
            self.cast.api,
            order,
            lambda now: (
                now.status in life.ends_as or reachable(now.status).isdisjoint(life.ends_as)
            ),
        )

    async def _pay(self) -> None:
        """Wherever the order sends its payer, until it is decided."""
        paid: set[str] = set()

        def to_pay(now: Order) -> frozenset[str]:
            return pages_of(now) - paid if now.status == Status.PENDING else frozenset()

        while True:
            self.order = await look_until(
                self.cast.api,
                self.order,
                lambda now: now.status != Status.PENDING or bool(to_pay(now)),
            )
            pages = to_pay(self.order)
            if not pages:
                return
            for page in pages:
                await self.cast.pages.pay(page)
            paid |= pages

    async def _cancel(self) -> None:
        self.order = await self.cast.api.cancel_order(
            self.order.id, reason="as recorded", key=f"{self.key}-cancel", wait_s=WAIT_S
        )

    async def _see(self, seen: Seen) -> Message:
        occurred_at = self.clock.moment(seen.occurred_after)
        return await self.cast.carrier.see(
            await self._tracking_number(),
            seen.status,
            occurred_at=occurred_at,
            estimated_at=(
                None if seen.estimated_after is None else self.clock.moment(seen.estimated_after)
            ),
        )

    async def _tracking_number(self) -> str:
        """Raises `CarrierSaysNo`: there is no parcel."""
        self.order = await look_until(
            self.cast.api, self.order, lambda now: bool(_number(now)) or now.status in FINAL
        )
        number = _number(self.order)
        if number is None:
            raise CarrierSaysNo("no parcel was booked")
        return number


def reachable(status: str) -> frozenset[str]:
    """The statuses that an order of this one may still come to, by any number of moves."""
    found: set[str] = set()
    ways = [status]
    while ways:
        at = ways.pop()
        nexts = {move.target for move in STATUS_MOVES if at in move.sources} - found
        found |= nexts
        ways += nexts
    return frozenset(found)


def _number(order: Order) -> str | None:
    return order.shipments[0].tracking_number if order.shipments else None
