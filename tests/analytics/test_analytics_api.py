"""What the API says of the past: of this tenant's orders and of those that he imported, and of no others'."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from adapters.postgres.analytics import import_past_orders, read_fit, read_overdue
from adapters.postgres.pool import QUERIES, reading, transaction
from ordersaga.analytics.past_orders import PastOrder
from ordersaga.history import Happening
from tests.analytics.timelines import COUNT, invented_past, needs_timelines, real_past
from tests.api.calls import happens, placed, pointers
from tests.api.lives import completed, confirmed, delivered
from tests.api.running import RunningApi

PAST = 600


async def bring(api: RunningApi, tenant: str, past: tuple[PastOrder, ...]) -> None:
    async with transaction(api.pool) as connection:
        await import_past_orders(connection, tenant=tenant, past=past)


async def transitions(client: httpx.AsyncClient, machine: str = "status") -> dict[str, Any]:
    answer = await client.get("/v1/analytics/transitions", params={"machine": machine})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def estimate(client: httpx.AsyncClient, order_id: object) -> dict[str, Any]:
    answer = await client.get(f"/v1/orders/{order_id}/estimate")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- The matrix ----------------------------------------------------------------------------------


async def test_the_matrix_counts_the_moves_of_orders_and_their_dwells(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    await confirmed(shop, api.pool)
    await delivered(shop, api.pool)
    await completed(shop, api.pool)
    rejected = await placed(shop)
    await happens(api.pool, rejected, Happening.of("order.rejected"))

    found = await transitions(shop)
    assert found["sample"]["orders"] == found["sample"]["own"] == 4
    assert found["counts"]["pending"] == {"confirmed": 3, "rejected": 1}
    assert found["counts"]["confirmed"] == {"shipped": 2}
    assert found["probabilities"]["pending"] == {"confirmed": 0.75, "rejected": 0.25}
    assert found["probabilities"]["rejected"] == {"rejected": 1.0}
    assert found["absorption"]["pending"] == {"completed": 0.75, "rejected": 0.25}
    assert (found["ended"], found["still"]) == (
        {"completed": 1, "rejected": 1},
        {"confirmed": 1, "delivered": 1},
    )
    dwell = found["dwell"]["pending"]
    assert dwell["count"] == 4
    assert 0 <= dwell["p50_s"] <= dwell["p90_s"] <= dwell["p99_s"]
    assert [step["reached"] for step in found["funnel"]] == [4, 3, 2, 2, 1]
    assert found["funnel"][1]["of_previous"] == 0.75


@pytest.mark.parametrize(
    ("machine", "counts"),
    [
        ("payment_status", {"unpaid": {"captured": 1}, "captured": {}}),
        (
            "fulfillment_status",
            {
                "unfulfilled": {"booked": 1},
                "booked": {"shipped": 1},
                "shipped": {"delivered": 1},
                "delivered": {},
            },
        ),
        ("tracking_status", {"unknown": {}}),
    ],
)
async def test_the_other_machines_have_their_matrix_too(
    api: RunningApi, shop: httpx.AsyncClient, machine: str, counts: dict[str, dict[str, int]]
) -> None:
    card = {"method": "card", "token": "tok_ok"}
    await completed(shop, api.pool, payments=[card])

    found = await transitions(shop, machine)
    assert found["counts"] == counts
    assert found["funnel"] == []
    assert found["ended"] == {list(counts)[-1]: 1}


async def test_a_parcel_s_matrix_follows_what_its_carrier_told_in_the_order_in_which_it_was(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order = await confirmed(shop, api.pool)
    shipment = order["shipments"][0]["id"]  # type: ignore[index]
    first = datetime(2026, 1, 1, tzinfo=UTC)
    told = [("delivered", 2), ("picked_up", 0), ("in_transit", 1)]
    async with api.pool.acquire() as connection:
        for status, hour in told:
            await connection.execute(
                "insert into tracking_events (shipment_id, event_id, status, occurred_at)"
                " values ($1, $2, $2, $3)",
                shipment,
                status,
                first + timedelta(hours=hour),
            )

    found = await transitions(shop, "tracking_status")
    assert found["counts"]["picked_up"] == {"in_transit": 1}
    assert found["counts"]["in_transit"] == {"delivered": 1}


async def test_a_machine_that_is_none_is_refused(shop: httpx.AsyncClient) -> None:
    refused = await shop.get("/v1/analytics/transitions", params={"machine": "mood"})

    assert pointers(refused) == ["/query/machine"]


async def test_a_shop_without_orders_has_empty_figures(shop: httpx.AsyncClient) -> None:
    found = await transitions(shop)
    late = (await shop.get("/v1/analytics/overdue")).json()

    assert found["sample"] == {
        "orders": 0,
        "own": 0,
        "imported": 0,
        "oldest_at": None,
        "newest_at": None,
    }
    assert (found["counts"], found["funnel"], late["orders"]) == ({}, [], [])


# --- What was imported ---------------------------------------------------------------------------


@needs_timelines
async def test_with_5_000_real_orders_imported_the_api_s_matrix_is_theirs(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    await bring(api, tenant, real_past())

    found = await transitions(shop)
    approved = sum(one.approved_at is not None for one in real_past())
    arrived = sum(one.status == "delivered" for one in real_past())
    assert found["sample"]["imported"] == COUNT
    assert found["counts"]["pending"]["confirmed"] == approved
    assert found["counts"]["shipped"]["delivered"] == arrived
    for endings in found["absorption"].values():
        assert sum(endings.values()) == pytest.approx(1)


async def test_own_and_imported_orders_can_be_looked_at_by_themselves(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    await placed(shop)
    await bring(api, tenant, invented_past(PAST, seed=11))

    path = "/v1/analytics/transitions"
    samples = {
        source: (await shop.get(path, params={"source": source})).json()["sample"]["orders"]
        for source in ("all", "own", "imported")
    }
    assert samples == {"all": PAST + 1, "own": 1, "imported": PAST}
    assert pointers(await shop.get(path, params={"source": "theirs"})) == ["/query/source"]


def test_no_query_but_those_of_figures_looks_at_imported_orders() -> None:
    looking = {path.name for path in QUERIES.glob("*.sql") if "past_orders" in path.read_text()}

    assert looking == {"analytics.sql"}


async def test_imported_orders_are_in_no_list_and_in_no_table_of_orders(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    own = await placed(shop)
    await bring(api, tenant, invented_past(PAST, seed=3))

    listed = (await shop.get("/v1/orders")).json()["orders"]
    exported = (await shop.get("/v1/orders/export")).text.splitlines()
    async with api.pool.acquire() as connection:
        stored = await connection.fetchval("select count(*) from orders where tenant = $1", tenant)
    assert [order["id"] for order in listed] == [own]
    assert len(exported) == stored == 1


async def test_no_figure_is_made_of_another_tenant_s_orders(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient, tenant: str
) -> None:
    await bring(api, tenant, invented_past(PAST, seed=4))
    theirs = await placed(stranger)
    ours = await confirmed(shop, api.pool)

    assert (await transitions(shop))["sample"]["orders"] == PAST + 1
    assert (await transitions(stranger))["sample"]["orders"] == 1
    assert (await estimate(stranger, theirs))["delivery"] is None
    assert (await estimate(shop, ours["id"]))["delivery"] is not None
    assert (await stranger.get(f"/v1/orders/{ours['id']}/estimate")).status_code == 404


# --- One order -----------------------------------------------------------------------------------


async def test_an_order_s_estimate_says_when_and_how_it_ends(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    await bring(api, tenant, invented_past(PAST, seed=5))
    order = await confirmed(shop, api.pool)

    found = await estimate(shop, order["id"])
    now = datetime.now(UTC)
    p50, p90 = (datetime.fromisoformat(found["delivery"][p]) for p in ("p50", "p90"))
    assert now < p50 < p90 < now + timedelta(days=60)
    assert found["delivery"]["sample_size"] > PAST / 2
    assert found["status"] == "confirmed"
    assert sum(found["endings"].values()) == pytest.approx(1)
    assert found["endings"]["delivered"] > 0.9
    assert not found["overdue"]
    assert found["sample"]["imported"] == PAST


async def test_an_order_that_arrived_has_endings_and_no_arrival(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    await bring(api, tenant, invented_past(PAST, seed=6))
    order = await delivered(shop, api.pool)

    found = await estimate(shop, order["id"])
    assert found["delivery"] is None
    assert found["endings"] == {"delivered": 1.0}


async def test_without_a_past_nothing_is_estimated(shop: httpx.AsyncClient) -> None:
    found = await estimate(shop, await placed(shop))

    assert (found["delivery"], found["endings"], found["p99_s"]) == (None, {}, None)
    assert found["overdue"] is False


async def test_an_order_beyond_the_p99_of_its_state_is_flagged_and_listed(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient, tenant: str
) -> None:
    """Elsewhere orders were approved at once, so that any wait for it is a long one."""
    at_once = tuple(
        one.model_copy(update={"approved_at": one.purchased_at})
        for one in invented_past(PAST, seed=7)
    )
    await bring(api, tenant, at_once)
    late = await placed(shop)
    fine = await confirmed(shop, api.pool)

    listed = (await shop.get("/v1/analytics/overdue")).json()
    assert (await estimate(shop, late))["overdue"] is True
    assert (await estimate(shop, fine["id"]))["overdue"] is False
    assert [order["order_id"] for order in listed["orders"]] == [late]
    assert listed["orders"][0]["spent_s"] > listed["orders"][0]["p99_s"] == 0
    assert listed["limits_s"]["confirmed"] > 0
    assert (await stranger.get("/v1/analytics/overdue")).json()["orders"] == []


async def test_the_orders_furthest_beyond_their_limit_come_first(
    api: RunningApi, shop: httpx.AsyncClient, tenant: str
) -> None:
    first, second = await placed(shop), await placed(shop)
    later = await confirmed(shop, api.pool)
    limits_s = {"pending": 0.0, "confirmed": 3_600.0}

    async with reading(api.pool) as connection:
        found = await read_overdue(connection, tenant=tenant, limits_s=limits_s, limit=10)
        one = await read_overdue(connection, tenant=tenant, limits_s=limits_s, limit=1)
    assert [order.id for order in found] == [first, second]
    assert [order.id for order in one] == [first]
    assert later["id"] not in {order.id for order in found}


async def test_other_requests_go_on_while_a_large_past_is_folded(
    api: RunningApi, tenant: str
) -> None:
    for seed in range(4):
        past = tuple(
            one.model_copy(update={"reference": f"{seed}-{one.reference}"})
            for one in invented_past(5_000, seed=seed)
        )
        for first in range(0, len(past), 1_000):
            await bring(api, tenant, past[first : first + 1_000])
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    beside = asyncio.create_task(others())
    found = await read_fit(api.pool, tenant=tenant, machine="status")
    beside.cancel()
    assert found.sample.imported == 20_000
    assert turns > 20, "each is a moment in which somebody else was served"


async def test_figures_are_made_once_for_all_who_ask_at_the_same_time(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    await placed(shop)

    found = await asyncio.gather(*(transitions(shop) for _ in range(10)))
    assert len({answer["fitted_at"] for answer in found}) == 1
