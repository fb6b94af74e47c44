"""Each notice arrives once, whatever the mail server does; and who should not hear, does not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import pytest
import structlog
from pydantic import JsonValue

from adapters.mail.server import MailServer, ServerAway
from adapters.postgres import notices as rows
from adapters.postgres import outbox
from adapters.postgres.customers import erase_customer
from adapters.postgres.pool import Pool, reading, transaction
from cli.stack.stack import LocalStack
from ordersaga.notices import OLD
from ordersaga.order import NewOrder
from tests.notices.conftest import (
    ANA,
    BUYER,
    KEPT_S,
    SELLER,
    Mailbox,
    all_done,
    buy,
    owning,
    place,
    rows_of,
    sender_to,
    sending,
    written_down,
)
from tests.postgres.merchant import CHANGED_MIND, CUSTOMER, Merchant, voucher
from tests.relay.conftest import until
from worker import notices
from worker.notices import MailSink


async def _is_told(pool: Pool, *orders: NewOrder) -> None:
    for order in orders:
        await until(partial(all_done, pool, order))


async def test_a_confirmed_order_is_told_to_its_buyer_and_to_its_seller(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant)
        await _is_told(pool, order)
    assert mailbox.names_of(order) == ["confirmed"]
    assert mailbox.names_of(order, SELLER) == ["new_order"]
    (mail,) = mailbox.of(order)
    assert mail["Message-ID"] == f"<{order.id}.confirmed.buyer@shop.example>"
    assert mail["From"] == "Die Töpferei <orders@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_events_told_twice_make_one_mail(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant)
        await _is_told(pool, order)
        async with transaction(pool) as connection:
            events = await outbox.read_after(connection, 0, tenant=merchant.tenant, limit=100)
            assert "order.confirmed" in [event.type for event in events]
            await MailSink().fan_out(connection, [*events, *events])
        await asyncio.sleep(0.5)
    assert len(mailbox.of(order)) == 1
    assert len(mailbox.of(order, SELLER)) == 1


async def test_an_order_is_told_in_its_order(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool):
        order = await buy(merchant)
        await merchant.happens(order, "parcel.shipped", "order.shipped")
        await merchant.happens(order, "parcel.delivered", "order.delivered")
        await until(lambda: _has(pool, order, "delivered"))
    async with sending(sender_to(mailbox, pool)):
        await _is_told(pool, order)
    assert mailbox.names_of(order) == ["confirmed", "shipped", "delivered"]


async def test_while_no_server_takes_mail_everything_waits_and_then_all_of_it_goes(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    await mailbox.close()
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        orders = [await buy(merchant) for _ in range(3)]
        await _have(pool, *orders)
        await asyncio.sleep(0.5)
        for order in orders:
            assert {status for status, _ in (await rows_of(pool, order)).values()} == {"due"}
        async with reading(pool) as connection:
            assert not await connection.fetchval(
                "select sum(tries) from notices where order_id = any($1)", [o.id for o in orders]
            ), "an outage is no try"
        await mailbox.open()
        await _is_told(pool, *orders)
    assert [mailbox.names_of(order) for order in orders] == 3 * [["confirmed"]]


async def test_a_recipient_that_is_refused_for_now_is_tried_again(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    answers = iter(["451 greylisted", "452 mailbox full"])
    mailbox.says = lambda address: next(answers, None) if address == BUYER else None
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant)
        await _is_told(pool, order)
    assert mailbox.names_of(order) == ["confirmed"]
    assert (await rows_of(pool, order))["confirmed", "buyer"] == ("sent", None)


async def test_it_is_given_up_after_a_day_of_not_now(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    mailbox.says = lambda address: "451 not now" if address == BUYER else None
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant)
        await _is_told(pool, order)
    assert (await rows_of(pool, order))["confirmed", "buyer"] == ("failed", "smtp 451")


def test_not_now_is_asked_again_for_about_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert timedelta(hours=20) < timedelta(seconds=sum(notices.RETRIES_S)) < timedelta(hours=28)


async def test_a_recipient_that_does_not_exist_is_not_tried_again(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    nobody = "nobody@example.org"
    mailbox.says = lambda address: "550 no such user" if address == nobody else None
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant, customer={**ANA, "email": nobody})
        await _is_told(pool, order)
    told = await rows_of(pool, order)
    assert told["confirmed", "buyer"] == ("failed", "smtp 550")
    assert told["new_order", "seller"] == ("sent", None), "nobody else suffers"
    assert mailbox.asked.count(nobody) == 1


async def test_killed_between_sending_and_writing_it_down_the_same_mail_goes_again(
    stack: LocalStack,
    pool: Pool,
    merchant: Merchant,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "LEASE_S", 0.5)
    mailbox.takes_s = 60.0  # it has the mail, and we die before it says so
    async with written_down(stack, pool):
        order = await buy(merchant)
        await until(lambda: _has(pool, order, "confirmed"))
    async with sending(sender_to(mailbox, pool)):
        await until(lambda: bool(mailbox.of(order)))
    assert (await rows_of(pool, order))["confirmed", "buyer"] == ("due", None)
    mailbox.takes_s = 0.0
    async with sending(sender_to(mailbox, pool)):
        await _is_told(pool, order)
    first, second = mailbox.of(order)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Subject"] == second["Subject"]


async def test_what_a_dead_sender_had_claimed_is_anothers_after_its_lease(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    async with written_down(stack, pool):
        order = await buy(merchant)
        await until(lambda: _has(pool, order, "confirmed"))

    async def claim() -> set[str]:
        async with reading(pool) as connection:
            due = await rows.claim_due(connection, lease_s=1.0, limit=100)
        return {each.message_id for each in due if each.order_id == order.id}

    first = await claim()
    assert first == {f"{order.id}.confirmed.buyer", f"{order.id}.new_order.seller"}
    assert not await claim()
    await asyncio.sleep(1.1)
    assert await claim() == first


async def test_a_lease_that_was_renewed_is_nobody_elses_and_one_that_was_taken_over_is_not_renewed(
    stack: LocalStack, pool: Pool, merchant: Merchant
) -> None:
    async with written_down(stack, pool):
        order = await buy(merchant)
        await until(lambda: _has(pool, order, "confirmed"))

    async def claim(lease_s: float) -> tuple[rows.DueNotice, ...]:
        async with reading(pool) as connection:
            due = await rows.claim_due(connection, lease_s=lease_s, limit=100)
        return tuple(each for each in due if each.order_id == order.id)

    async def renew(due: Sequence[rows.DueNotice], lease_s: float) -> tuple[rows.DueNotice, ...]:
        async with reading(pool) as connection:
            return await rows.renew_lease(connection, due, lease_s=lease_s)

    first = await claim(0.1)
    await asyncio.sleep(0.2)
    first = await renew(first, 0.1)
    assert len(first) == 2, "nobody has taken them meanwhile"
    await asyncio.sleep(0.2)
    second = await claim(0.1)
    assert {each.id for each in second} == {each.id for each in first}
    assert await renew(first, 600.0) == (), "they are another's"
    assert len(await renew(second, 600.0)) == 2
    await asyncio.sleep(0.2)
    assert await claim(600.0) == ()


async def test_what_is_still_to_be_sent_stays_the_senders_mail_by_mail(
    stack: LocalStack,
    pool: Pool,
    merchant: Merchant,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notices, "LEASE_S", notices.SEND_S)  # none outlives the next mail
    mailbox.takes_s = 1.0
    async with written_down(stack, pool):
        orders = [await buy(merchant) for _ in range(2)]
        await _have(pool, *orders)
    leases: dict[int, set[datetime]] = defaultdict(set)

    async def was_renewed() -> bool:
        async with reading(pool) as connection:
            due = await connection.fetch(
                "select id, next_try_at from notices where status = 'due' and order_id = any($1)",
                [order.id for order in orders],
            )
        for row in due:
            leases[row["id"]].add(row["next_try_at"])
        return any(len(each) > 2 for each in leases.values())  # due, claimed, renewed

    assert not await was_renewed()
    async with sending(sender_to(mailbox, pool)):
        await until(was_renewed)
        mailbox.takes_s = 0.0
        await _is_told(pool, *orders)
    assert [mailbox.names_of(order) for order in orders] == 2 * [["confirmed"]]


def test_who_was_to_hear_from_a_killed_sender_hears_from_another_within_two_minutes() -> None:
    assert notices.SEND_S < notices.LEASE_S <= 120.0


async def test_two_senders_send_each_mail_once(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool):
        orders = [await buy(merchant) for _ in range(12)]
        await _have(pool, *orders)
    async with sending(sender_to(mailbox, pool)), sending(sender_to(mailbox, pool)):
        await _is_told(pool, *orders)
    assert [mailbox.names_of(order) for order in orders] == 12 * [["confirmed"]]


# --- Who does not hear ---------------------------------------------------------------------------


async def test_an_erased_customer_is_written_to_no_more(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    await merchant.put_stock(mug=10)
    async with written_down(stack, pool):
        order = await place(merchant)
        await merchant.undo(order, CHANGED_MIND)
        await until(lambda: _has(pool, order, "canceled"))
    async with transaction(pool) as connection:
        await erase_customer(connection, tenant=merchant.tenant, customer_id=CUSTOMER, by="a test")
    async with sending(sender_to(mailbox, pool)):
        await _is_told(pool, order)
    assert (await rows_of(pool, order))["canceled", "buyer"] == ("skipped", "erased")
    assert not mailbox.of(order)


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        ({**ANA, "notify": "none"}, "opted out"),
        ({"name": "Ana", "email": None}, "no address"),
        ({"name": "Ana", "email": "Ana"}, "is no mail address"),
        ({"name": "Ana", "email": "ana@"}, "is no mail address"),
        ({"name": "Ana", "email": f"ana@example.org\r\nBcc: {BUYER}"}, "is no mail address"),
        ({"name": "Ana", "email": f"{BUYER}, eve@example.org"}, "is no mail address"),
        ({"name": "Ana", "email": "日本@example.org"}, "is no mail address"),
    ],
)
async def test_who_cannot_or_does_not_want_to_be_written_to_is_not(
    stack: LocalStack,
    pool: Pool,
    merchant: Merchant,
    mailbox: Mailbox,
    customer: dict[str, JsonValue],
    reason: str,
) -> None:
    async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
        order = await buy(merchant, customer=customer)
        await _is_told(pool, order)
    assert (await rows_of(pool, order))["confirmed", "buyer"] == ("skipped", reason)
    assert mailbox.names_of(order, SELLER) == ["new_order"]
    assert not mailbox.of(order)
    assert set(mailbox.asked) <= {SELLER, BUYER}, "nobody was asked about an odd address"


async def test_old_news_of_a_state_that_is_past_is_not_told_and_money_always_is(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    await merchant.put_voucher("V1", 1000)
    async with written_down(stack, pool):
        order = await buy(merchant, voucher("V1", 1000))
        await merchant.happens(order, "parcel.shipped", "order.shipped", "parcel.delivered")
        await merchant.happens(order, "order.delivered")
        returned = await merchant.ask_return(order)
        await merchant.answer_return(order, returned, "approve", "receive")
        await merchant.own_site.settle_return(returned)
        await until(lambda: _has(pool, order, "refunded"))
    async with owning(stack) as connection:
        await connection.execute(
            "update order_events set recorded_at = recorded_at - $2::interval where order_id = $1",
            order.id,
            OLD + timedelta(hours=1),
        )
    async with sending(sender_to(mailbox, pool)):
        await _is_told(pool, order)
    told = await rows_of(pool, order)
    past = {notice for (notice, _), end in told.items() if end == ("skipped", "past")}
    assert past == {"confirmed", "new_order", "shipped", "delivered"}
    assert "refunded" in mailbox.names_of(order)


# --- What stays ----------------------------------------------------------------------------------


async def test_no_address_and_no_name_is_in_logs_or_rows(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    mailbox.says = lambda address: f"550 <{address}> is unknown"
    with structlog.testing.capture_logs() as logs:
        async with written_down(stack, pool), sending(sender_to(mailbox, pool)):
            order = await buy(merchant, customer={**ANA, "name": "Canary"})
            await _is_told(pool, order)
    async with reading(pool) as connection:
        kept = await connection.fetch("select n::text from notices n where order_id = $1", order.id)
    assert [line for line in logs if line["event"] == "notices.failed"]
    for text in (str(logs), *(row[0] for row in kept)):
        assert not [word for word in (BUYER, SELLER, "Canary") if word in text]


async def test_what_was_told_long_ago_is_forgotten_and_what_waits_is_not(
    stack: LocalStack, pool: Pool, merchant: Merchant, mailbox: Mailbox
) -> None:
    async with written_down(stack, pool):
        told, waiting = await buy(merchant), await buy(merchant)
        await _have(pool, told, waiting)
    async with reading(pool) as connection:
        await connection.execute(
            "update notices set status = 'sent', done_at = now() - make_interval(secs => $2)"
            " where order_id = $1",
            *(told.id, KEPT_S + 60),
        )
        assert await rows.forget_notices(connection, older_than_s=KEPT_S, limit=100) == 2
    assert not await rows_of(pool, told)
    assert len(await rows_of(pool, waiting)) == 2


async def test_nothing_is_said_to_a_server_without_tls_unless_that_is_wanted(
    mailbox: Mailbox,
) -> None:
    with pytest.raises(ServerAway):
        async with MailServer.at(f"smtp://127.0.0.1:{mailbox.port}").line():
            pass
    assert not mailbox.asked


async def _has(pool: Pool, order: NewOrder, notice: str) -> bool:
    return notice in [name for name, _ in await rows_of(pool, order)]


async def _have(pool: Pool, *orders: NewOrder) -> None:
    """Written down: whichever partition's turn comes first."""
    for order in orders:
        await until(partial(_has, pool, order, "confirmed"))
