"""What a carrier says of a parcel moves its order, once, in whatever order it comes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ordersaga.messages import CarrierNews
from ordersaga.order import NewOrder
from ordersaga.tracking import CARRIER_CANCELED, PARCEL_LOST, RETURNED_TO_SENDER, TrackingStatus
from tests.postgres.books import everything_of
from tests.postgres.concurrency import Onlooker
from tests.postgres.merchant import FIRST_SEEN_AT, Merchant, parcel_of, sighting, voucher

ARRIVALS = settings(  # each is twice a dozen transactions
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    await merchant.put_stock(mug=10_000)
    await merchant.put_voucher("V", 10_000_000)
    return merchant


async def sent(shelf: Merchant) -> NewOrder:
    return await shelf.sent_order(voucher("V", 500))


async def row_of(shelf: Merchant, order: NewOrder) -> asyncpg.Record:
    """All of the order and its parcel that a carrier's words can move."""
    async with shelf.pool.acquire() as connection:
        row = await connection.fetchrow(
            "select o.status, o.fulfillment_status, o.shipped_at, o.delivered_at, "
            "       s.tracking_status, s.estimated_at "
            "from orders o join shipments s on s.order_id = o.id where o.id = $1",
            order.id,
        )
    assert row is not None
    return row


# --- On its way ----------------------------------------------------------------------------------


async def test_a_parcel_that_is_picked_up_ships_its_order_at_the_carriers_time(
    shelf: Merchant,
) -> None:
    order = await sent(shelf)
    followed = await shelf.sees(order, "picked_up", hour=3)
    assert (followed.standing.status, followed.reversal) == ("shipped", None)
    row = await row_of(shelf, order)
    assert (row["fulfillment_status"], row["tracking_status"]) == ("shipped", "picked_up")
    assert (row["shipped_at"] - FIRST_SEEN_AT).total_seconds() == 3 * 3600
    assert (await shelf.events(order))[-3:] == [
        "tracking.updated",
        "parcel.shipped",
        "order.shipped",
    ]


async def test_a_parcel_that_is_delivered_delivers_its_order(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "picked_up")
    followed = await shelf.sees(order, "delivered", hour=48)
    assert followed.standing.status == "delivered"
    assert ((await row_of(shelf, order))["delivered_at"] - FIRST_SEEN_AT).days == 2


async def test_an_order_of_which_only_the_delivery_was_heard_was_shipped_before(
    shelf: Merchant,
) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "delivered")
    assert (await shelf.events(order))[-5:] == [
        "tracking.updated",
        "parcel.shipped",
        "order.shipped",
        "parcel.delivered",
        "order.delivered",
    ]


@pytest.mark.parametrize("status", ["unknown", "pre_transit", "delayed", "exception"])
async def test_what_may_be_said_before_it_is_handed_over_is_noted_and_ships_nothing(
    shelf: Merchant, status: str
) -> None:
    order = await sent(shelf)
    followed = await shelf.sees(order, status)
    assert (followed.standing.status, followed.reversal) == ("confirmed", None)
    assert (await shelf.events(order))[-1] == "tracking.updated"


async def test_history_tells_of_a_sighting_without_the_carriers_own_words(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "in_transit", event_id="evt_1")
    data = await onlooker.fetchval(
        "select data::text from order_events where order_id = $1 and type = 'tracking.updated'",
        order.id,
    )
    assert "evt_1" in data
    assert "Paulista" not in data
    assert "neighbour" not in data
    kept = await onlooker.fetchrow(
        "select location, detail from tracking_events where event_id = 'evt_1' and shipment_id = $1",
        order.parcel.id,
    )
    assert kept is not None
    assert kept["location"] == "Av. Paulista, 1000"


async def test_the_newest_estimate_is_kept(shelf: Merchant) -> None:
    order = await sent(shelf)
    for hour, days in ((5, 9), (1, 4)):  # the older one comes later
        seen = sighting(order, "in_transit", hour)
        estimated_at = FIRST_SEEN_AT.replace(day=days)
        await shelf.own_site.follow_parcel(order.id, replace(seen, estimated_at=estimated_at))
    assert (await row_of(shelf, order))["estimated_at"].day == 9


