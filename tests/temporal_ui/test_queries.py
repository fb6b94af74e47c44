"""The queries of docs/operations.md, run as they stand there: they find what they say, and nothing else."""

from __future__ import annotations

import pytest

from adapters.temporal import hash_customer
from cli.stack.stack import DEMO_TENANT
from ordersaga.keys import workflow_id
from tests.saga.shop import Json, Shop
from tests.temporal_ui.page import COMMANDS, Engineer

pytestmark = pytest.mark.long

MONEY = "orders waiting for money for over a day"
TRIED = {
    MONEY: {"payer", "buyer"},
    "orders and refunds that need a person": {"undoing"},
    "orders undone because a payment was refused": {"declined", "undoing"},
    "orders undone because the goods were not there": {"out_of_stock"},
    "orders undone because somebody canceled them": {"canceled"},
}
TRIED_ELSEWHERE = {  # in test_stuck.py, and below
    "workflows whose task keeps failing",
    "workflows that were lost",
    "the orders of one customer",
    "who works on the queue",
    "what a workflow is trying now",
}


def test_every_query_of_the_page_is_tried() -> None:
    assert set(COMMANDS) == {*TRIED, *TRIED_ELSEWHERE}


@pytest.mark.parametrize("title", TRIED)
async def test_a_query_finds_its_orders_and_no_others(
    engineer: Engineer, lives: dict[str, Json], title: str
) -> None:
    wanted = {workflow_id(lives[name]["id"]) for name in TRIED[title]}
    since = "now" if title == MONEY else ""
    found = await engineer.find_until(title, wanted, since=since)
    ours = {workflow_id(order["id"]) for order in lives.values()}
    assert found & ours == wanted


async def test_an_order_that_waits_since_a_moment_ago_does_not_wait_for_over_a_day(
    engineer: Engineer, lives: dict[str, Json]
) -> None:
    await engineer.find_until(MONEY, {workflow_id(lives["payer"]["id"])}, since="now")
    assert await engineer.find(MONEY) == set()


async def test_the_orders_of_one_customer_are_found_without_naming_him(
    engineer: Engineer, shop: Shop
) -> None:
    mine, others = f"mine-{shop.sku}", f"others-{shop.sku}"
    order, another = await shop.order(customer=mine), await shop.order(customer=others)
    command = COMMANDS["the orders of one customer"]
    assert hash_customer(DEMO_TENANT, mine) not in command
    found = await engineer.find_until(
        "the orders of one customer",
        {workflow_id(order["id"])},
        TENANT=DEMO_TENANT,
        CUSTOMER=mine,
    )
    assert workflow_id(another["id"]) not in found
