"""Parcels that move, come late, get lost and come back; and how an order ends."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from ordersaga.keys import workflow_id
from tests.saga.shop import Shop, card, payment, until_true

LIFE = ("pre_transit", "picked_up", "in_transit", "out_for_delivery", "delivered")


async def test_a_parcel_is_followed_until_its_buyer_has_it_and_keeps_it(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    await shop.carrier_says(order, "pre_transit", estimated_at="2030-01-02T00:00:00Z")
    await shop.carrier_says(order, "picked_up")
    order = await shop.until(order["id"], lambda o: o["status"] == "shipped")
    assert order["fulfillment_status"] == "shipped"
    assert order["shipments"][0]["estimated_at"] == "2030-01-02T00:00:00Z"
    await shop.carrier_says(order, "delivered")
    order = await shop.until(order["id"], lambda o: o["status"] == "delivered")
    assert (order["fulfillment_status"], order["waiting_for"]) == ("delivered", "buyer")
    order = await shop.until(order["id"], lambda o: o["status"] == "completed")
    assert order["allowed"] == ["returns", "review", "refunds"]
    await shop.assert_all_of_it(order)


@pytest.mark.long
@pytest.mark.parametrize("arrival", [LIFE[::-1], ("delivered", "picked_up"), ("in_transit",) * 3])
async def test_events_in_any_order_lead_where_the_parcel_is(
    shop: Shop, arrival: tuple[str, ...]
) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    began = _hours_ago(6)
    when = {status: began + timedelta(hours=n) for n, status in enumerate(LIFE)}
    for status in arrival:
        await shop.carrier_says(order, status, at=when[status])
    last = max(arrival, key=lambda status: when[status])

    async def is_all_told() -> bool:
        told = (await shop.api.get(f"/v1/orders/{order['id']}/tracking")).json()
        return sorted(event["status"] for event in told["events"]) == sorted(arrival)

    await until_true(is_all_told)
    order = await shop.get(order["id"])
    assert order["shipments"][0]["tracking_status"] == last
    if last == "delivered":
        first_sign = min(when[status] for status in arrival if status != "pre_transit")
        assert datetime.fromisoformat(order["shipped_at"]) == first_sign
        assert datetime.fromisoformat(order["delivered_at"]) == when["delivered"]


async def test_a_lost_parcel_is_refunded_and_its_goods_are_gone(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    for status in ("picked_up", "lost"):
        await shop.carrier_says(order, status)
    order = await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert (order["payment_status"], order["fulfillment_status"]) == ("refunded", "returned")
    assert order["failure"]["code"] == "parcel_lost"
    assert (await shop.books(order["id"])).kept == 0
    assert (await shop.stock())["on_hand"] == shop.on_hand - 2


@pytest.mark.long
@pytest.mark.parametrize("before", ["picked_up", "delivered"])
async def test_a_parcel_that_goes_back_to_its_sender_is_refunded_and_restocked(
    shop: Shop, before: str
) -> None:
    order = await shop.order(card(amount=400), payment("alipay"), carrier="sandbox")
    await shop.until_released(order["id"])
    began = _hours_ago(6)
    for hours, status in enumerate(("picked_up", before, "return_to_sender")):
        await shop.carrier_says(order, status, at=began + timedelta(hours=hours))
    order = await shop.until(order["id"], lambda o: o["status"] == "returned")
    assert order["failure"]["code"] == "returned_to_sender"
    assert (await shop.books(order["id"])).kept == 0
    assert (await shop.stock())["available"] == shop.on_hand


@pytest.mark.long
async def test_troubles_on_the_way_are_told_and_move_nothing(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    for status in ("picked_up", "delayed", "exception", "delivery_attempted"):
        await shop.carrier_says(order, status)
    order = await shop.until(
        order["id"], lambda o: o["shipments"][0]["tracking_status"] == "delivery_attempted"
    )
    assert (order["status"], order["attention"]) == ("shipped", None)
    assert (await shop.history(order["id"])).count("tracking.updated") == 4


async def test_the_merchant_ships_by_himself_and_any_carrier_tells_the_rest(shop: Shop) -> None:
    order = await shop.order(card())
    number = f"TRK-{shop.sku}"
    shipped = await shop.ask(order, "ship", {"tracking_number": number})
    assert (shipped.status_code, shipped.json()["status"]) == (200, "shipped")
    assert (await shop.cancel(order["id"])).status_code == 409
    taken = await shop.ask(await shop.order(card()), "ship", {"tracking_number": number})
    assert (taken.status_code, taken.json()["code"]) == (409, "tracking_number_taken")
    received = await shop.ask(order, "confirm-receipt")
    assert (received.status_code, received.json()["status"]) == (200, "completed")
    assert received.json()["received_at"] is not None


async def test_receipt_confirmed_ends_the_orders_workflow(shop: Shop, temporal: Client) -> None:
    order = await shop.order(card())
    await shop.ask(order, "ship", {"tracking_number": f"TRK-{shop.sku}"})
    await shop.ask(order, "confirm-receipt")
    result = await temporal.get_workflow_handle(workflow_id(order["id"])).result()
    assert result["status"] == "completed"


async def test_a_completed_order_is_reviewed_once(shop: Shop) -> None:
    order = await shop.order(card())
    early = await shop.ask(order, "review", {"rating": 5})
    assert (early.status_code, early.json()["code"]) == (409, "illegal_move")
    await shop.ask(order, "ship", {"tracking_number": f"TRK-{shop.sku}"})
    await shop.ask(order, "confirm-receipt")
    reviewed = await shop.ask(order, "review", {"rating": 4, "comment": "it fits"})
    assert reviewed.json()["review"]["rating"] == 4
    assert (await shop.ask(order, "review", {"rating": 1})).status_code == 409


@pytest.mark.slow
async def test_an_event_for_a_final_order_is_kept_and_moves_nothing(shop: Shop) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    await shop.delivered(order)
    order = await shop.until(order["id"], lambda o: o["status"] == "completed")
    await shop.carrier_says(order, "delivered")
    seen = await shop.until(order["id"], lambda o: o["version"] > order["version"])
    assert seen["status"] == "completed"


async def test_signals_by_hand_follow_the_same_rules(shop: Shop, temporal: Client) -> None:
    order = await shop.order(card(), carrier="sandbox")
    await shop.until_released(order["id"])
    number = (await shop.get(order["id"]))["shipments"][0]["tracking_number"]
    handle = temporal.get_workflow_handle(workflow_id(order["id"]))
    data = {"tracking_number": number, "occurred_at": "2026-11-01T10:00:00Z"}
    said = {"event_id": "by-hand", "data": {**data, "status": "picked_up"}}
    for message, _ in itertools.product((said, {"data": {**data, "status": "eaten"}}), range(3)):
        await handle.signal("carrier_event", message)
    order = await shop.until(order["id"], lambda o: o["status"] == "shipped")
    assert (await shop.history(order["id"])).count("tracking.updated") == 1


def _hours_ago(hours: int) -> datetime:
    """A carrier tells the time in milliseconds."""
    return (datetime.now(UTC) - timedelta(hours=hours)).replace(microsecond=0)
