"""What each fault token of provider and carrier makes of an order: alone, and when another says no.

The orders of the table are placed side by side when the first of them is asked about, and wait for their
time-outs together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from cli.stack.stack import LocalStack
from tests.saga.shop import Json, Shop, card, payment

AT_ONCE = 12  # orders under way: the machine has two cores


@dataclass(frozen=True)
class Case:
    """One order, and how it has to end."""

    method: str
    token: str
    service: str  # of the sandbox carrier
    status: str
    code: str | None = None

    @property
    def name(self) -> str:
        return f"{self.method}-{self.token}-{self.service}-is-{self.status}"


def _confirmed() -> list[Case]:
    """A hiccup is no reason to lose a sale."""
    tokens = ["tok_ok", "tok_flaky_3", "tok_lost_reply", "tok_slow_2000", "tok_refund_flaky_3"]
    services = ["ship_flaky_3", "ship_lost_reply", "ship_slow_2000", "ship_cancel_flaky_3"]
    return [
        *(Case(m, t, "standard", "confirmed") for m in ("card", "alipay") for t in tokens),
        *(Case("card", "tok_ok", s, "confirmed") for s in services),
    ]


def _taken_back() -> list[Case]:
    """Whatever one of them did is taken back when the other says no."""
    no_parcel = ("ship_refused", "rejected", "shipping_refused")
    no_money = ("rejected", "capture_declined")
    return [
        *(Case(c.method, c.token, *no_parcel) for c in _confirmed() if c.service == "standard"),
        *(Case("card", "tok_capture_declined", c.service, *no_money) for c in _confirmed()[10:]),
        Case("wechat_pay", "tok_ok", *no_parcel),
    ]


def _refused() -> list[Case]:
    return [
        *(
            Case(method, token, "standard", "rejected", code)
            for method in ("card", "debit_card")
            for token, code in (
                ("tok_declined", "card_declined"),
                ("tok_insufficient_funds", "insufficient_funds"),
            )
        ),
        Case("card", "tok_nobody_knows", "standard", "rejected", "invalid_payment_method"),
        Case("card", "tok_unavailable", "standard", "canceled", "provider_unavailable"),
        Case("card", "tok_ok", "ship_unavailable", "canceled", "provider_unavailable"),
        Case("card", "tok_requires_action", "standard", "canceled", "payment_expired"),
        Case("boleto", "tok_ok", "standard", "canceled", "payment_expired"),
    ]


CASES = {case.name: case for case in (*_confirmed(), *_taken_back(), *_refused())}
Placed = dict[str, asyncio.Task[tuple[Shop, Json]]]


@pytest.fixture(scope="module")
async def placed(stack: LocalStack) -> AsyncIterator[Placed]:
    """Each case's order, on its way."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def place(case: Case) -> tuple[Shop, Json]:
        async with gate, Shop(stack) as shop:
            paid = payment(case.method, case.token)
            order = await shop.order(paid, carrier="sandbox", service=case.service)
            return shop, await shop.until_final(order["id"])

    tasks = {name: asyncio.create_task(place(case)) for name, case in CASES.items()}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", CASES)
async def test_every_token_ends_as_it_should(stack: LocalStack, placed: Placed, name: str) -> None:
    case = CASES[name]
    placed_by, order = await placed[name]
    assert order["status"] == case.status
    assert (order["failure"] or {}).get("code") == case.code
    async with Shop(stack, sku=placed_by.sku, stocked=True) as shop:
        if case.status == "confirmed":
            assert (order["payment_status"], order["fulfillment_status"]) == ("captured", "booked")
            await shop.assert_all_of_it(order)
        else:
            assert order["payment_status"] in ("voided", "failed", "refunded")
            await shop.assert_clean_slate(order)


async def test_a_payer_who_acts_in_time_gets_the_goods(shop: Shop) -> None:
    order = await shop.order(card("tok_requires_action"))
    assert (order["status"], order["payment_status"]) == ("pending", "requires_action")
    assert order["waiting_for"] == "payer"
    assert order["payments"][0]["next_action"] is not None
    await shop.play_payer(order["id"], "pay")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    await shop.assert_all_of_it(order)


async def test_a_payer_who_fails_loses_the_order(shop: Shop) -> None:
    order = await shop.order(card("tok_requires_action"))
    await shop.play_payer(order["id"], "fail")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["payment_status"]) == ("rejected", "failed")
    await shop.assert_clean_slate(order)


async def test_a_slip_that_is_paid_confirms_its_order_and_books_its_parcel(shop: Shop) -> None:
    order = await shop.order(payment("boleto"), carrier="sandbox")
    books = await shop.books(order["id"])
    assert books.parcels == [], "no carrier keeps a place for days while a slip is paid"
    await shop.play_payer(order["id"], "pay")
    order = await shop.until_final(order["id"])
    assert (order["status"], order["fulfillment_status"]) == ("confirmed", "booked")
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize("paid", [600, 1400])
async def test_a_slip_paid_short_or_over_is_never_confirmed_and_all_of_it_comes_back(
    shop: Shop, paid: int
) -> None:
    customer = f"c-{shop.sku}"
    order = await shop.order(payment("boleto"), customer=customer)
    await shop.play_payer(order["id"], "pay", amount=paid)
    order = await shop.until_final(order["id"])
    assert (order["status"], order["failure"]["code"]) == ("rejected", "wrong_amount")
    account = (await shop.api.get(f"/v1/accounts/{customer}")).json()
    assert [b["amount"] for b in account["balances"]] == [paid]
    assert (await shop.stock())["available"] == shop.on_hand


@pytest.mark.slow
async def test_refunds_that_are_away_hold_up_nothing_else_and_call_a_person(shop: Shop) -> None:
    order = await shop.order(
        card("tok_refund_unavailable", 400),
        card("tok_capture_declined", 600),
        carrier="sandbox",
        prefer="respond-async",
    )
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    assert order["status"] == "compensating"
    assert order["attention"]["step"] == f"payment:{order['payments'][0]['id']}"
    books = await shop.books(order["id"])
    assert (books.kept, books.held, books.live_parcels) == (400, 0, []), "all else is undone"
    assert (await shop.stock())["available"] == shop.on_hand
    await shop.provider.post("/test/refunds/restore", json={})
    order = await shop.until_final(order["id"])
    assert (order["status"], order["attention"]) == ("rejected", None)
    await shop.assert_clean_slate(order)


@pytest.mark.slow
async def test_a_carrier_that_cannot_cancel_now_is_asked_until_it_can(shop: Shop) -> None:
    order = await shop.order(
        card("tok_capture_declined"),
        carrier="sandbox",
        service="ship_cancel_unavailable",
        prefer="respond-async",
    )
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    assert order["status"] == "compensating"
    await shop.carrier.post("/test/cancels/restore", json={})
    order = await shop.until_final(order["id"])
    assert (order["status"], order["attention"]) == ("rejected", None)
    await shop.assert_clean_slate(order)
