"""A follower of the live stream: `python -m sandbox.listeners.stream --url URL --books FILE`.

The key comes by the environment, as LISTENER_KEY. It keeps each event together with its id, and comes again
with the last one as `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial

import httpx

from sandbox.listeners.diary import Diary
from sandbox.listeners.running import listener_parser, open_diary, run_until_told, say_ready

KEY = "LISTENER_KEY"
SILENCE_S = 40.0  # two heartbeats are missing: nobody is there
AGAIN_S = 0.3


async def _follow(diary: Diary, url: str, key: str, program: str) -> None:
    if diary.mark is not None:  # whatever happens meanwhile is told then
        say_ready(program)
    async with httpx.AsyncClient(timeout=SILENCE_S, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await _until_lost(http, diary, url, key, program)
            await asyncio.sleep(AGAIN_S)


async def _until_lost(
    http: httpx.AsyncClient, diary: Diary, url: str, key: str, program: str
) -> None:
    headers = {"authorization": f"Bearer {key}"}
    if diary.mark is not None:
        headers["last-event-id"] = diary.mark
    async with http.stream("GET", url, headers=headers) as response:
        response.raise_for_status()
        async for event_id, data in _blocks(response.aiter_lines()):
            is_first = diary.mark is None
            if data:
                diary.keep_event(data, mark=event_id)
            elif event_id is not None:
                diary.begin(event_id)
            if is_first and diary.mark is not None:
                say_ready(program)


async def _blocks(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str | None, str]]:
    """(id, data) of what stands between two empty lines; what is cut off is not given."""
    event_id: str | None = None
    data: list[str] = []
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            yield event_id, "\n".join(data)
            event_id, data = None, []
        elif name == "id":
            event_id = value
        elif name == "data":
            data.append(value)


def main() -> None:
    """Parse the command line and follow until SIGTERM."""
    parser = listener_parser(
        program="sandbox.listeners.stream", description="Hears of orders by the live stream."
    )
    parser.add_argument("--url", required=True, help="of the stream")
    given = parser.parse_args()
    key = os.environ.get(KEY)
    if not key:
        parser.error(f"{KEY} is not set")
    diary = open_diary(parser, given.books)
    run_until_told(partial(_follow, diary, given.url, key, parser.prog))
    diary.close()


if __name__ == "__main__":
    main()
