"""How each family of points is hit: requests to the API, our own transactions, calls to others."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import connect_pool
from ordersaga.order import CANCELED as BY_BUYER
from ordersaga.order import Refusal
from tests.faults.acts import Act, Gate, Kind, Rule
from tests.faults.bench import ENDS_WITHIN_S, Bench
from tests.faults.orders_to_workers import Plan, Word
from tests.faults.table import CANCELED, CARD, DECLINED
from tests.saga.shop import Json

SLOW_COMMIT_S: Final = 1.0  # a local step has 2
TOO_SLOW_COMMIT_S: Final = 3.0
SLOW_CALL_S: Final = 3.0  # a client waits 15


class OwnBench(Bench):
    """A transaction of our own site, run by an activity of the local lane."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # as `Bench`
        self.plan: Plan | None = None
        self.rules: list[Rule] = []

    @property
    def subject(self) -> str:
        """Whose workflow it is."""
        return self.order_id

    @property
    def needles(self) -> tuple[bytes, ...]:
        return (self.order_id.encode(), self.point.marker.encode())

    def at_commit(self, *acts: Act) -> None:
        self.rules.append(self.lab.database.commits.add(Rule.of(self.needles, *acts)))

    def tell(self, *words: Word) -> Plan:
        plan = Plan(deque(words), amount=self.point.amount)
        self.plan = self.lab.desk.plan(self.subject, self.point.activity, plan)
        return plan

    async def assert_hit(self) -> None:
        assert self.plan is None or self.plan.met, "its activity was never run"
        assert self.plan is None or not self.plan.words, "the worker was never told"
        assert all(rule.met for rule in self.rules), "the line was never used"
        assert all(rule.is_spent or rule.acts[0].gate for rule in self.rules), "not all of it came"

    async def afterwards(self) -> None:
        if self.plan is not None and self.plan.late.reached.is_set():
            self.plan.late.opened.set()
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self.plan.came_late.wait()

    async def fail_first(self) -> None:
        self.tell("fail", "fail")

    async def lose_reply(self) -> None:
        self.at_commit(Act(Kind.LOSE_ANSWER))

    async def time_out(self) -> None:
        self.at_commit(Act(Kind.DELAY, seconds=TOO_SLOW_COMMIT_S))

    async def slow_down(self) -> None:
        self.at_commit(Act(Kind.DELAY, seconds=SLOW_COMMIT_S))

    async def drop_at_commit(self) -> None:
        self.at_commit(Act(Kind.REFUSE), Act(Kind.LOSE_ANSWER))

    async def duplicate(self) -> None:
        self.tell("twice")

    async def come_late(self) -> None:
        self.tell("late_copy")

    async def undo_first(self) -> None:
        """Frozen; the buyer cancels; what was frozen comes when all is over."""
        self.tell("freeze")

    async def wait_at(self, moment: str) -> None:
        self.gate = Gate()
        match moment:
            case "before":
                self.tell().before = self.gate
            case "after":
                self.tell().after = self.gate
            case _:
                self.at_commit(Act(Kind.HOLD, self.gate))

    async def begin(self, arrange: Callable[[], Awaitable[None]]) -> None:
        match self.cell.fault.name:
            case "late_after_undo" if self.point.doomed == CARD:
                self.canceled_later, self.ends = True, CANCELED
            case "late_after_undo":
                self.payments, self.ends = self.point.doomed, DECLINED
            case "undo_before_action":
                self.ends = CANCELED
        await super().begin(arrange)
        if self.cell.fault.name == "undo_before_action":
            await self.undo_while_frozen()

    async def undo_while_frozen(self) -> None:
        plan = self.plan
        assert plan is not None
        async with asyncio.timeout(ENDS_WITHIN_S):
            await plan.late.reached.wait()
        await self.end_it_otherwise()

    async def end_it_otherwise(self) -> None:
        await self.cancel()


class HoldBench(OwnBench):
    """Our own hold comes first of all: only another worker's decision can come before it."""

    async def undo_first(self) -> None:
        plan = self.tell()
        plan.before = self.gate = Gate()

    async def undo_while_frozen(self) -> None:
        assert self.gate is not None
        async with asyncio.timeout(ENDS_WITHIN_S):
            await self.gate.reached.wait()
        pool = await connect_pool(
            self.lab.stack.ready.database, size=1, application_name="another worker"
        )
        try:
            why = Refusal("customer", BY_BUYER, "changed my mind")
            await PostgresOwnSite(pool).decide(self.order_id, why, nothing_else=True)
        finally:
            await pool.close()
        self.gate.opened.set()


