"""What can be done to a message on its way, to whose, and how often. Used by both lines."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What becomes of one message and of its answer."""

    REFUSE = "refuse"  # never arrives: the line is cut; to a provider, it answers 503
    LOSE_ANSWER = "lose_answer"  # arrives; the line is cut in place of its answer
    SWALLOW_ANSWER = "swallow_answer"  # arrives; nothing is answered, and the line stays open
    HOLD = "hold"  # waits at the gate before it arrives
    HOLD_ANSWER = "hold_answer"  # arrives; its answer waits at the gate
    DELAY = "delay"  # arrives `seconds` later, whether or not somebody still waits for the answer
    GARBLE_ANSWER = "garble_answer"  # arrives; `body` is answered


class Gate:
    """Where something waits until it is told to go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()

    async def wait_for(self, waiting: StreamReader) -> bool:
        """False: who waited is gone (it sends nothing meanwhile, so a read ends with it)."""
        self.reached.set()
        opened = asyncio.create_task(self.opened.wait())
        gone = asyncio.create_task(_gone(waiting))
        _, pending = await asyncio.wait({opened, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return opened.done() and not opened.cancelled()


async def _gone(reader: StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read(1)


@dataclass(frozen=True)
class Act:
    """One deed to one message."""

    kind: Kind
    gate: Gate | None = None
    seconds: float = 0
    body: bytes = b""


@dataclass
class Rule:
    """The next messages that have all `needles` in them meet these acts, one each.

    A gate stays where it is until it is opened: what comes again while it is closed waits again.
    `after`: only when that rule is spent.
    """

    needles: tuple[bytes, ...]
    acts: deque[Act]
    after: Rule | None = None
    met: int = 0

    @classmethod
    def of(cls, needles: Iterable[bytes], *acts: Act, after: Rule | None = None) -> Rule:
        return cls(tuple(needles), deque(acts), after)

    @property
    def is_spent(self) -> bool:
        return not self.acts

    def meet(self, message: bytes) -> Act | None:
        if not self.acts or any(needle not in message for needle in self.needles):
            return None
        if self.after is not None and not self.after.is_spent:
            return None
        self.met += 1
        act = self.acts[0]
        if act.gate is None or act.gate.opened.is_set():
            self.acts.popleft()
        if act.gate is not None and act.gate.opened.is_set():
            return None
        return act


@dataclass
class Rules:
    """Everybody's rules on one line."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def meet(self, message: bytes) -> Act | None:
        for rule in self.rules:
            act = rule.meet(message)
            if act is not None:
                return act
        return None
