"""The merchant hands his parcel over; and everybody sees where it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from adapters.postgres.own_site import PostgresOwnSite
from ordersaga.messages import CarrierNews
from ordersaga.order import SANDBOX
from tests.api.calls import fresh, placed, pointers
from tests.api.lives import ask, confirmed, history, look, types
from tests.api.running import RunningApi

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def label() -> dict[str, object]:
    return {"tracking_number": fresh("BR-")}


async def test_a_merchants_parcel_that_is_handed_over_is_on_its_way(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order = await confirmed(shop, api.pool)
    assert (order["waiting_for"], order["allowed"]) == ("merchant", ["ship", "cancel", "refunds"])
    number = fresh("BR-")
    answer = await ask(shop, str(order["id"]), "ship", {"tracking_number": number})

    shipped = answer.json()
    assert answer.status_code == 200
    assert (shipped["status"], shipped["fulfillment_status"]) == ("shipped", "shipped")
    assert shipped["shipments"][0]["tracking_number"] == number
    assert shipped["shipped_at"] is not None
    assert (shipped["waiting_for"], shipped["allowed"]) == (
        "carrier",
        ["confirm-receipt", "refunds"],
    )
    assert (await types(shop, order["id"]))[-2:] == ["parcel.shipped", "order.shipped"]


async def test_of_two_parcels_with_one_number_the_second_is_refused(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    first, second = await confirmed(shop, api.pool), await confirmed(shop, api.pool)
    body = label()
    assert (await ask(shop, str(first["id"]), "ship", body)).status_code == 200
    refused = await ask(shop, str(second["id"]), "ship", body, key="k")

    assert (refused.status_code, refused.json()["code"]) == (409, "tracking_number_taken")
    assert await look(shop, second["id"]) == second
    mended = await ask(shop, str(second["id"]), "ship", label(), key="k")
    assert mended.status_code == 200, "a refusal does not use the key up"


async def test_one_of_many_parcels_that_race_for_a_number_has_it(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    orders = [await confirmed(shop, api.pool) for _ in range(5)]
    body = label()
    answers = await asyncio.gather(*(ask(shop, str(o["id"]), "ship", body) for o in orders))

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]


async def test_a_parcel_is_handed_over_once(api: RunningApi, shop: httpx.AsyncClient) -> None:
    order_id = str((await confirmed(shop, api.pool))["id"])
    answers = await asyncio.gather(*(ask(shop, order_id, "ship", label()) for _ in range(5)))

    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    refused = next(a for a in answers if a.status_code == 409).json()
    assert (refused["code"], refused["allowed"]) == ("illegal_move", ["confirm-receipt", "refunds"])
    assert (await types(shop, order_id)).count("order.shipped") == 1


async def test_the_same_hand_over_again_is_the_same(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id, body = str((await confirmed(shop, api.pool))["id"]), label()
    first = await ask(shop, order_id, "ship", body, key="k")
    again = await ask(shop, order_id, "ship", body, key="k")

    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await ask(shop, order_id, "ship", label(), key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_what_its_carrier_brings_its_merchant_does_not(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order = await confirmed(shop, api.pool, shipping={"carrier": SANDBOX})
    refused = await ask(shop, str(order["id"]), "ship", label())

    assert order["waiting_for"] == "carrier"
    assert (refused.status_code, refused.json()["allowed"]) == (409, ["cancel", "refunds"])


async def test_an_order_that_is_not_decided_is_not_shipped(shop: httpx.AsyncClient) -> None:
    refused = await ask(shop, await placed(shop), "ship", label())

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["allowed"] == ["hold", "cancel"]


async def test_nothing_is_handed_over_while_a_cancel_is_open(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id = str((await confirmed(shop, api.pool))["id"])
    assert (await ask(shop, order_id, "cancel")).status_code == 202
    refused = await ask(shop, order_id, "ship", label())

    assert (refused.status_code, refused.json()["allowed"]) == (409, ["cancel", "refunds"])
    assert (await look(shop, order_id))["status"] == "confirmed"


@pytest.mark.parametrize(
    "number",
    ["", "x" * 65, "two words", "tab\t", "café", "\u0000", "📦", None, 12345, ["BR1"]],
    ids=str,
)
async def test_a_number_that_no_label_has_is_refused(
    api: RunningApi, shop: httpx.AsyncClient, number: object
) -> None:
    order_id = str((await confirmed(shop, api.pool))["id"])
    refused = await ask(shop, order_id, "ship", {"tracking_number": number})

    assert pointers(refused) == ["/tracking_number"]
    assert (await look(shop, order_id))["status"] == "confirmed"


async def test_another_tenants_parcel_is_not_there(
    api: RunningApi, shop: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    order = await confirmed(shop, api.pool)

    assert (await ask(stranger, str(order["id"]), "ship", label())).status_code == 404
    assert (await stranger.get(f"/v1/orders/{order['id']}/tracking")).status_code == 404
    assert await look(shop, order["id"]) == order


# --- Where it is -------------------------------------------------------------------------------


def news(
    number: str, status: str, hours: int, *, location: str | None = None, detail: str | None = None
) -> CarrierNews:
    return CarrierNews(
        event_id=fresh("event"),
        status=status,
        occurred_at=NOON + timedelta(hours=hours),
        tracking_number=number,
        location=location,
        detail=detail,
    )


async def test_where_a_parcel_was_seen_is_told_by_its_carriers_clock(
    api: RunningApi, shop: httpx.AsyncClient
) -> None:
    order_id, number = str((await confirmed(shop, api.pool))["id"]), fresh("BR-")
    await ask(shop, order_id, "ship", {"tracking_number": number})
    link = (await look(shop, order_id))["links"]["tracking"]  # type: ignore[index]
    assert (await shop.get(link)).json() == {"events": []}

    own_site = PostgresOwnSite(api.pool)
    later = news(number, "out_for_delivery", 20, location="Recife", detail="with Rosa")
    for one in (later, news(number, "picked_up", 1), news(number, "in_transit", 9)):
        await own_site.follow_parcel(order_id, one)

    events = (await shop.get(link)).json()["events"]
    assert [event["status"] for event in events] == ["picked_up", "in_transit", "out_for_delivery"]
    assert events[-1] == {
        "status": "out_for_delivery",
        "occurred_at": "2026-05-02T08:00:00Z",
        "location": "Recife",
        "detail": "with Rosa",
        "estimated_at": None,
    }
    assert "Rosa" not in str(await history(shop, order_id)), "it may be personal"


@pytest.mark.parametrize("order_id", ["x", "ord_01M7YSM35RQCGYCAPV98JR57X1"])
async def test_no_order_has_no_tracking(shop: httpx.AsyncClient, order_id: str) -> None:
    assert (await shop.get(f"/v1/orders/{order_id}/tracking")).status_code == 404
