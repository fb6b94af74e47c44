"""Orders that nobody may be driving are found, and only those."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.postgres import orders
from adapters.postgres.pool import transaction
from adapters.postgres.requests import store_attention, store_payments
from ordersaga import keys
from ordersaga.keys import Step, new_id
from ordersaga.order import MERCHANT, SANDBOX, NewOrder, NewPayment, OrderRequest, Refusal, Vote
from ordersaga.ports import Booking
from tests.postgres.merchant import RETURN_WINDOW_S, Merchant, card, parcel_of, voucher

ALL = 10_000  # more than the tests leave behind
NO_PICK_UPS = Refusal("parcel", "no_pick_ups", "nobody comes to the moon")


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=100)
    await merchant.put_voucher("V", 10_000)
    return merchant


def release_of(order: NewOrder) -> Step:
    return Step(order.id, keys.release_step(order.parcel.id))


async def unstarted(shelf: Merchant) -> list[str]:
    async with transaction(shelf.pool) as connection:
        return await orders.find_unstarted(connection, older_than_s=0, limit=ALL)


async def stale(
    shelf: Merchant, *, after: str = orders.FIRST_ID, older_than_s: float = 0, limit: int = ALL
) -> list[str]:
    async with transaction(shelf.pool) as connection:
        return await orders.find_stale(
            connection, after=after, older_than_s=older_than_s, limit=limit
        )


async def booked(shelf: Merchant, *payments: NewPayment) -> NewOrder:
    """Held by us, and with a place at the carrier."""
    order = await shelf.order(*payments, carrier=SANDBOX)
    await shelf.hold(order)
    place = Booking(f"T-{order.id}")
    await shelf.records.begin(parcel_of(order))
    await shelf.records.parcel_answered(parcel_of(order), order.parcel.id, place)
    return order


async def confirmed(shelf: Merchant) -> NewOrder:
    order = await booked(shelf, voucher("V", 500))
    assert (await shelf.confirm(order)).verdict == "confirm"
    return order


async def sold(shelf: Merchant) -> NewOrder:
    order = await shelf.order(voucher("V", 500))
    assert (await shelf.buy(order)).verdict == "confirm"
    return order


async def skip_release(shelf: Merchant, order: NewOrder) -> None:
    step = release_of(order).name
    await shelf.records.raise_attention(order.id, step, "ProviderUnavailable", 5)
    skip = OrderRequest(new_id("req"), "attention", "key_1", step=step, action="skip")
    async with transaction(shelf.pool) as connection:
        await store_attention(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=skip,
            note="by hand",
        )


# --- Never started ----------------------------------------------------------------------------


async def test_an_order_is_unstarted_until_its_first_hold(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500))
    assert order.id in await unstarted(shelf)
    await shelf.hold(order)
    assert order.id not in await unstarted(shelf)


async def test_an_order_is_started_also_when_its_first_hold_is_refused(shelf: Merchant) -> None:
    order = await shelf.order(voucher("V", 500), lines=[("mug", 101)])
    await shelf.hold(order)
    assert order.id not in await unstarted(shelf)


async def test_what_people_ask_of_an_order_does_not_start_it(shelf: Merchant) -> None:
    order = shelf.new_order(total=500)
    await shelf.accept(order)
    asked = voucher("V", 500)
    pay = OrderRequest(new_id("req"), "pay", "customer", payments=(asked.plan,))
    async with transaction(shelf.pool) as connection:
        await store_payments(
            connection,
            order_id=order.id,
            return_window_s=RETURN_WINDOW_S,
            request=pay,
            payments=(asked,),
        )
    await shelf.ask_to_cancel(order)
    assert order.id in await unstarted(shelf)


# --- Lost on the way ----------------------------------------------------------------------------


async def test_an_undecided_order_is_stale_once_it_has_not_moved_for_a_while(
    shelf: Merchant,
) -> None:
    order = await shelf.held_order(voucher("V", 500))
    assert order.id in await stale(shelf)
    assert order.id not in await stale(shelf, older_than_s=60)


@pytest.mark.parametrize("carrier", [MERCHANT, SANDBOX])
async def test_an_order_is_stale_until_it_is_over_whoever_brings_it(
    shelf: Merchant, carrier: str
) -> None:
    order = await confirmed(shelf) if carrier == SANDBOX else await sold(shelf)
    assert order.id in await stale(shelf)
    assert order.id not in await stale(shelf, older_than_s=60)
    await shelf.happens(order, "parcel.shipped", "order.shipped")
    assert order.id in await stale(shelf)
    await shelf.happens(order, "parcel.delivered", "order.delivered")
    assert order.id in await stale(shelf)
    await shelf.own_site.complete(order.id)
    assert order.id not in await stale(shelf)


async def test_an_order_whose_carrier_will_not_come_is_stale_until_it_is_given_back(
    shelf: Merchant,
) -> None:
    order = await confirmed(shelf)
    await shelf.records.parcel_released(release_of(order), order.parcel.id, NO_PICK_UPS)
    assert order.id in await stale(shelf)
    await shelf.records.begin_undo(parcel_of(order))
    await shelf.records.parcel_canceled(parcel_of(order))
    await shelf.give_back(order, NO_PICK_UPS)
    assert order.id not in await stale(shelf)


async def test_a_release_that_an_operator_gave_up_is_not_asked_for_by_another_workflow(
    shelf: Merchant,
) -> None:
    order = await confirmed(shelf)
    assert await shelf.records.begin(release_of(order)) is None
    await skip_release(shelf, order)
    assert await shelf.records.begin(release_of(order)) == Vote.yes(release_of(order).name)


async def test_an_undone_order_is_not_stale_though_its_carrier_was_never_told_to_come(
    shelf: Merchant,
) -> None:
    order = await booked(shelf, card(500))
    await shelf.undo(order, nothing_else=False)
    assert order.id in await stale(shelf), "its parcel is still booked"
    await shelf.records.begin_undo(parcel_of(order))
    await shelf.records.parcel_canceled(parcel_of(order))
    await shelf.own_site.close(order.id)
    assert order.id not in await stale(shelf)


async def test_page_by_page_every_stale_order_is_found_once(shelf: Merchant) -> None:
    at = keys.least_id("ord", datetime.now(UTC))
    wanted = [
        await booked(shelf, voucher("V", 100)),
        await confirmed(shelf),
        await shelf.held_order(voucher("V", 100)),
        await confirmed(shelf),
    ]
    found: list[str] = []
    while page := await stale(shelf, after=at, limit=1):
        found += page
        at = page[-1]
    assert found == sorted(order.id for order in wanted)
