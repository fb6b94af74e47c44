"""Orders that are hit when they are long confirmed: by a message from outside, or on a return's way back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import httpx
from standardwebhooks import Webhook

from ordersaga.order import MERCHANT
from tests.faults.acts import Act, Gate, Kind, Rule
from tests.faults.bench import ENDS_WITHIN_S, POLL_S, REPEAT_S, Bench
from tests.faults.families import (
    FAMILIES,
    SLOW_COMMIT_S,
    TOO_SLOW_COMMIT_S,
    HoldBench,
    OwnBench,
    PostedBench,
    RemoteBench,
)
from tests.faults.table import Point
from tests.saga.shop import Json

CARRIER: Final = f"/v1/webhooks/carriers/{MERCHANT}"  # whoever ships for the merchant
Arrange = Callable[[], Awaitable[None]]


class PaidBench(RemoteBench):
    """Its payer acts on a page of his bank, and its provider tells us so."""

    async def live_on(self) -> None:
        await self.until(lambda order: order["payment_status"] == "requires_action")
        await self.shop.play_payer(self.order_id, "pay")


class LivedBench(Bench):
    """Its merchant ships it, and whoever brings it tells us so."""

    told: int = 0  # different messages that it should have heard

    async def place_and_ship(self) -> None:
        self.order_id = (await self.place())["id"]
        self.lab.desk.know(self.order_id)
        await self.until(lambda order: order["status"] == "confirmed")
        await self.ask_for("ship", {"tracking_number": self.number})

    @property
    def number(self) -> str:
        return f"TRK-{self.key}"

    async def ask_for(self, move: str, body: Json | None = None) -> Json:
        path = f"/v1/orders/{self.order_id}/{move}"
        answer = await self.post(path, body or {}, key=f"{move.rpartition('/')[2]}-{self.key}")
        assert answer.status_code < 300, answer.text
        order: Json = answer.json()
        return order

    async def carrier_tells(self, status: str = "delivered") -> None:
        """Sends a message again and again, until it is answered."""
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while True:
            assert time.monotonic() < deadline_s, "the message is never answered"
            try:
                answer = await self.send(self.message(status), message_id=self.id_of(status))
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                assert answer.status_code == httpx.codes.OK, answer.text
                return
            await asyncio.sleep(REPEAT_S)

    async def send(
        self, body: bytes, *, message_id: str, timeout_s: float | None = None, sign: bool = True
    ) -> httpx.Response:
        secret = self.lab.stack.ready.webhook_secrets.merchant
        now = datetime.now(UTC)
        signature = Webhook(secret).sign(message_id, now, body.decode(errors="replace"))
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature if sign else "v1,AAAA",
        }
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s)
        return await self.lab.front.post(CARRIER, content=body, headers=headers, timeout=timeout)

    def message(self, status: str) -> bytes:
        occurred_at = datetime.now(UTC).isoformat()
        data = {"tracking_number": self.number, "status": status, "occurred_at": occurred_at}
        return json.dumps({"type": "tracking.updated", "data": data}).encode()

    def id_of(self, status: str) -> str:
        return f"msg-{status}-{self.key}"

    async def end(self) -> Json:
        order = await super().end()
        await self.until_heard()
        return order

    async def until_heard(self) -> None:
        """All that was told, each once."""
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while True:
            heard = (await self.shop.history(self.order_id)).count("tracking.updated")
            assert heard <= self.told, "something was heard twice"
            if heard == self.told:
                return
            assert time.monotonic() < deadline_s, f"{heard} of {self.told} messages were heard"
            await asyncio.sleep(POLL_S)


class HearBench(LivedBench):
    """A message: kept before it is answered, told to its order then or later, followed once."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # as `Bench`
        self.rules: list[Rule] = []
        self.told = 1

    async def begin(self, arrange: Arrange) -> None:
        await self.place_and_ship()
        await arrange()
        match self.cell.fault.name:
            case "duplicate":
                await asyncio.gather(self.carrier_tells(), self.carrier_tells())
            case "undo_before_action":  # its order is over before the message comes
                await self.ask_for("confirm-receipt")
                await self.until(lambda order: order["status"] == "completed")
        await self.carrier_tells()

    def hit(self, *acts: Act) -> None:
        """The one statement that keeps it."""
        rule = Rule.of((self.id_of("delivered").encode(),), *acts)
        self.rules.append(self.lab.database.statements.add(rule))

    async def assert_hit(self) -> None:
        assert all(rule.met for rule in self.rules), "the line was never used"

    async def afterwards(self) -> None:
        if self.cell.fault.name not in ("duplicate", "late_after_undo"):
            return
        await self.carrier_tells()
        # An older one comes when all is over: kept, and no more.
        await self.carrier_tells("in_transit")
        self.told += 1
        await self.until_heard()

    async def fail_first(self) -> None:
        self.hit(Act(Kind.REFUSE), Act(Kind.REFUSE))

    async def lose_reply(self) -> None:
        self.hit(Act(Kind.LOSE_ANSWER))

    async def time_out(self) -> None:
        self.hit(Act(Kind.DELAY, seconds=TOO_SLOW_COMMIT_S))
        try:
            await self.send(
                self.message("delivered"),
                message_id=self.id_of("delivered"),
                timeout_s=TOO_SLOW_COMMIT_S / 2,
            )
        except httpx.TimeoutException:
            return
        raise AssertionError("it was answered in time")

    async def slow_down(self) -> None:
        self.hit(Act(Kind.DELAY, seconds=SLOW_COMMIT_S))

    async def drop_at_commit(self) -> None:
        self.hit(Act(Kind.REFUSE), Act(Kind.LOSE_ANSWER))

    async def duplicate(self) -> None:
        """Told twice at once by `begin`, and once more `afterwards`."""

    async def come_late(self) -> None:
        """Told once more `afterwards`."""

    async def undo_first(self) -> None:
        """By `begin`."""

    async def poison(self) -> None:
        nonsense = (b"", b"\x00\xff", b"{", b"[]", b'{"type": "tracking.updated"}', b'{"x": 1}')
        for body in (*nonsense, self.message("eaten")):
            answer = await self.send(body, message_id=f"poison-{self.key}")
            assert answer.status_code in (400, 401, 422), f"{body!r}: {answer.text}"
        forged = await self.send(self.message("lost"), message_id=f"forged-{self.key}", sign=False)
        assert forged.status_code == httpx.codes.UNAUTHORIZED

    async def wait_at(self, moment: str) -> None:
        self.gate = Gate()
        self.hit(Act(Kind.HOLD_ANSWER if moment == "after" else Kind.HOLD, self.gate))