class RemoteBench(OwnBench):
    """A call to a provider or a carrier, then a transaction that writes down its answer."""

    booking: Gate | None = None  # what the carrier is asked waits there

    async def begin(self, arrange: Callable[[], Awaitable[None]]) -> None:
        async def hold_booking_too() -> None:
            await arrange()
            if self.point.booked_once:
                self.booking = Gate()
                self.lab.desk.plan(self.order_id, "book_parcel", Plan(before=self.booking))

        await super().begin(hold_booking_too)

    async def live_on(self) -> None:
        if self.booking is not None:
            await self.until_happened(self.point.booked_once)
            self.booking.opened.set()

    def at_call(self, *acts: Act) -> None:
        needles = (self.order_id.encode(), *(part.encode() for part in self.point.call))
        line = self.lab.lines[self.point.link]
        self.rules.append(line.calls.add(Rule.of(needles, *acts)))

    async def fail_first(self) -> None:
        self.at_call(Act(Kind.REFUSE), Act(Kind.REFUSE))

    async def lose_reply(self) -> None:
        self.at_call(Act(Kind.LOSE_ANSWER))

    async def time_out(self) -> None:
        self.at_call(Act(Kind.SWALLOW_ANSWER))

    async def slow_down(self) -> None:
        self.at_call(Act(Kind.DELAY, seconds=SLOW_CALL_S))

    async def poison(self) -> None:
        wrong = {"id": "pi_x", "object": "payment_intent", "amount": 1, "currency": "usd",
                 "status": "succeeded", "metadata": {}, "key": "somebody-else", "error": {}}  # fmt: skip
        bodies = (b"\x00<html>", b"", json.dumps(wrong).encode())
        first, *more = (Act(Kind.GARBLE_ANSWER, body=body) for body in bodies)
        self.at_call(first)
        calls = self.lab.lines[self.point.link].calls
        rule = Rule.of(
            [self.order_id.encode()], *more, after=self.rules[-1]
        )  # whatever it asks then
        self.rules.append(calls.add(rule))

    async def wait_at(self, moment: str) -> None:
        if moment != "between":
            await super().wait_at(moment)
            return
        self.gate = Gate()
        self.at_call(Act(Kind.HOLD_ANSWER, self.gate))


class PostedBench(Bench):
    """A request to the API: its transaction, its answer, and a client who asks again."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # as `Bench`
        self.rules: list[Rule] = []
        self.verb = self.point.name
        self.posted_key = f"{'place' if self.verb == 'accept' else 'cancel'}-{self.key}"

    async def begin(self, arrange: Callable[[], Awaitable[None]]) -> None:
        if self.verb == "cancel":
            self.order_id = (await self.place())["id"]
            self.lab.desk.know(self.order_id)
            await self.until_released()
        await arrange()
        if self.cell.fault.name == "duplicate":
            await asyncio.gather(self.ask(), self.ask())
        await self.ask()
        if self.verb == "accept" and self.cell.fault.name == "late_after_undo":
            self.ends = CANCELED
            await self.until_released()
            await self.cancel()

    async def ask(self) -> httpx.Response:
        """Places or cancels: always the same one."""
        if self.verb == "cancel":
            return await self.cancel()
        order = await self.place()
        assert self.order_id in ("", order["id"]), "one key made two orders"
        self.order_id = order["id"]
        self.lab.desk.know(self.order_id)
        return httpx.Response(202)

    async def assert_hit(self) -> None:
        assert all(rule.met for rule in self.rules), "the line was never used"

    async def afterwards(self) -> None:
        if self.cell.fault.name not in ("duplicate", "late_after_undo"):
            return
        await self.ask()
        if self.verb == "cancel":
            late = await self.cancel(key=f"late-{self.key}")
            assert (late.status_code, late.json()["code"]) == (409, "illegal_move")

    def hit(self, *acts: Act, at_commit: bool = True) -> None:
        rules = self.lab.database.commits if at_commit else self.lab.database.statements
        self.rules.append(rules.add(Rule.of((self.posted_key.encode(),), *acts)))

    async def fail_first(self) -> None:
        self.hit(Act(Kind.REFUSE), Act(Kind.REFUSE), at_commit=False)

    async def lose_reply(self) -> None:
        self.hit(Act(Kind.LOSE_ANSWER))

    async def time_out(self) -> None:
        self.hit(Act(Kind.DELAY, seconds=TOO_SLOW_COMMIT_S))
        impatient = httpx.Timeout(TOO_SLOW_COMMIT_S / 2)
        try:
            await self.lab.front.post(
                self.path,
                json=self.json,
                headers={"Idempotency-Key": self.posted_key},
                timeout=impatient,
            )
        except httpx.TimeoutException:
            return
        raise AssertionError("it was answered in time")

    async def slow_down(self) -> None:
        self.hit(Act(Kind.DELAY, seconds=SLOW_COMMIT_S))

    async def drop_at_commit(self) -> None:
        self.hit(Act(Kind.REFUSE), Act(Kind.LOSE_ANSWER))

    async def duplicate(self) -> None:
        """Asked twice at once by `begin`, and once more `afterwards`."""

    async def come_late(self) -> None:
        """Asked once more `afterwards`."""

    async def poison(self) -> None:
        for body in (b"", b"\x00", b"{", b"[]", b'{"reason": 7, "lines": "\xff"}', b'{"x": 1}'):
            if self.verb == "cancel" and body == b"":
                continue  # a cancel needs no body
            answer = await self.lab.front.post(
                self.path, content=body, headers={"Idempotency-Key": self.posted_key}
            )
            assert answer.status_code in (400, 422), f"{body!r}: {answer.text}"

    async def wait_at(self, moment: str) -> None:
        self.gate = Gate()
        match moment:
            case "before" if self.cell.fault.kills == "workers":
                self.hit(Act(Kind.HOLD, self.gate), at_commit=False)
            case "after":
                self.hit(Act(Kind.HOLD_ANSWER, self.gate))
            case _:
                self.hit(Act(Kind.HOLD, self.gate))

    @property
    def path(self) -> str:
        return "/v1/orders" if self.verb == "accept" else f"/v1/orders/{self.order_id}/cancel"

    @property
    def json(self) -> Json:
        return self.body() if self.verb == "accept" else {"reason": "changed my mind"}


FAMILIES: Final[dict[str, type[Bench]]] = {
    "posted": PostedBench,
    "own": OwnBench,
    "remote": RemoteBench,
}
