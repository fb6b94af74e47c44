"""`/metrics`: how requests went, and how far the relay has got; of nobody in particular."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from adapters.postgres import outbox
from adapters.postgres.pool import reading
from tests.api.calls import order_body, post_order
from tests.api.running import RunningApi

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(api: RunningApi) -> Samples:
    async with api.client() as nobody:
        answer = await nobody.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def requests(samples: Samples, *, route: str, status: str) -> float:
    return sum(
        value
        for (name, labels), value in samples.items()
        if name == "ordersaga_request_seconds_count"
        and {("route", route), ("status", status)} <= set(labels)
    )


async def test_requests_are_counted_by_route_and_status(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    before = await scrape(api)
    for order_id in ("ord_00000000000000000000000001", "ord_00000000000000000000000002"):
        assert (await shop.get(f"/v1/orders/{order_id}")).status_code == 404
    after = await scrape(api)
    asked = {"route": "/v1/orders/{order_id}", "status": "404"}
    assert requests(after, **asked) - requests(before, **asked) == 2
    assert "ord_0000" not in str(after), "by its route, never its path"


async def test_a_path_that_nobody_serves_is_no_label(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    await shop.request("BREW", "/coffee/for/ana")
    samples = await scrape(api)
    assert requests(samples, route="(none)", status="404") >= 1
    assert "coffee" not in str(samples)
    assert "BREW" not in str(samples)


async def test_what_no_relay_has_seen_waits(api: RunningApi, shop: httpx.AsyncClient) -> None:
    """There is no worker here."""
    waiting = ("ordersaga_relay_waiting_events", (("sink", "(not stamped)"),))
    before = await scrape(api)
    (await post_order(shop, order_body())).raise_for_status()
    after = await scrape(api)
    assert after[waiting] > before[waiting]
    assert after["ordersaga_relay_oldest_event_seconds", (("sink", "(not stamped)"),)] > 0
    assert after["ordersaga_database_up", ()] == 1


async def test_a_sinks_parked_orders_are_counted(api: RunningApi) -> None:
    async with reading(api.pool) as connection:
        await outbox.begin_cursors(connection, "listener")
    samples = await scrape(api)
    assert samples["ordersaga_relay_parked_orders", (("sink", "listener"),)] == 0
