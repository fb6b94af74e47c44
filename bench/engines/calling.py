"""What the load process sees of an engine."""

from __future__ import annotations

import importlib
from contextlib import AbstractAsyncContextManager
from typing import Protocol, cast

from bench.engines.flow import Ask
from bench.engines.participants import Participants
from bench.engines.where import Where
from ordersaga.order import NewOrder


class Caller(Protocol):
    """Places orders with one engine."""

    async def place(self, order: NewOrder, ask: Ask) -> None:
        """Returns once the accepted order is decided; raises unless it is confirmed."""


class EngineModule(Protocol):
    """What each engine's module has: its load process calls it, with everything started."""

    def calling(
        self, where: Where, participants: Participants
    ) -> AbstractAsyncContextManager[Caller]: ...


class NotConfirmed(Exception):
    """An order of the bench ended in another way: nothing measured counts."""


def engine_module(name: str) -> EngineModule:
    return cast(EngineModule, importlib.import_module(f"bench.engines.{name}"))
