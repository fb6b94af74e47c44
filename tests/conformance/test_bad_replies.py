"""A participant's reply that is garbage, empty or of the wrong amount: never believed, never lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import orjson
import pytest
from _pytest.mark.structures import ParameterSet

from tests.conformance.meddling import Meddler
from tests.conformance.misbehaving import Call, MisbehavingFront, Reply, Rewrite
from tests.saga.shop import Json, Shop, card

LIES_SEEN_WITHIN_S = 15  # the second try comes after half a second, on a busy machine later

Change = Callable[[Reply], Reply]


def slow(*values: object) -> ParameterSet:
    """A variant that need not run every time."""
    return pytest.param(*values, marks=pytest.mark.slow)


def garbage(_: Reply) -> Reply:
    return Reply(200, b"<html>Welcome to nginx!</html>")


def empty(_: Reply) -> Reply:
    return Reply(200, b"")


def wrong_amount(reply: Reply) -> Reply:
    told = orjson.loads(reply.body)
    return Reply(reply.status, orjson.dumps({**told, "amount": told["amount"] + 1}))


def another_payment(reply: Reply) -> Reply:
    told = orjson.loads(reply.body)
    metadata = {**told["metadata"], "payment_id": "pay_of_somebody_else"}
    return Reply(reply.status, orjson.dumps({**told, "metadata": metadata}))


def another_parcel(reply: Reply) -> Reply:
    return Reply(reply.status, orjson.dumps({**orjson.loads(reply.body), "key": "not asked about"}))


def no_number(reply: Reply) -> Reply:
    return Reply(reply.status, orjson.dumps({**orjson.loads(reply.body), "tracking_number": None}))


def once(change: Change, *, verb: str) -> Rewrite:
    """The first reply to this verb is changed, of any order: only one runs."""
    told: list[Call] = []

    def rewrite(call: Call) -> Reply:
        if not call.path.endswith(verb) or call.method == "GET" or told:
            return call.answered
        told.append(call)
        return change(call.answered)

    return rewrite


def always(change: Change, *, verb: str) -> Rewrite:
    def rewrite(call: Call) -> Reply:
        is_asked = call.path.endswith(verb) and call.method != "GET"
        return change(call.answered) if is_asked else call.answered

    return rewrite


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("/confirm", garbage),
        slow("/capture", empty),
        slow("/payment_intents", garbage),
        slow("/payment_intents", empty),
        slow("/confirm", empty),
        slow("/capture", garbage),
    ],
)
async def test_participants_reply_is_garbage_or_empty(
    shop: Shop, meddler: Meddler, change: Change, verb: str
) -> None:
    meddler.provider.rewrite = once(change, verb=verb)
    order = await shop.until_final((await shop.order(card(), carrier="sandbox"))["id"])
    assert meddler.provider.lies == 1
    assert (order["status"], order["payment_status"]) == ("confirmed", "captured")
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("/confirm", wrong_amount),
        slow("/confirm", another_payment),
        slow("/capture", wrong_amount),
        slow("/capture", another_payment),
    ],
)
async def test_participants_reply_is_of_the_wrong_amount_or_payment_once(
    shop: Shop, meddler: Meddler, change: Change, verb: str
) -> None:
    meddler.provider.rewrite = once(change, verb=verb)
    order = await shop.until_final((await shop.order(card()))["id"])
    assert meddler.provider.lies == 1
    step = "authorize_payment" if verb == "/confirm" else "capture_payment"
    assert meddler.tries(order["id"], step) == 2, "not believed: asked after, and then it was true"
    assert order["status"] == "confirmed"
    await shop.assert_all_of_it(order)


@pytest.mark.slow
async def test_participants_reply_is_of_the_wrong_amount(shop: Shop, meddler: Meddler) -> None:
    """As long as the provider says so, no goods are sold for it; and the money goes back."""

    def of_another_amount(call: Call) -> Reply:
        is_intent = b'"object":"payment_intent"' in call.answered.body.replace(b" ", b"")
        is_one = is_intent and b'"object":"list"' not in call.answered.body.replace(b" ", b"")
        is_made = call.path.endswith("/payment_intents")
        return wrong_amount(call.answered) if is_one and not is_made else call.answered

    meddler.provider.rewrite = of_another_amount
    order = await shop.order(card(), prefer="respond-async")
    await until_lied(meddler.provider, 3)
    assert (await shop.get(order["id"]))["status"] == "pending"
    await shop.cancel(order["id"], prefer="wait=0")
    await shop.until(order["id"], lambda o: o["status"] == "compensating")
    await until_lied(meddler.provider, meddler.provider.lies + 1)
    assert (await shop.get(order["id"]))["status"] == "compensating", "nor is it called undone"
    meddler.provider.rewrite = lambda call: call.answered
    order = await shop.until_final(order["id"])
    assert order["status"] == "canceled"
    await shop.assert_clean_slate(order)


@pytest.mark.parametrize("change", [no_number, slow(garbage), slow(empty), slow(another_parcel)])
async def test_carriers_reply_to_a_booking_is_no_booking(
    shop: Shop, meddler: Meddler, change: Change
) -> None:
    meddler.carrier.rewrite = once(change, verb="")
    order = await shop.until_final((await shop.order(card(), carrier="sandbox"))["id"])
    assert meddler.carrier.lies == 1
    assert order["status"] == "confirmed"
    assert order["shipments"][0]["tracking_number"]
    await shop.assert_all_of_it(order)


@pytest.mark.parametrize("change", [garbage, slow(empty), slow(another_parcel)])
async def test_carriers_reply_to_a_cancel_is_no_cancel(
    shop: Shop, meddler: Meddler, change: Change
) -> None:
    meddler.carrier.rewrite = always(change, verb="/cancel")
    order: Json = await shop.order(
        card("tok_capture_declined"), carrier="sandbox", prefer="respond-async"
    )
    await until_lied(meddler.carrier, 2)
    assert (await shop.get(order["id"]))["status"] == "compensating"
    meddler.carrier.rewrite = lambda call: call.answered
    order = await shop.until_final(order["id"])
    assert order["status"] == "rejected"
    await shop.assert_clean_slate(order)


async def until_lied(front: MisbehavingFront, times: int) -> None:
    deadline_s = time.monotonic() + LIES_SEEN_WITHIN_S
    while front.lies < times:
        assert time.monotonic() < deadline_s, f"{front.lies} lies"
        await asyncio.sleep(0.02)
