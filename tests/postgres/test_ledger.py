"""Our own money: held, taken, released, refunded; never overdrawn, never made of nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import pytest

from ordersaga.errors import DatabaseUnavailable
from ordersaga.order import Decision, NewOrder, NewPayment, Vote
from tests.postgres.concurrency import Onlooker, at_once, break_down
from tests.postgres.merchant import CUSTOMER, Merchant, balance, voucher


@pytest.fixture
async def shelf(merchant: Merchant) -> Merchant:
    """A merchant with goods enough, so that only money can say no."""
    await merchant.put_stock(mug=10_000)
    return merchant


def money_votes(votes: tuple[Vote, ...]) -> list[str]:
    """What each payment said: yes, or why not."""
    return [
        vote.refusal.code if vote.refusal else vote.answer
        for vote in votes
        if vote.step.startswith("payment:")
    ]


async def house(merchant: Merchant, kind: str) -> int:
    """What one of the house's accounts comes to."""
    async with merchant.pool.acquire() as connection:
        total: int = await connection.fetchval(
            "select coalesce(sum(e.amount), 0)::bigint from ledger_entries e "
            "join ledger_accounts a on a.id = e.account_id where a.tenant = $1 and a.kind = $2",
            *(merchant.tenant, kind),
        )
    return total


async def test_a_voucher_is_held_then_taken(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 1000)
    order = await shelf.order(voucher("V", 600))
    assert money_votes(await shelf.hold(order)) == ["yes"]
    assert (await shelf.spendable("voucher", "V"), await house(shelf, "held")) == (400, 600)
    await shelf.confirm(order)
    assert (await shelf.spendable("voucher", "V"), await house(shelf, "held")) == (400, 0)
    assert await house(shelf, "sales") == 600


async def test_a_held_voucher_is_given_back_whole(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 1000)
    order = await shelf.order(voucher("V", 600))
    await shelf.hold(order)
    decision = await shelf.undo(order)
    assert decision.standing.payment_status == "voided"
    assert await shelf.spendable("voucher", "V") == 1000
    assert (await house(shelf, "held"), await house(shelf, "sales")) == (0, 0)


async def test_taken_store_credit_is_refunded_to_the_customer(shelf: Merchant) -> None:
    await shelf.put_credit(1000)
    order = await shelf.order(balance(600))
    await shelf.buy(order)
    assert await shelf.spendable("credit", CUSTOMER) == 400
    standing = await shelf.give_back(order)
    assert (standing.status, standing.payment_status) == ("canceled", "refunded")
    assert await shelf.spendable("credit", CUSTOMER) == 1000
    assert await house(shelf, "sales") == 0


async def test_store_credit_and_vouchers_pay_one_order_together(shelf: Merchant) -> None:
    await shelf.put_credit(100)
    await shelf.put_voucher("V", 200)
    await shelf.put_voucher("W", 300)
    order = await shelf.order(balance(100), voucher("V", 200), voucher("W", 300))
    assert (await shelf.buy(order)).standing.payment_status == "captured"
    assert await house(shelf, "sales") == 600


async def test_an_account_can_be_spent_to_the_last_unit_and_not_one_more(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 600)
    too_much = await shelf.order(voucher("V", 601))
    assert money_votes(await shelf.hold(too_much)) == ["insufficient_funds"]
    assert await shelf.spendable("voucher", "V") == 600
    exactly = await shelf.order(voucher("V", 600))
    assert money_votes(await shelf.hold(exactly)) == ["yes"]


async def test_an_unknown_voucher_is_refused(shelf: Merchant) -> None:
    order = await shelf.order(voucher("never issued", 100))
    assert money_votes(await shelf.hold(order)) == ["unknown_voucher"]
    decision = await shelf.buy(order)
    assert (decision.verdict, decision.standing.payment_status) == ("undo", "failed")


async def test_a_voucher_of_another_tenant_is_unknown(shelf: Merchant) -> None:
    neighbour = Merchant(shelf.pool)
    await neighbour.put_voucher("V", 1000)
    order = await shelf.order(voucher("V", 100))
    assert money_votes(await shelf.hold(order)) == ["unknown_voucher"]
    assert await neighbour.spendable("voucher", "V") == 1000


async def test_a_voucher_of_another_currency_is_unknown(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 1000, currency="EUR")
    order = await shelf.order(voucher("V", 100))
    assert money_votes(await shelf.hold(order)) == ["unknown_voucher"]


async def test_a_customer_without_store_credit_is_refused(shelf: Merchant) -> None:
    order = await shelf.order(balance(100))
    assert money_votes(await shelf.hold(order)) == ["insufficient_funds"]


async def test_nobody_pays_by_the_store_credit_of_another_customer(shelf: Merchant) -> None:
    await shelf.put_credit(1000, "c-rich")
    order = await shelf.order(balance(100))
    assert money_votes(await shelf.hold(order)) == ["insufficient_funds"]
    assert await shelf.spendable("credit", "c-rich") == 1000