class FollowBench(LivedBench, OwnBench):
    """The transaction that a message leads to: kept, folded, and the order moved, all or nothing."""

    async def begin(self, arrange: Arrange) -> None:
        self.told = 1
        await self.place_and_ship()
        await arrange()
        await self.carrier_tells()
        if self.cell.fault.name == "undo_before_action":
            await self.undo_while_frozen()

    async def end_it_otherwise(self) -> None:
        """Its buyer has it before we hear that."""
        await self.ask_for("confirm-receipt")


class ReturnBench(LivedBench):
    """Its buyer sends all of it back."""

    return_id = ""

    @property
    def subject(self) -> str:
        return self.return_id

    async def begin(self, arrange: Arrange) -> None:
        await self.place_and_ship()
        await self.ask_for("confirm-receipt")
        order = await self.ask_for("returns", {"reason": "too small"})
        self.return_id = order["returns"][0]["id"]
        self.lab.desk.know(self.return_id)
        await self.ask_for(f"returns/{self.return_id}/approve")
        await arrange()
        await self.receive()

    async def receive(self) -> None:
        await self.ask()

    async def ask(self) -> httpx.Response:
        path = f"/v1/orders/{self.order_id}/returns/{self.return_id}/receive"
        return await self.post(path, {}, key=f"receive-{self.key}")


class ReceiveBench(ReturnBench, PostedBench):
    """Its goods are here: on the shelf again, and what goes back is written down."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.posted_key = f"receive-{self.key}"

    async def receive(self) -> None:
        if self.cell.fault.name == "duplicate":
            await asyncio.gather(self.ask(), self.ask())
        await self.ask()

    async def afterwards(self) -> None:
        if self.cell.fault.name == "duplicate":
            await self.ask()

    @property
    def path(self) -> str:
        return f"/v1/orders/{self.order_id}/returns/{self.return_id}/receive"

    @property
    def json(self) -> Json:
        return {}


class ReturnStepBench(ReturnBench, OwnBench):
    """A transaction of our own site, by the return's workflow."""


class ReturnRefundBench(ReturnBench, RemoteBench):
    """A call of the return's workflow to the provider."""


BENCHES: Final[dict[str, type[Bench]]] = {
    "local_hold": HoldBench,
    "check": PaidBench,
    "hear": HearBench,
    "follow": FollowBench,
    "receive": ReceiveBench,
    "refund_return": ReturnRefundBench,
    "settle_return": ReturnStepBench,
}


def bench_of(point: Point) -> type[Bench]:
    """Its own, or its family's."""
    return BENCHES.get(point.name) or FAMILIES[point.family]
