"""What a command does to a stack before it is audited; and the demo's way of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from cli.demo.drive import MOST_WAITING, Driver
from cli.demo.file import BrokenLine, FileOrders
from cli.demo.screen import DemoScreen
from cli.endings import UNDECIDED
from cli.stack import Ready
from cli.traffic.orders import OrderSource, survey
from cli.traffic.screen import RunScreen
from cli.traffic.stage import Payers, Stage
from ordersaga.client import ApiClient


class Run(Protocol):
    """Orders that go through a stack."""

    @property
    def screen(self) -> RunScreen: ...

    @property
    def settings(self) -> Mapping[str, object]:
        """Fields of `Settings` that a stack of its own has otherwise."""

    async def play(self, ready: Ready) -> None:
        """All of it. Raises `ApiProblem` or `Unavailable`, also in a group."""

    def last_line(self, *, violations: int) -> str:
        """For people and scripts: its form never changes."""

    @property
    def exit_code(self) -> int:
        """Of a run whose audit found nothing."""


@dataclass(frozen=True)
class DemoRun:
    """Orders that are sent, and followed until they are decided."""

    source: OrderSource
    concurrency: int
    screen: DemoScreen = field(default_factory=DemoScreen)
    settings: Mapping[str, object] = field(default_factory=dict)

    async def play(self, ready: Ready) -> None:
        run = f"demo-{secrets.token_hex(4)}"
        wanted = survey(self._telling())
        connections = self.concurrency + MOST_WAITING
        async with (
            ApiClient(base_url=ready.api, key=ready.keys.ops, connections=connections) as api,
            playing_payers(ready) as payers,
        ):
            stage = Stage(api, run=run)
            await stage.fill_shelves(self.source.stock_for(wanted.demand))
            driver = Driver(
                api=api, stage=stage, payers=payers, run=run, concurrency=self.concurrency
            )
            with self.screen.counting(wanted.orders):
                await driver.drive(self.source, self.screen.result)
        self.screen.summary()

    def last_line(self, *, violations: int) -> str:
        return self.screen.tally.last_line(violations=violations)

    @property
    def exit_code(self) -> int:
        return UNDECIDED if self.screen.tally.outcomes["undecided"] else 0

    def _telling(self) -> OrderSource:
        """The same orders; broken lines of their file are named."""
        if isinstance(self.source, FileOrders):
            return replace(self.source, tell=lambda line: tell_broken(line, self.screen))
        return self.source


def tell_broken(line: BrokenLine, screen: RunScreen) -> None:
    screen.say(f"line {line.number} is left out: {line.reason}")


@asynccontextmanager
async def playing_payers(ready: Ready) -> AsyncIterator[Payers]:
    """Somebody who pays slips at the stack's provider."""
    payers = Payers(ready.payment_provider)
    playing = asyncio.create_task(payers.play())
    try:
        yield payers
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
