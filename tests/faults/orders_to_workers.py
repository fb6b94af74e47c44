"""What the test tells its worker to do with each run of an activity: the line between the two.

One question a connection, a line of JSON each way. The worker asks before it runs an activity of an
order that somebody plans for; the answer may be long in coming.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, Self

from tests.faults.acts import Gate

KNOWN_WITHIN_S: Final = 1.0  # an order's id is known when its POST is answered; a step may take 2

Word = Literal[
    "go",
    "fail",  # before its effect
    "twice",  # at once; and once more, late
    "late_copy",  # as always; and once more, late
    "freeze",  # not now, but late, when nobody waits for it any more
]
Moment = Literal["before", "after", "late", "came_late"]


@dataclass(frozen=True)
class Question:
    """`subject`: the order or the return whose workflow it is. `amount`: of the payment that the activity
    is about, in minor units; 0 where it is not."""

    subject: str
    activity: str
    moment: Moment
    amount: int = 0
    error: str = ""  # `came_late`: how it ended


@dataclass
class Plan:
    """For one activity of one order or return. `amount`: of this payment alone."""

    words: deque[Word] = field(default_factory=deque)
    amount: int = 0
    before: Gate | None = None
    after: Gate | None = None
    late: Gate = field(default_factory=Gate)
    met: int = 0
    came_late: asyncio.Event = field(default_factory=asyncio.Event)
    late_error: str = ""


class Desk:
    """The test's end of the line."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str], Plan] = {}
        self._known: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for plan in self._plans.values():
            for gate in (plan.before, plan.after, plan.late):
                if gate is not None:
                    gate.opened.set()
        self._server.close()

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def plan(self, subject: str, activity: str, plan: Plan) -> Plan:
        self._plans[subject, activity] = plan
        return plan

    def know(self, subject: str) -> None:
        """All is planned for this order, or this return: its worker may go on."""
        self._event(subject).set()

    def _event(self, subject: str) -> asyncio.Event:
        return self._known.setdefault(subject, asyncio.Event())

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):
            question = Question(**json.loads(await reader.readline()))
            writer.write(json.dumps(await self._answer(question)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, question: Question) -> Word:
        with suppress(TimeoutError):
            async with asyncio.timeout(KNOWN_WITHIN_S):
                await self._event(question.subject).wait()
        plan = self._plans.get((question.subject, question.activity))
        if plan is None or plan.amount not in (0, question.amount):
            return "go"
        match question.moment:
            case "before":
                plan.met += 1
                if plan.before is not None:
                    await plan.before.wait()
                return plan.words.popleft() if plan.words else "go"
            case "after":
                if plan.after is not None:
                    await plan.after.wait()
            case "late":
                await plan.late.wait()
            case "came_late":
                plan.late_error = question.error
                plan.came_late.set()
        return "go"


async def ask(port: int, question: Question) -> Word:
    """The worker's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(json.dumps(asdict(question)).encode() + b"\n")
        await writer.drain()
        word: Word = json.loads(await reader.readline())
        return word
    finally:
        writer.close()
