"""What carriers say of a parcel: kept once, folded, and the order moved where the fold leads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from adapters.postgres.decision import standing_of
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.pool import Connection, load_queries
from ordersaga import tracking
from ordersaga.history import Happening
from ordersaga.lifecycle import FulfillmentStatus, Status
from ordersaga.messages import CarrierNews
from ordersaga.order import Followed, Refusal
from ordersaga.tracking import RETURNED_TO_SENDER, Sighting, Tracking

_sql = load_queries("tracking")

_MOVED_BY_PARCEL: Final = frozenset({Status.CONFIRMED, Status.SHIPPED})
_NOT_HERE_YET: Final = frozenset({FulfillmentStatus.BOOKED, FulfillmentStatus.SHIPPED})


async def follow_parcel(connection: Connection, order: LockedOrder, news: CarrierNews) -> Followed:
    """See `ordersaga.ports.OwnSite.follow_parcel`. Of another tracking number: not our parcel."""
    if news.tracking_number != order.shipment["tracking_number"]:
        return _followed(order, Tracking())
    # A carrier whose clock is ahead would else have the last word for as long as that.
    news = replace(news, occurred_at=min(news.occurred_at, datetime.now(UTC)))
    is_new = await _keep(connection, order, news)
    parcel = tracking.fold(await _read(connection, order))
    await _sql.set_tracking(
        connection,
        shipment_id=order.shipment["id"],
        status=parcel.status,
        estimated_at=parcel.estimated_at,
    )
    noted = [_noted(news)] if is_new else []
    happenings = [*noted, *_moves(order, parcel)]
    order = await record(connection, order, *happenings, occurred_at=news.occurred_at)
    return _followed(order, parcel)


async def look_at_parcel(connection: Connection, order: LockedOrder) -> Followed:
    """Where the parcel is by what is known of it: whoever was to act on it may be lost."""
    return _followed(order, tracking.fold(await _read(connection, order)))


async def _keep(connection: Connection, order: LockedOrder, news: CarrierNews) -> bool:
    """Whether this was not known before."""
    kept = await _sql.keep_event(
        connection,
        order_id=order.id,
        shipment_id=order.shipment["id"],
        event_id=news.event_id,
        status=news.status,
        occurred_at=news.occurred_at,
        location=news.location,
        detail=news.detail,
        estimated_at=news.estimated_at,
    )
    return kept is not None


async def _read(connection: Connection, order: LockedOrder) -> list[Sighting]:
    rows = _sql.read_events(connection, shipment_id=order.shipment["id"])
    return [Sighting(**row) async for row in rows]


def _noted(news: CarrierNews) -> Happening:
    """Where it was seen, and the carrier's own words, may be personal: they are not told."""
    estimated_at = news.estimated_at.isoformat() if news.estimated_at else None
    return Happening.of(
        "tracking.updated",
        event_id=news.event_id,
        status=str(news.status),
        estimated_at=estimated_at,
    )


def _moves(order: LockedOrder, parcel: Tracking) -> list[Happening]:
    """Each stage of its own, also where the carrier told only of a later one."""
    status, fulfillment = order.state.status, order.state.fulfillment_status
    if status not in _MOVED_BY_PARCEL or fulfillment not in _NOT_HERE_YET:
        return []  # not decided yet, over, or on its way back: noted, and no more
    moves = []
    if parcel.is_handed_over:
        moves += ["parcel.shipped"] if fulfillment == FulfillmentStatus.BOOKED else []
        moves += ["order.shipped"] if status == Status.CONFIRMED else []
    if parcel.is_delivered:
        moves += ["parcel.delivered", "order.delivered"]
    return [Happening.of(move) for move in moves]


def _followed(order: LockedOrder, parcel: Tracking) -> Followed:
    return Followed(standing_of(order), order.state.windows_from, _reversal(order, parcel))


def _reversal(order: LockedOrder, parcel: Tracking) -> Refusal | None:
    """What is at its buyer's can only come back: that it was lost, or canceled, is not so."""
    why = parcel.reversal
    if order.state.status in _MOVED_BY_PARCEL:
        return why
    is_back = order.state.status == Status.DELIVERED and why == RETURNED_TO_SENDER
    return why if is_back else None
