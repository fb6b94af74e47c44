"""Stock: nothing is sold twice, nothing is lost, and nobody waits in a ring."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial

import pytest

from ordersaga.order import NewOrder, Vote
from tests.postgres.concurrency import at_once
from tests.postgres.merchant import Merchant

CONNECTIONS = 16
MOST_UNITS = 2**63 - 1  # what a bigint holds


def stock_vote(votes: tuple[Vote, ...]) -> str:
    """What stock said: yes, or why not."""
    vote = votes[0]
    return vote.refusal.code if vote.refusal else vote.answer


async def test_units_are_reserved_then_sold(merchant: Merchant) -> None:
    await merchant.put_stock(mug=10)
    order = await merchant.order(lines=[("mug", 3)])
    assert stock_vote(await merchant.hold(order)) == "yes"
    assert await merchant.stock("mug") == (10, 7, 3)
    await merchant.confirm(order)
    assert await merchant.stock("mug") == (7, 7, 0)


async def test_units_are_reserved_then_given_back(merchant: Merchant) -> None:
    await merchant.put_stock(mug=10)
    order = await merchant.order(lines=[("mug", 3)])
    await merchant.hold(order)
    await merchant.undo(order)
    assert await merchant.stock("mug") == (10, 10, 0)


async def test_the_last_units_can_be_sold_and_not_one_more(merchant: Merchant) -> None:
    await merchant.put_stock(mug=3)
    all_of_them = await merchant.order(lines=[("mug", 3)])
    one_more = await merchant.order(lines=[("mug", 1)])
    assert stock_vote(await merchant.hold(all_of_them)) == "yes"
    assert stock_vote(await merchant.hold(one_more)) == "out_of_stock"


async def test_two_lines_of_one_sku_are_summed(merchant: Merchant) -> None:
    await merchant.put_stock(mug=5)
    too_many = await merchant.order(lines=[("mug", 3), ("mug", 3)])
    assert stock_vote(await merchant.hold(too_many)) == "out_of_stock"
    enough = await merchant.order(lines=[("mug", 3), ("mug", 2)])
    assert stock_vote(await merchant.hold(enough)) == "yes"
    assert await merchant.stock("mug") == (5, 0, 5)
    assert (await merchant.confirm(enough)).verdict == "confirm"
    assert await merchant.stock("mug") == (0, 0, 0)


async def test_an_unknown_sku_is_refused_by_name(merchant: Merchant) -> None:
    await merchant.put_stock(mug=5)
    order = await merchant.order(lines=[("mug", 1), ("unicorn", 1)])
    vote = (await merchant.hold(order))[0]
    assert vote.refusal is not None
    assert vote.refusal.code == "unknown_sku"
    assert "unicorn" in vote.refusal.detail
    assert await merchant.stock("mug") == (5, 5, 0), "all of an order or nothing of it"


async def test_a_sku_of_another_tenant_is_unknown(merchant: Merchant) -> None:
    neighbour = Merchant(merchant.pool)
    await neighbour.put_stock(mug=5)
    order = await merchant.order(lines=[("mug", 1)])
    assert stock_vote(await merchant.hold(order)) == "unknown_sku"
    assert await neighbour.stock("mug") == (5, 5, 0)


async def test_one_sku_that_is_short_keeps_the_others_free(merchant: Merchant) -> None:
    await merchant.put_stock(mug=5, cup=1)
    order = await merchant.order(lines=[("mug", 2), ("cup", 2)])
    assert stock_vote(await merchant.hold(order)) == "out_of_stock"
    assert await merchant.stock("mug") == (5, 5, 0)
    assert await merchant.stock("cup") == (1, 1, 0)


async def test_a_quantity_as_large_as_a_column_holds_is_a_no_and_not_an_error(
    merchant: Merchant,
) -> None:
    await merchant.put_stock(mug=5)
    order = await merchant.order(lines=[("mug", MOST_UNITS)])
    assert stock_vote(await merchant.hold(order)) == "out_of_stock"


async def test_four_hundred_orders_race_for_a_hundred_units_and_a_hundred_are_confirmed(
    merchant: Merchant,
) -> None:
    await merchant.put_stock(mug=100)
    orders = [merchant.new_order() for _ in range(400)]
    await merchant.accept(*orders)
    decisions = await at_once([partial(merchant.buy, o) for o in orders], most=CONNECTIONS)
    assert [d.verdict for d in decisions].count("confirm") == 100
    refusals = [d.failure.code for d in decisions if d.failure]
    assert refusals == ["out_of_stock"] * 300
    assert await merchant.stock("mug") == (0, 0, 0)


@pytest.mark.long
@pytest.mark.parametrize("ending", ["confirm", "undo"])
async def test_orders_of_many_skus_in_any_order_never_wait_in_a_ring(
    merchant: Merchant, ending: str
) -> None:
    """375 orders, two transactions each: with the two endings 1,500 of them."""
    skus = ["mug", "cup", "jug", "pot", "pan", "tea"]
    await merchant.put_stock(**dict.fromkeys(skus, 10_000))
    chance = random.Random(7)
    orders = []
    for _ in range(375):
        basket = chance.sample(skus, k=chance.randint(2, len(skus)))
        orders.append(merchant.new_order(lines=[(sku, chance.randint(1, 3)) for sku in basket]))
    await merchant.accept(*orders)

    async def hold_and_end(order: NewOrder) -> str:
        assert stock_vote(await merchant.hold(order)) == "yes"
        end = merchant.confirm if ending == "confirm" else merchant.undo
        return (await end(order)).verdict

    # A ring would be broken by PostgreSQL after a second, and be raised here as an outage.
    verdicts = await at_once([partial(hold_and_end, o) for o in orders], most=CONNECTIONS)
    assert verdicts == [ending] * len(orders)


@pytest.mark.long
async def test_buyers_and_givers_back_of_the_same_skus_never_wait_in_a_ring(
    merchant: Merchant,
) -> None:
    """Holds, commits, releases and restocks side by side, SKUs in opposite orders."""
    await merchant.put_stock(mug=10_000, cup=10_000, jug=10_000)
    baskets = [["mug", "cup", "jug"], ["jug", "cup", "mug"], ["cup", "jug"], ["jug", "mug"]]
    orders = [
        merchant.new_order(lines=[(sku, 1) for sku in baskets[i % len(baskets)]])
        for i in range(120)
    ]
    await merchant.accept(*orders)

    async def live(number: int, order: NewOrder) -> str:
        await merchant.hold(order)
        if number % 3 == 0:
            return (await merchant.undo(order)).standing.status
        decision = await merchant.confirm(order)
        if number % 3 == 1:
            return (await merchant.give_back(order)).status
        return decision.standing.status

    endings = await at_once([partial(live, i, o) for i, o in enumerate(orders)], most=CONNECTIONS)
    assert Counter(endings) == {"rejected": 40, "canceled": 40, "confirmed": 40}


@pytest.mark.long
async def test_a_hold_and_the_undo_of_its_order_at_once_never_wait_in_a_ring(
    merchant: Merchant,
) -> None:
    """A hold that a dead worker began and the decision of the living one: same order, same rows."""
    await merchant.put_stock(mug=1000, cup=1000)
    for _ in range(100):
        order = await merchant.order(lines=[("mug", 1), ("cup", 1)])
        _, decision = await asyncio.gather(merchant.hold(order), merchant.undo(order))
        assert decision.verdict == "undo"
    assert await merchant.stock("mug") == (1000, 1000, 0)
