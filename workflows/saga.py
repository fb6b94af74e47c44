"""The plumbing of a saga: register the undo, ask, collect votes, give up, undo newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

from ordersaga.order import (
    PAYMENT_EXPIRED,
    PROVIDER_UNAVAILABLE,
    OrderRequest,
    Refusal,
    Vote,
)
from workflows.cancellation import until
from workflows.display import Display
from workflows.lanes import LocalFirst

Handle = workflow.ActivityHandle[Any] | LocalFirst
Start = Callable[[], Handle]


@dataclass(frozen=True)
class Obligation:
    """What has to be done however long it takes. `start` begins it, as often as it is called."""

    step: str
    start: Start


class Skipped(Enum):
    """What an obligation comes to that an operator gave up."""

    BY_OPERATOR = "by_operator"


SKIPPED: Final = Skipped.BY_OPERATOR

OUT_OF_PATIENCE: Final = {
    PROVIDER_UNAVAILABLE: "the provider gave no answer in time",
    PAYMENT_EXPIRED: "nobody paid in time",
}


class Saga:
    """What one order has begun, and what people asked of it meanwhile."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._undos: list[Obligation] = []
        self._asked: dict[str, Handle] = {}
        self._insisted: set[str] = set()  # steps that are being insisted on now
        self._instructions: dict[str, str] = {}  # such a step → an operator's word for it
        self.stopped: Refusal | None = None  # somebody does not want the order any more
        self.votes: dict[str, Vote] = {}

    @property
    def began(self) -> bool:
        """Whether anything beyond our own site may have happened."""
        return bool(self._undos)

    def ask(self, step: str, start: Start, *, undo: Start) -> None:
        """Begins a step, its undo registered first: a time-out is not a no."""
        self.owe_undo(step, undo)
        self._asked[step] = start()

    def owe_undo(self, step: str, undo: Start) -> None:
        """From here on, an order that is undone undoes this step too; each once."""
        if all(registered.step != step for registered in self._undos):
            self._undos.append(Obligation(step, undo))

    async def answers(self, *, patience_ends_as: str = PROVIDER_UNAVAILABLE) -> Refusal | None:
        """Waits for all that was asked; None: go on. Else the first reason not to.

        The votes are then in `votes`. What is not answered yet is stopped, and counts as ambiguous.
        """
        asked, self._asked = self._asked, {}

        def objection() -> Refusal | None:
            if self.stopped is not None:
                return self.stopped
            done = ((step, handle) for step, handle in asked.items() if handle.done())
            refusals = (_refusal(step, handle, patience_ends_as) for step, handle in done)
            return next(filter(None, refusals), None)

        await until(lambda: objection() is not None or all(h.done() for h in asked.values()))
        why = objection()
        if why is not None:
            await _stop(asked.values())
        else:
            self.votes |= {step: handle.result() for step, handle in asked.items()}
        return why

    def stop(self, why: Refusal) -> None:
        """Somebody does not want the order any more; the first word counts."""
        self.stopped = self.stopped or why

    def instruct(self, request: OrderRequest) -> None:
        """Takes an operator's word for a step that keeps failing.

        A word for a step that nobody insists on now comes too late, and is not kept for a later one.
        A skip stands: a retry that was asked before it and arrives after it does not take it back.
        """
        step = request.step
        if step in self._insisted and self._instructions.get(step) != "skip":
            self._instructions[step] = request.action

    def call_person(self, step: object) -> None:
        """A step that keeps failing calls; one that nobody insists on any more calls nobody."""
        if isinstance(step, str) and step in self._insisted:
            self._display.call_person(step)

    async def insist(self, obligation: Obligation) -> Any | Skipped:
        """Does what has to be done; its result, or `SKIPPED` when an operator gave it up."""
        step = obligation.step
        self._insisted.add(step)
        try:
            while True:
                handle = obligation.start()
                if not await self._done_or_instructed(step, handle):
                    await _stop([handle])
                    if not _has_succeeded(handle):
                        if self._instructions.pop(step) == "skip":
                            self._display.relieve(step)
                            return SKIPPED
                        continue
                self._display.relieve(step)
                return handle.result()
        finally:
            self._insisted.discard(step)
            self._instructions.pop(step, None)

    async def _done_or_instructed(self, step: str, handle: Handle) -> bool:
        """True: done. When the waiting itself is canceled, so is what was waited for."""
        try:
            await until(lambda: handle.done() or step in self._instructions)
        except asyncio.CancelledError:
            handle.cancel()
            raise
        return handle.done()

    async def insist_on_all(self, obligations: Iterable[Obligation]) -> None:
        """Side by side: one that keeps failing holds up no other."""
        await asyncio.gather(*(self.insist(obligation) for obligation in obligations))

    async def undo_all(self) -> None:
        """Newest first."""
        undos, self._undos = self._undos[::-1], []
        await self.insist_on_all(undos)


def _refusal(step: str, handle: Handle, patience_ends_as: str) -> Refusal | None:
    """Why this answer stops the order. Exhausted patience is no answer, and undone like a yes."""
    error = handle.exception()
    if error is None:
        vote: Vote = handle.result()
        return vote.refusal
    if not isinstance(error, ActivityError):
        raise error
    participant = step.partition(":")[0]
    return Refusal(participant, patience_ends_as, OUT_OF_PATIENCE[patience_ends_as])


def _has_succeeded(handle: Handle) -> bool:
    """Of one that was stopped: its last attempt may have got through all the same."""
    return not handle.cancelled() and handle.exception() is None


async def _stop(handles: Iterable[Handle]) -> None:
    """Ends retries. An attempt under way may still arrive: that is what undo and fence are for."""
    handles = list(handles)
    for handle in handles:
        if not handle.done():
            handle.cancel()
    for handle in handles:
        with suppress(FailureError):
            await handle