async def test_two_payments_on_one_voucher_are_covered_together_or_the_second_is_refused(
    shelf: Merchant,
) -> None:
    await shelf.put_voucher("V", 1000)
    too_much = await shelf.order(voucher("V", 600), voucher("V", 600))
    assert money_votes(await shelf.hold(too_much)) == ["yes", "insufficient_funds"]
    assert await shelf.spendable("voucher", "V") == 400
    decision = await shelf.buy(too_much)
    assert (decision.verdict, decision.standing.payment_status) == ("undo", "failed")
    assert await shelf.spendable("voucher", "V") == 1000
    enough = await shelf.order(voucher("V", 600), voucher("V", 400))
    assert (await shelf.buy(enough)).verdict == "confirm"
    assert await shelf.spendable("voucher", "V") == 0


async def test_what_was_refunded_can_be_spent_again(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 500)
    for _ in range(3):
        order = await shelf.order(voucher("V", 500))
        assert (await shelf.buy(order)).verdict == "confirm"
        await shelf.give_back(order)
    assert await shelf.spendable("voucher", "V") == 500


async def accept_apart(merchant: Merchant, *tenders: Sequence[NewPayment]) -> list[NewOrder]:
    """Orders of a SKU each, so that they meet at their accounts and not at a shelf before."""
    skus = [f"sku_{i}" for i in range(len(tenders))]
    await merchant.put_stock(**dict.fromkeys(skus, 1))
    orders = [
        merchant.new_order(*tender, lines=[(sku, 1)])
        for sku, tender in zip(skus, tenders, strict=True)
    ]
    await merchant.accept(*orders)
    return orders


async def test_orders_racing_for_one_voucher_spend_it_once(shelf: Merchant) -> None:
    await shelf.put_voucher("V", 1000)
    await shelf.buy(await shelf.order(voucher("V", 50)))  # from here on the house has accounts
    orders = await accept_apart(shelf, *([voucher("V", 300)] for _ in range(40)))
    decisions = await at_once([partial(shelf.buy, o) for o in orders], most=16)
    assert Counter(d.verdict for d in decisions) == {"confirm": 3, "undo": 37}
    assert await shelf.spendable("voucher", "V") == 50


async def test_orders_on_the_same_two_accounts_in_opposite_order_never_wait_in_a_ring(
    shelf: Merchant,
) -> None:
    await shelf.put_voucher("V", 100_000)
    await shelf.put_voucher("W", 100_000)
    await shelf.buy(await shelf.order(voucher("V", 1), voucher("W", 1)))
    codes = [("V", "W"), ("W", "V")]
    orders = await accept_apart(
        shelf, *([voucher(code, 100) for code in codes[i % 2]] for i in range(100))
    )

    async def there_and_back(number: int, order: NewOrder) -> str:
        if number % 5 == 0:
            await shelf.hold(order)
            return (await shelf.undo(order)).verdict
        return (await shelf.buy(order)).verdict

    verdicts = await at_once([partial(there_and_back, i, o) for i, o in enumerate(orders)], most=16)
    assert Counter(verdicts) == {"confirm": 80, "undo": 20}
    assert await shelf.spendable("voucher", "V") == 100_000 - 1 - 80 * 100


async def test_the_houses_accounts_made_by_an_order_that_broke_down_are_not_relied_on(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    """The first hold of a tenant makes them; rolled back, it made none."""
    await shelf.put_voucher("V", 1000)
    order = await shelf.order(voucher("V", 600))
    await break_down(onlooker, order, lambda: shelf.hold(order))
    assert await shelf.spendable("voucher", "V") == 1000
    assert money_votes(await shelf.hold(order)) == ["yes"]
    await break_down(onlooker, order, lambda: shelf.confirm(order))
    assert await house(shelf, "held") == 600
    assert (await shelf.confirm(order)).verdict == "confirm"


async def test_the_first_orders_of_a_tenant_at_once_make_each_account_once(
    shelf: Merchant,
) -> None:
    """Who trips over an account made at this very moment is told to ask again."""
    await shelf.put_voucher("V", 100_000)
    orders = await accept_apart(shelf, *([voucher("V", 100)] for _ in range(16)))

    async def insist(order: NewOrder) -> Decision:
        for _ in range(9):
            with suppress(DatabaseUnavailable):
                return await shelf.buy(order)
        return await shelf.buy(order)

    decisions = await at_once([partial(insist, o) for o in orders], most=16)
    assert [d.verdict for d in decisions] == ["confirm"] * len(orders)
    assert await house(shelf, "sales") == 1600


@pytest.mark.parametrize("kind", ["voucher", "credit"])
async def test_postgresql_itself_refuses_an_overdrawn_account(
    shelf: Merchant, onlooker: Onlooker, kind: str
) -> None:
    await shelf.put_voucher("V", 100)
    await shelf.put_credit(100)
    with pytest.raises(Exception, match="ledger_accounts_balance_check"):
        await onlooker.execute(
            "update ledger_accounts set balance = balance - 101 where tenant = $1 and kind = $2",
            *(shelf.tenant, kind),
        )


async def test_a_transfer_posted_twice_is_refused_by_postgresql(
    shelf: Merchant, onlooker: Onlooker
) -> None:
    await shelf.put_voucher("V", 100)
    await shelf.buy(await shelf.order(voucher("V", 100)))
    with pytest.raises(Exception, match="ledger_entries_pkey"):
        await onlooker.execute(
            "insert into ledger_entries (transfer, account_id, amount) "
            "select e.transfer, e.account_id, e.amount from ledger_entries e "
            "join ledger_accounts a on a.id = e.account_id where a.tenant = $1",
            shelf.tenant,
        )
