"""Every step of an order's life after it is confirmed fails once, or runs twice: it ends the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest

from tests.conformance.meddling import Around, Meddler, fails_first, runs_twice
from tests.saga.shop import Json, Shop, card, until_true

FAULTS: Final[dict[str, Callable[[str], Around]]] = {
    "fails_before": lambda step: fails_first(step, effect=False),
    "fails_after": lambda step: fails_first(step, effect=True),
    "runs_twice": lambda step: runs_twice(step, at_once=False),
    "runs_twice_at_once": lambda step: runs_twice(step, at_once=True),
}
QUICK: Final = {"runs_twice_at_once"}

OF_A_RETURN: Final = (
    *("follow_parcel", "complete_order"),
    *("look_at_return", "refund_payment", "settle_return"),
)
OF_A_REFUND: Final = ("requested_refunds", "refund_payment", "settle_refund")

each_fault = pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=[pytest.mark.long if f in QUICK else pytest.mark.slow]) for f in FAULTS],
)


@each_fault
@pytest.mark.parametrize("step", OF_A_RETURN)
async def test_an_order_that_is_delivered_and_sent_back_leaves_nothing(
    shop: Shop, meddler: Meddler, step: str, fault: str
) -> None:
    meddler.around = FAULTS[fault](step)
    order = await shop.order(card())
    await shop.ask(order, "ship", {"tracking_number": number_of(order)})
    await told(shop, order, "delivered")
    order = await shop.until(order["id"], lambda o: o["status"] == "completed")
    await sent_back(shop, order)
    order = await shop.until(order["id"], lambda o: o["status"] == "returned")
    await until_run(meddler, step)
    await shop.assert_clean_slate(order)
    history = await shop.history(order["id"])
    assert history.count("tracking.updated") == history.count("order.delivered") == 1
    assert history.count("stock.restocked") == history.count("payment.refunded") == 1


@each_fault
@pytest.mark.parametrize("step", OF_A_REFUND)
async def test_what_an_operator_gives_back_goes_back_once(
    shop: Shop, meddler: Meddler, step: str, fault: str
) -> None:
    meddler.around = FAULTS[fault](step)
    order = await shop.order(card())
    some = {"amount": {"amount": 300, "currency": "BRL"}, "reason": "a scratch"}
    await shop.ask(order, "refunds", some)
    order = await shop.until(order["id"], lambda o: o["payments"][0]["refunded"]["amount"] == 300)
    await until_run(meddler, step)
    assert (await shop.books(order["id"])).kept == 700
    assert (await shop.history(order["id"])).count("payment.partially_refunded") == 1


@each_fault
async def test_a_dispute_calls_a_person_once(shop: Shop, meddler: Meddler, fault: str) -> None:
    meddler.around = FAULTS[fault]("examine_payment")
    order = await shop.order(card())
    intent = (await shop.books(order["id"])).intents[0]["id"]
    (await shop.provider.post(f"/test/disputes/{intent}", json={})).raise_for_status()
    order = await shop.until(order["id"], lambda o: o["attention"] is not None)
    assert order["attention"]["step"] == f"dispute:{order['payments'][0]['id']}"
    history = await shop.history(order["id"])
    assert history.count("payment.disputed") == history.count("attention.raised") == 1


async def until_run(meddler: Meddler, step: str) -> None:
    async def was_run() -> bool:
        return any(run.name == step for run in meddler.runs)

    await until_true(was_run)


def number_of(order: Json) -> str:
    return f"TRK-{order['id']}"


async def told(shop: Shop, order: Json, status: str) -> None:
    """By whoever ships for the merchant."""
    said = {
        "tracking_number": number_of(order),
        "status": status,
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    message = {"type": "tracking.updated", "data": said}
    message_id = f"{order['id']}-{status}"
    answer = await shop.webhook("carriers/merchant", message, message_id=message_id)
    assert answer.status_code == 200, answer.text


async def sent_back(shop: Shop, order: Json) -> None:
    asked = await shop.ask(order, "returns", {"reason": "too small"})
    return_id = asked.json()["returns"][-1]["id"]
    for word in ("approve", "receive"):
        (await shop.ask(order, f"returns/{return_id}/{word}")).raise_for_status()