async def test_news_of_another_parcel_changes_nothing(shelf: Merchant) -> None:
    order, other = await sent(shelf), await sent(shelf)
    before = await everything_of(shelf, order)
    followed = await shelf.own_site.follow_parcel(order.id, sighting(other, "delivered"))
    assert followed.standing.status == "confirmed"
    assert await everything_of(shelf, order) == before


# --- In any order, however often ------------------------------------------------------------------


async def test_the_same_event_said_again_changes_nothing_and_is_answered_the_same(
    shelf: Merchant,
) -> None:
    order = await sent(shelf)
    first = await shelf.sees(order, "delivered")
    before = await everything_of(shelf, order)
    assert await shelf.sees(order, "delivered") == first
    assert await everything_of(shelf, order) == before


async def test_the_same_event_said_by_many_at_once_is_kept_once(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    order = await sent(shelf)
    followed = await asyncio.gather(*(shelf.sees(order, "picked_up") for _ in range(8)))
    assert {f.standing.status for f in followed} == {"shipped"}
    kept = await onlooker.fetchval(
        "select count(*) from tracking_events where shipment_id = $1", order.parcel.id
    )
    assert kept == 1
    assert (await shelf.events(order)).count("tracking.updated") == 1
    assert (await shelf.events(order)).count("order.shipped") == 1


SAID = st.lists(
    st.tuples(st.sampled_from(list(TrackingStatus)), st.integers(0, 3)),
    min_size=1,
    max_size=5,
    unique=True,
)


@ARRIVALS
@given(said=SAID, data=st.data())
async def test_any_order_of_arrival_comes_to_the_same_row(
    shelf: Merchant, said: list[tuple[str, int]], data: st.DataObject
) -> None:
    rows = []
    for arrival in (said, data.draw(st.permutations(said))):
        order = await sent(shelf)
        await follow_all(shelf, order, [sighting(order, *one) for one in arrival])
        rows.append(tuple(await row_of(shelf, order)))
    assert rows[0] == rows[1]


async def test_every_order_of_a_whole_journey_comes_to_the_same_row(shelf: Merchant) -> None:
    journey = [("picked_up", 1), ("exception", 2), ("delivered", 3)]
    rows = set()
    for arrival in itertools.permutations(journey):
        order = await sent(shelf)
        seen = [sighting(order, *one) for one in arrival]
        await follow_all(shelf, order, [*seen, *seen])
        rows.add(tuple(await row_of(shelf, order)))
    assert len(rows) == 1
    assert next(iter(rows))[0] == "delivered"


async def follow_all(shelf: Merchant, order: NewOrder, news: Sequence[CarrierNews]) -> None:
    for one in news:
        await shelf.own_site.follow_parcel(order.id, one)


# --- What will not arrive --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("return_to_sender", RETURNED_TO_SENDER),
        ("returned", RETURNED_TO_SENDER),
        ("lost", PARCEL_LOST),
        ("canceled", CARRIER_CANCELED),
    ],
)
async def test_a_parcel_that_will_not_arrive_is_a_reason_to_give_its_order_back(
    shelf: Merchant, status: str, why: object
) -> None:
    order = await sent(shelf)
    assert (await shelf.sees(order, status)).reversal == why
    assert (await shelf.sees(order, status)).reversal == why, "asked again, too"


async def test_a_parcel_that_was_found_again_is_given_back_no_more(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "in_transit", hour=5)
    assert (await shelf.sees(order, "lost", hour=2)).reversal is None, "it was seen later"
    assert (await shelf.sees(order, "lost", hour=9)).reversal == PARCEL_LOST


@pytest.mark.parametrize("status", ["lost", "canceled"])
async def test_a_delivered_parcel_can_be_neither_lost_nor_canceled(
    shelf: Merchant, status: str
) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "delivered")
    followed = await shelf.sees(order, status, hour=9)
    assert (followed.standing.status, followed.reversal) == ("delivered", None)
    assert (await shelf.events(order))[-1] == "tracking.updated"


async def test_a_delivered_parcel_that_comes_back_gives_its_order_back(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "delivered")
    assert (await shelf.sees(order, "returned", hour=9)).reversal == RETURNED_TO_SENDER


