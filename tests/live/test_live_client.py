"""The Python client's streams: they resume by themselves, and say so where they cannot."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from adapters.postgres.pool import Pool
from ordersaga.client import ApiClient, ApiProblem, ApiUnavailable, LiveEvent
from ordersaga.config import Settings
from tests.live.conftest import ApiHere, api_here, key_of
from tests.live.listening import until
from tests.postgres.merchant import Merchant, card
from tests.relay.conftest import happen

pytestmark = pytest.mark.long

CUT_EVERY_S = 0.15


class Line:
    """Between a client and the API; `cut` breaks all that goes through it."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._ends: set[StreamWriter] = set()
        self.url = ""
        self.cuts = 0

    def cut(self) -> None:
        self.cuts += bool(self._ends)
        for end in self._ends:
            end.transport.abort()

    async def serve(self, from_client: StreamReader, to_client: StreamWriter) -> None:
        from_api, to_api = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._ends |= {to_client, to_api}
        asks = asyncio.create_task(_pass_on(from_client, to_api))
        await _pass_on(from_api, to_client)
        asks.cancel()
        self._ends -= {to_client, to_api}
        for end in (to_client, to_api):
            end.transport.abort()


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()


@pytest.fixture(scope="module")
async def api(settings: Settings, relay: None) -> AsyncIterator[ApiHere]:
    async with api_here(settings) as running:
        yield running


@asynccontextmanager
async def client_of(api: ApiHere, pool: Pool, tenant: str) -> AsyncIterator[tuple[ApiClient, Line]]:
    line = Line(api.url)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    key = await key_of(pool, tenant)
    async with ApiClient(base_url=line.url, key=key, patience_s=5) as client:
        yield client, line
    server.close()
    line.cut()


async def _hear(events: AsyncGenerator[LiveEvent], keep: Callable[[LiveEvent], None]) -> None:
    async with aclosing(events):
        async for event in events:
            keep(event)


async def test_streams_go_on_where_they_were_however_often_the_line_breaks(
    api: ApiHere, pool: Pool, merchant: Merchant
) -> None:
    order_id = (await merchant.remote_order(card(1000))).id
    of_one: list[LiveEvent] = []
    of_all: list[LiveEvent] = []
    async with (
        client_of(api, pool, merchant.tenant) as (client, line),
        asyncio.TaskGroup() as tasks,
    ):
        listening = [
            tasks.create_task(_hear(client.stream_order(order_id, after=1), of_one.append)),
            tasks.create_task(_hear(client.stream_events(), of_all.append)),
        ]
        await until(lambda: api.hub.followers_of(merchant.tenant) == 1)
        telling = tasks.create_task(happen(pool, order_id, 300))
        while not telling.done():
            await asyncio.sleep(CUT_EVERY_S)
            line.cut()
        await until(lambda: len(of_one) >= 300 and len(of_all) >= 300)
        for task in listening:
            task.cancel()
    assert line.cuts > 2
    assert [event.sequence for event in of_one] == list(range(2, 302))
    assert [event.sequence for event in of_all] == list(range(2, 302))
    assert {event.order_id for event in of_all} == {order_id}
    assert [event.last_event_id for event in of_one] == list(range(2, 302))


async def test_a_no_is_told_and_not_tried_again(
    api: ApiHere, pool: Pool, merchant: Merchant
) -> None:
    order_id = (await merchant.remote_order(card(1000))).id
    async with client_of(api, pool, merchant.tenant) as (client, _):
        with pytest.raises(ApiProblem) as refused:
            await anext(client.stream_order(order_id, after=7))
        assert (refused.value.status, refused.value.code) == (410, "events_gone")
        with pytest.raises(ApiProblem) as missing:
            await anext(client.stream_order("ord_x"))
        assert missing.value.status == 404


async def test_an_api_that_is_away_is_waited_for_only_so_long() -> None:
    async with ApiClient(base_url="http://127.0.0.1:9", key="k", patience_s=0.2) as client:
        with pytest.raises(ApiUnavailable):
            await anext(client.stream_events())
