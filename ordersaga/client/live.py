"""Server-sent events, followed for as long as somebody listens: a broken line is taken up where it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from ordersaga.client.answers import LiveEvent
from ordersaga.client.errors import ApiProblem, ApiUnavailable
from ordersaga.client.transport import (
    FIRST_RETRY_S,
    LAST_RETRY_S,
    Transport,
    is_passing,
    jittered,
)

SILENCE_S: Final = 40.0  # two heartbeats are missing: nobody is there


async def follow(transport: Transport, path: str, after: int | None) -> AsyncGenerator[LiveEvent]:
    """Raises `ApiProblem` for a no, `ApiUnavailable` after the transport's patience without an answer."""
    heard_at_s, pause_s = time.monotonic(), FIRST_RETRY_S
    while True:
        reason = "the stream ended"
        try:
            headers = {} if after is None else {"last-event-id": str(after)}
            async with transport.lines(path, headers=headers, silence_s=SILENCE_S) as lines:
                async for block in _blocks(lines):
                    heard_at_s, pause_s = time.monotonic(), FIRST_RETRY_S
                    after = block.id if block.id is not None else after
                    if block.data:
                        yield _read(block)
        except ValidationError as error:
            raise ApiUnavailable(f"{path} says what it should not: {error}") from error
        except ApiUnavailable as error:
            reason = str(error)
        except ApiProblem as problem:
            if not is_passing(problem.status, problem.code):
                raise
            reason = str(problem)
        if time.monotonic() > heard_at_s + transport.patience_s:
            raise ApiUnavailable(f"{path}: {reason}")
        await asyncio.sleep(pause_s * jittered())
        pause_s = min(2 * pause_s, LAST_RETRY_S)


@dataclass(frozen=True)
class _Block:
    """What stands between two empty lines: an event, a mark of where we are, or a sign of life."""

    id: int | None
    data: str


async def _blocks(lines: AsyncIterator[str]) -> AsyncIterator[_Block]:
    """The last one is given only if it is whole."""
    event_id: int | None = None
    data: list[str] = []
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield _Block(event_id, "\n".join(data))
            event_id, data = None, []
        elif name == "id" and value.isdecimal():
            event_id = int(value)
        elif name == "data":
            data.append(value)


class _CloudEvent(BaseModel):
    model_config = ConfigDict(frozen=True)

    data: dict[str, JsonValue]


def _read(block: _Block) -> LiveEvent:
    told = _CloudEvent.model_validate_json(block.data)
    return LiveEvent.model_validate({**told.data, "last_event_id": block.id})