async def test_a_completed_order_is_not_given_back_by_its_carrier(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    followed = await shelf.sees(order, "returned", hour=9)
    assert (followed.standing.status, followed.reversal) == ("completed", None)
    assert (await shelf.events(order))[-1] == "tracking.updated", "kept and told all the same"


async def test_what_is_said_while_an_order_is_given_back_is_noted_and_moves_nothing(
    shelf: Merchant,
) -> None:
    order = await sent(shelf)
    await shelf.own_site.open_reversal(order.id, PARCEL_LOST)
    followed = await shelf.sees(order, "delivered")
    assert (followed.standing.status, followed.reversal) == ("compensating", None)
    await shelf.own_site.reverse(order.id)
    assert (await shelf.sees(order, "in_transit", hour=1)).standing.status == "returned"
    assert (await shelf.events(order)).count("tracking.updated") == 2


async def test_a_parcel_that_its_carrier_agreed_to_leave_is_not_shipped_by_a_late_word(
    shelf: Merchant,
) -> None:
    """The cancel was answered, and its reversal is about to be opened."""
    order = await sent(shelf)
    await shelf.records.begin_undo(parcel_of(order))
    await shelf.records.parcel_canceled(parcel_of(order))
    assert (await shelf.sees(order, "picked_up")).standing.status == "confirmed"
    assert (await shelf.give_back(order)).status == "canceled"


async def test_what_was_said_before_the_decision_moves_the_order_once_it_is_said_again(
    shelf: Merchant,
) -> None:
    order = await shelf.remote_order(voucher("V", 500))
    await shelf.hold(order)
    await shelf.book(order)
    assert (await shelf.sees(order, "picked_up")).standing.status == "pending"
    await shelf.confirm(order)
    assert (await shelf.sees(order, "picked_up")).standing.status == "shipped"
    assert (await shelf.events(order)).count("tracking.updated") == 1


# --- The end ---------------------------------------------------------------------------------------


async def test_a_delivered_order_is_completed_once(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "delivered")
    standings = await asyncio.gather(*(shelf.own_site.complete(order.id) for _ in range(4)))
    assert {s.status for s in standings} == {"completed"}
    assert (await shelf.events(order)).count("order.completed") == 1
    assert (await shelf.look(order)).state.completed_at is not None


async def test_an_order_that_is_not_delivered_is_not_completed(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "picked_up")
    before = await everything_of(shelf, order)
    assert (await shelf.own_site.complete(order.id)).status == "shipped"
    assert await everything_of(shelf, order) == before


async def test_a_cancel_that_nobody_answered_is_refused_when_the_order_is_completed(
    shelf: Merchant,
) -> None:
    order = await sent(shelf)
    await shelf.ask_to_cancel(order)
    await shelf.sees(order, "delivered")
    await shelf.own_site.complete(order.id)
    assert await shelf.cancel_answers(order) == ["refused"]


# --- Clocks that are off -------------------------------------------------------------------------


async def test_a_carrier_whose_clock_is_ahead_does_not_have_the_last_word(shelf: Merchant) -> None:
    order = await sent(shelf)
    in_a_century = datetime.now(UTC) + timedelta(days=36_500)
    ahead = replace(sighting(order, "in_transit", hour=1), occurred_at=in_a_century)
    await shelf.own_site.follow_parcel(order.id, ahead)
    lost = replace(sighting(order, "lost", hour=2), occurred_at=datetime.now(UTC))
    followed = await shelf.own_site.follow_parcel(order.id, lost)
    assert followed.reversal == PARCEL_LOST


async def test_a_carrier_whose_clock_is_behind_shortens_no_window(shelf: Merchant) -> None:
    order = await sent(shelf)
    long_ago = replace(
        sighting(order, "delivered", hour=1), occurred_at=datetime(1970, 1, 2, tzinfo=UTC)
    )
    followed = await shelf.own_site.follow_parcel(order.id, long_ago)
    assert followed.delivered_at is not None
    assert datetime.now(UTC) - followed.delivered_at < timedelta(minutes=5), (
        "since it was confirmed"
    )


async def test_a_lost_workflow_finds_the_parcel_where_it_was_seen(shelf: Merchant) -> None:
    order = await sent(shelf)
    await shelf.sees(order, "lost", hour=1)
    assert (await shelf.own_site.resume(order.id)).reversal == PARCEL_LOST
