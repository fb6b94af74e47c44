"""Messages from outside: kept before their senders are answered, told to their orders, each once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from pydantic import JsonValue

from adapters.postgres.pool import Connection, load_queries
from ordersaga.lifecycle import FINAL
from ordersaga.messages import (
    FIRST_DAY,
    CarrierNews,
    KnownPayment,
    PaymentData,
    PaymentMessage,
    PaymentNews,
    TrackingData,
    TrackingMessage,
    carrier_news,
    judge,
)

_sql = load_queries("inbox")

KEPT_DAYS: Final = 90  # providers send a message again for some days
DAY_S: Final = 24 * 3600
FORGET_AT_ONCE: Final = 1_000

FIRST_SUBJECT: Final = ""  # less than any


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a walk along the undelivered messages has come."""

    received_at: datetime
    source: str
    message_id: str


FIRST_PLACE: Final = Place(received_at=FIRST_DAY, source="", message_id="")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A kept message whose order has not heard of it."""

    source: str
    message_id: str
    order_id: str
    currency: str
    news: PaymentNews | CarrierNews
    is_final: bool  # its order is


@dataclass(frozen=True, kw_only=True)
class Undelivered:
    """A letter, and whether our tables say the same by now: then nobody needs it."""

    letter: Letter
    is_known: bool
    place: Place


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """`letter`: what a running order should hear now. None: nothing, or later, or nobody runs it."""

    is_new: bool
    letter: Letter | None = None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What a look at some unmatched messages found. `last_subject`: None where there were none."""

    looked_at: int
    matched: int
    last_subject: str | None


async def keep_payment(
    connection: Connection, *, provider: str, message_id: str, message: PaymentMessage
) -> Receipt:
    """Keeps what a payment provider says, in one statement of its own. Seen before: nothing is done."""
    source = f"payments/{provider}"
    by_our_id = message.data.payment_id is not None
    found = await _sql.find_payment(
        connection,
        payment_id=message.data.payment_id,
        provider_ref=None if by_our_id else message.data.provider_ref,
    )
    judgement = None if found is None else judge(message, _known_payment(found))
    is_new = await _keep(
        connection,
        source=source,
        message_id=message_id,
        message=message,
        order_id=None if found is None else found["order_id"],
        is_settled=judgement == "known",
    )
    if found is None or judgement != "news":
        return Receipt(is_new=is_new)
    news = PaymentNews(message_id, message.type, found["id"])
    return _receipt(is_new, _letter(found, source, message_id, news))


async def keep_tracking(
    connection: Connection, *, carrier: str, message_id: str, message: TrackingMessage
) -> Receipt:
    """Keeps what a carrier says, in one statement of its own. Seen before: nothing is done."""
    source = f"carriers/{carrier}"
    found = await _sql.find_parcel(
        connection, tracking_number=message.data.tracking_number, carrier=carrier
    )
    is_new = await _keep(
        connection,
        source=source,
        message_id=message_id,
        message=message,
        order_id=None if found is None else found["order_id"],
        is_settled=False,
    )
    if found is None:
        return Receipt(is_new=is_new)
    news = carrier_news(message_id, message.data)
    return _receipt(is_new, _letter(found, source, message_id, news))


async def match_subjects(connection: Connection, *, after: str, limit: int) -> Matched:
    """Gives messages about what is known by now their order: those of the next subjects."""
    row = await _sql.match_subjects(connection, after=after, limit=limit)
    return Matched(
        looked_at=row["looked_at"], matched=row["matched"], last_subject=row["last_subject"]
    )


async def find_undelivered(
    connection: Connection, *, after: Place, older_than_s: float, limit: int
) -> tuple[Undelivered, ...]:
    """Messages whose order is known and has not heard of them: the longest first, from a place on."""
    rows = [
        row
        async for row in _sql.find_undelivered(
            connection,
            after_time=after.received_at,
            after_source=after.source,
            after_id=after.message_id,
            older_than_s=older_than_s,
            limit=limit,
        )
    ]
    return tuple(_undelivered(row) for row in rows)


async def tell_again(connection: Connection, order_id: str) -> None:
    """All that an order whose workflow was lost had heard: it may not have acted on it yet."""
    await _sql.tell_again(connection, order_id=order_id)


async def forget_old_messages(connection: Connection) -> None:
    """A bite of those that nobody will send again."""
    await _sql.forget(connection, older_than_s=KEPT_DAYS * DAY_S, limit=FORGET_AT_ONCE)


async def mark_delivered(connection: Connection, letter: Letter) -> None:
    """Its order has heard of it, or need not."""
    await _sql.mark_delivered(connection, source=letter.source, message_id=letter.message_id)


async def _keep(
    connection: Connection,
    *,
    source: str,
    message_id: str,
    message: PaymentMessage | TrackingMessage,
    order_id: str | None,
    is_settled: bool,
) -> bool:
    data: dict[str, JsonValue] = message.data.model_dump(mode="json", exclude_none=True)
    is_new = await _sql.keep(
        connection,
        source=source,
        message_id=message_id,
        type=message.type,
        subject=message.subject,
        data=data,
        order_id=order_id,
        is_settled=is_settled,
    )
    return is_new is not None


def _receipt(is_new: bool, letter: Letter) -> Receipt:
    is_to_tell = is_new and not letter.is_final
    return Receipt(is_new=is_new, letter=letter if is_to_tell else None)


def _undelivered(row: asyncpg.Record) -> Undelivered:
    source, message_id = row["source"], row["message_id"]
    news: PaymentNews | CarrierNews
    if row["id"] is None:
        news = carrier_news(message_id, TrackingData.model_validate(row["data"]))
        is_known = False
    else:
        message = PaymentMessage(type=row["type"], data=PaymentData.model_validate(row["data"]))
        news = PaymentNews(message_id, message.type, row["id"])
        is_known = judge(message, _known_payment(row)) == "known"
    return Undelivered(
        letter=_letter(row, source, message_id, news),
        is_known=is_known,
        place=Place(received_at=row["received_at"], source=source, message_id=message_id),
    )


def _known_payment(row: asyncpg.Record) -> KnownPayment:
    return KnownPayment(
        id=row["id"],
        method=row["method"],
        currency=row["currency"],
        status=row["status"],
        captured=row["captured"],
        refunded=row["refunded"],
    )


def _letter(
    row: asyncpg.Record, source: str, message_id: str, news: PaymentNews | CarrierNews
) -> Letter:
    return Letter(
        source=source,
        message_id=message_id,
        order_id=row["order_id"],
        currency=row["currency"],
        news=news,
        is_final=row["order_status"] in FINAL,
    )
