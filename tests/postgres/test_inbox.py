"""Messages from outside in PostgreSQL: each kept once, matched when its order appears, told until heard."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from adapters.postgres.inbox import (
    FIRST_PLACE,
    FIRST_SUBJECT,
    Receipt,
    Undelivered,
    find_undelivered,
    keep_payment,
    keep_tracking,
    mark_delivered,
    match_subjects,
)
from adapters.postgres.pool import Pool, reading
from ordersaga.messages import (
    CarrierNews,
    PaymentData,
    PaymentFact,
    PaymentMessage,
    PaymentNews,
    TrackingData,
    TrackingMessage,
)
from ordersaga.order import SANDBOX, NewOrder
from ordersaga.tracking import TrackingStatus
from tests.postgres.merchant import Merchant, answer, card, new_reference, step_of, voucher

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = 10_000  # more than any test leaves


def fresh(word: str) -> str:
    return f"{word}_{uuid.uuid4().hex[:12]}"


async def tell_payment(
    pool: Pool,
    *,
    payment_id: str | None = None,
    reference: str | None = None,
    fact: PaymentFact = "payment.captured",
    message_id: str | None = None,
) -> Receipt:
    data = PaymentData(payment_id=payment_id, provider_ref=reference)
    async with reading(pool) as connection:
        return await keep_payment(
            connection,
            provider="acme",
            message_id=message_id or fresh("msg"),
            message=PaymentMessage(type=fact, data=data),
        )


async def tell_tracking(
    pool: Pool, number: str, *, carrier: str = SANDBOX, message_id: str | None = None
) -> Receipt:
    data = TrackingData(
        tracking_number=number,
        status=TrackingStatus.DELIVERED,
        occurred_at=NOON.isoformat(),  # as it comes
        location="Recife",
    )
    async with reading(pool) as connection:
        return await keep_tracking(
            connection,
            carrier=carrier,
            message_id=message_id or fresh("msg"),
            message=TrackingMessage(type="tracking.updated", data=data),
        )


async def match_all(pool: Pool) -> None:
    async with reading(pool) as connection:
        await match_subjects(connection, after=FIRST_SUBJECT, limit=ALL)


async def undelivered_of(pool: Pool, order: NewOrder) -> list[Undelivered]:
    async with reading(pool) as connection:
        found = await find_undelivered(connection, after=FIRST_PLACE, older_than_s=0, limit=ALL)
    return [one for one in found if one.letter.order_id == order.id]


def ids(found: Sequence[Undelivered]) -> list[str]:
    return [one.letter.message_id for one in found]


async def test_of_copies_that_come_at_once_one_is_kept(pool: Pool, merchant: Merchant) -> None:
    order = await merchant.remote_order(card(100))
    message_id = fresh("msg")
    receipts = await asyncio.gather(
        *(
            tell_payment(pool, payment_id=order.payments[0].plan.id, message_id=message_id)
            for _ in range(16)
        )
    )
    assert [r.is_new for r in receipts].count(True) == 1
    assert ids(await undelivered_of(pool, order)) == [message_id]


async def test_what_came_before_its_order_is_matched_when_that_appears(
    pool: Pool, merchant: Merchant
) -> None:
    await merchant.put_stock(mug=10)
    asked = card(100)
    order = merchant.new_order(asked, lines=[("mug", 1)], carrier=SANDBOX)
    reference = new_reference()
    by_id, by_reference, by_number = fresh("msg"), fresh("msg"), fresh("msg")
    number = fresh("SB")
    await tell_payment(pool, payment_id=asked.plan.id, message_id=by_id)
    await tell_payment(pool, reference=reference, message_id=by_reference)
    await tell_tracking(pool, number, message_id=by_number)
    await match_all(pool)
    assert not await undelivered_of(pool, order)

    await merchant.accept(order)
    await match_all(pool)
    assert ids(await undelivered_of(pool, order)) == [by_id]

    await merchant.records.begin(step_of(order, asked))
    await merchant.records.keep_reference(step_of(order, asked), asked.plan.id, reference)
    async with reading(pool) as connection:
        await connection.execute(
            "update shipments set tracking_number = $1 where order_id = $2", number, order.id
        )
    await match_all(pool)

    found = await undelivered_of(pool, order)
    assert ids(found) == [by_id, by_reference, by_number], "the longest first"
    assert [one.letter.news for one in found] == [
        PaymentNews(by_id, "payment.captured", asked.plan.id),
        PaymentNews(by_reference, "payment.captured", asked.plan.id),
        CarrierNews(
            event_id=by_number,
            status="delivered",
            occurred_at=NOON,
            tracking_number=number,
            location="Recife",
        ),
    ]
    await tell_payment(pool, reference=reference)
    assert len(await undelivered_of(pool, order)) == 4, "known at once, from now on"


async def test_a_foreign_carriers_word_is_not_matched_later_either(
    pool: Pool, merchant: Merchant
) -> None:
    order = await merchant.remote_order(card(100))
    number = fresh("SB")
    await tell_tracking(pool, number, carrier="pigeon")
    ours = fresh("msg")
    await tell_tracking(pool, number, message_id=ours)
    async with reading(pool) as connection:
        await connection.execute(
            "update shipments set tracking_number = $1 where order_id = $2", number, order.id
        )
    await match_all(pool)
    assert ids(await undelivered_of(pool, order)) == [ours]


async def test_messages_that_are_nobodys_hold_up_no_others(pool: Pool, merchant: Merchant) -> None:
    """A round looks at so many of them, the next at the next."""
    for _ in range(7):
        await tell_payment(pool, payment_id=fresh("pay"))
    asked = card(100)
    order = merchant.new_order(asked, lines=[("mug", 1)], carrier=SANDBOX)
    await tell_payment(pool, payment_id=asked.plan.id)
    await merchant.put_stock(mug=10)
    await merchant.accept(order)

    matched, after, rounds = 0, FIRST_SUBJECT, 0
    while True:
        async with reading(pool) as connection:
            found = await match_subjects(connection, after=after, limit=2)
        if found.last_subject is None:
            break
        matched, after, rounds = matched + found.matched, found.last_subject, rounds + 1

    assert matched == 1
    assert rounds >= 4
    assert len(await undelivered_of(pool, order)) == 1


async def test_the_walk_along_the_undelivered_goes_on_where_it_was(
    pool: Pool, merchant: Merchant
) -> None:
    order = await merchant.remote_order(card(100))
    told = [fresh("msg") for _ in range(5)]
    for message_id in told:
        await tell_payment(pool, payment_id=order.payments[0].plan.id, message_id=message_id)
    first, *_ = await undelivered_of(pool, order)

    place, walked = first.place, [first.letter.message_id]
    while True:
        async with reading(pool) as connection:
            found = await find_undelivered(connection, after=place, older_than_s=0, limit=1)
        if not found:
            break
        place = found[0].place
        walked += ids([one for one in found if one.letter.order_id == order.id])
    assert walked == told

    async with reading(pool) as connection:
        young = await find_undelivered(connection, after=FIRST_PLACE, older_than_s=3600, limit=ALL)
        assert not young, "our own step may be about to write the same"
        await mark_delivered(connection, first.letter)
    assert ids(await undelivered_of(pool, order)) == told[1:]


async def test_what_became_known_meanwhile_is_told_to_nobody(
    pool: Pool, merchant: Merchant
) -> None:
    asked = card(100)
    order = await merchant.remote_order(asked)
    held, taken = fresh("msg"), fresh("msg")
    for fact, message_id in (("payment.authorized", held), ("payment.captured", taken)):
        receipt = await tell_payment(
            pool,
            payment_id=asked.plan.id,
            fact=fact,  # type: ignore[arg-type]
            message_id=message_id,
        )
        assert receipt == Receipt(is_new=True), "not now"
    assert [one.is_known for one in await undelivered_of(pool, order)] == [False, False]

    await merchant.authorize(order, asked)
    assert [one.is_known for one in await undelivered_of(pool, order)] == [True, False]
    await merchant.capture(order, asked)
    assert [one.is_known for one in await undelivered_of(pool, order)] == [True, True]

    again = fresh("msg")
    await tell_payment(pool, payment_id=asked.plan.id, message_id=again)
    assert again not in ids(await undelivered_of(pool, order)), "known when it came"


async def test_what_a_running_order_waits_for_is_told_at_once(
    pool: Pool, merchant: Merchant
) -> None:
    asked = card(100)
    order = await merchant.remote_order(asked)
    step, reference = step_of(order, asked), new_reference()
    await merchant.records.begin(step)
    await merchant.records.keep_reference(step, asked.plan.id, reference)
    waits = answer("requires_action", asked, reference=reference)
    await merchant.records.payment_answered(step, asked.plan.id, waits)

    receipt = await tell_payment(pool, reference=reference, message_id="by reference")

    assert receipt.letter is not None
    assert receipt.letter.order_id == order.id
    assert receipt.letter.news == PaymentNews("by reference", "payment.captured", asked.plan.id)
    assert not receipt.letter.is_final
    again = await tell_payment(pool, reference=reference, message_id="by reference")
    assert again == Receipt(is_new=False)


async def test_an_order_that_is_over_is_told_by_the_sweep(pool: Pool, merchant: Merchant) -> None:
    asked = card(100)
    order = await merchant.remote_order(asked)
    async with reading(pool) as connection:
        number = fresh("SB")
        await connection.execute(
            "update shipments set tracking_number = $1 where order_id = $2", number, order.id
        )
    await merchant.undo(order)

    receipts = [
        await tell_payment(pool, payment_id=asked.plan.id, fact="payment.disputed"),
        await tell_payment(pool, payment_id=asked.plan.id),
        await tell_tracking(pool, number),
    ]

    assert receipts == [Receipt(is_new=True)] * 3
    assert [one.letter.is_final for one in await undelivered_of(pool, order)] == [True] * 3


@pytest.mark.parametrize("fact", ["payment.captured", "payment.disputed"])
async def test_nobody_outside_is_believed_about_our_own_money(
    pool: Pool, merchant: Merchant, fact: PaymentFact
) -> None:
    await merchant.put_voucher("GIFT", 100)
    order = await merchant.held_order(voucher("GIFT", 100))
    await tell_payment(pool, payment_id=order.payments[0].plan.id, fact=fact)
    assert not await undelivered_of(pool, order)
