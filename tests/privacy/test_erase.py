"""Who is erased, and who is not."""

from __future__ import annotations

import pytest

from cli.stack.stack import LocalStack
from tests.privacy.erasing import erase
from tests.privacy.looking import values_of
from tests.saga.shop import Shop, card, payment

pytestmark = pytest.mark.long

BRL = {"currency": "BRL"}


@pytest.fixture
async def customer(stack: LocalStack) -> str:
    """One of his own for each test."""
    return f"c-{len(await values_of(stack.ready, 'orders.id'))}-of-erase"


async def test_an_open_order_keeps_its_address(stack: LocalStack, customer: str) -> None:
    async with Shop(stack) as shop:
        ended = await shop.order(card("tok_declined"), customer=customer)
        order = await shop.order(customer=customer, prefer="wait=0")
        refused = erase(stack, "--yes", customer=customer)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert order["id"] in refused.stderr
        assert ended["id"] not in refused.stderr
        assert (await shop.get(ended["id"]))["erased_at"] is None, "all of them, or none"
        (await shop.cancel(order["id"])).raise_for_status()
        assert erase(stack, "--yes", customer=customer).returncode == 0
        assert (await shop.get(ended["id"]))["erased_at"] is not None


async def test_so_does_an_order_whose_goods_are_on_their_way_back(
    stack: LocalStack, customer: str
) -> None:
    async with Shop(stack) as shop:
        order = await shop.order(card(), carrier="sandbox", customer=customer)
        await shop.until_released(order["id"])
        await shop.delivered(order)
        (await shop.ask(order, "confirm-receipt")).raise_for_status()
        await shop.until(order["id"], lambda o: o["status"] == "completed")
        asked = await shop.ask(order, "returns", {"reason": "too small"})
        return_id = asked.json()["returns"][0]["id"]
        assert order["id"] in erase(stack, "--yes", customer=customer).stderr
        (await shop.ask(order, f"returns/{return_id}/decline")).raise_for_status()
        assert erase(stack, "--yes", customer=customer).returncode == 0
        assert (await shop.get(order["id"]))["returns"][0]["reason"] == ""


async def test_a_customer_of_another_tenant_is_another_customer(
    stack: LocalStack, customer: str
) -> None:
    async with Shop(stack) as shop:
        order = await shop.order(card("tok_declined"), customer=customer)
        unknown = erase(stack, "--yes", customer=customer, tenant="another")
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert (await shop.get(order["id"]))["erased_at"] is None


async def test_who_only_ever_had_store_credit_keeps_it_without_its_reason(
    stack: LocalStack, customer: str
) -> None:
    async with Shop(stack) as shop:
        gift = {"amount": {"amount": 700, **BRL}, "reason": "for Ana's wedding"}
        (await shop.post(f"/v1/accounts/{customer}/credits", gift)).raise_for_status()
        done = erase(stack, "--yes", customer=customer)
        assert (done.returncode, "0 orders" in done.stdout) == (0, True)
        account = (await shop.api.get(f"/v1/accounts/{customer}")).json()
        assert [entry["reason"] for entry in account["entries"]] == [""]
        bought = await shop.order(
            payment("balance", None, 700), card(), customer=customer, quantity=2
        )
        assert bought["status"] == "confirmed", "and it can be spent"


async def test_nobody_is_erased_unless_somebody_says_yes(stack: LocalStack, customer: str) -> None:
    async with Shop(stack) as shop:
        order = await shop.order(card("tok_declined"), customer=customer)
        asked = erase(stack, customer=customer)  # and its input is at its end
        assert asked.returncode == 1
        assert "for good?" in asked.stdout
        assert (await shop.get(order["id"]))["erased_at"] is None
