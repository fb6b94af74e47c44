"""The adapter's whole range, on the sandbox provider: hold, take, cancel, refund in parts, ask."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.stripe import StripeGateway
from ordersaga.errors import ProviderMisused, ProviderUnavailable
from ordersaga.methods import SLIP_DAYS
from ordersaga.order import Refusal
from tests.stripe.till import Till, request

# --- What it costs --------------------------------------------------------------------------------


async def test_a_card_order_costs_three_requests(till: Till) -> None:
    till.tells_the_truth()
    asked = request()
    reference = await till.taken(asked)
    intents = "POST /v1/payment_intents"
    # A request that an earlier test gave up may still arrive.
    assert [asked for asked in till.asked if asked == intents or reference in asked] == [
        intents,
        f"{intents}/{reference}/confirm",
        f"{intents}/{reference}/capture",
    ]


async def test_how_a_payment_stands_is_one_request_with_all_that_became_of_it(till: Till) -> None:
    asked = request()
    reference = await till.taken(asked)
    await till.gateway.refund(reference, asked, amount=300, refund_key="r-1")
    (await till.stage.post(f"/test/disputes/{reference}")).raise_for_status()
    till.tells_the_truth()
    stands = await till.gateway.retrieve(reference, asked)
    assert till.asked == [f"GET /v1/payment_intents/{reference}"]
    assert (stands.state, stands.captured) == ("taken", 1000)
    assert (stands.refunded, stands.is_disputed) == (300, True)


# --- Hold, take, let go ---------------------------------------------------------------------------


async def test_a_card_is_held_and_then_taken(till: Till) -> None:
    asked = request()
    held = await till.confirmed(asked)
    assert (held.state, held.captured, held.refunded, held.is_disputed) == ("held", 0, 0, False)
    taken = await till.gateway.capture(held.reference, asked)
    assert (taken.state, taken.captured, taken.refusal) == ("taken", 1000, None)
    again = await till.gateway.capture(held.reference, asked)
    assert again.state == "taken", "what was done before is told, not done again"


@pytest.mark.parametrize("method", ["debit_card", "alipay", "wechat_pay"])
async def test_what_cannot_be_held_is_taken_at_once(till: Till, method: str) -> None:
    assert (await till.confirmed(request(method))).state == "taken"


async def test_a_wallet_needs_no_token(till: Till) -> None:
    assert (await till.confirmed(request("alipay", None))).state == "taken"


async def test_a_hold_that_is_canceled_is_dead_and_nothing_counts_as_refunded(till: Till) -> None:
    asked = request()
    held = await till.confirmed(asked)
    assert (await till.gateway.cancel(held.reference, asked)).state == "canceled"
    late = await till.gateway.confirm(held.reference, asked)
    assert (late.state, late.refunded) == ("canceled", 0)


async def test_a_cancel_that_comes_too_late_says_that_the_money_was_taken(till: Till) -> None:
    asked = request()
    reference = await till.taken(asked)
    assert (await till.gateway.cancel(reference, asked)).state == "taken"


async def test_a_refused_capture_leaves_the_hold(till: Till) -> None:
    asked = request(token="tok_capture_declined")
    held = await till.confirmed(asked)
    refused = await till.gateway.capture(held.reference, asked)
    assert (refused.state, refused.captured) == ("held", 0)
    assert refused.refusal is not None
    assert refused.refusal.code == "capture_declined"


# --- A no -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "code"),
    [("tok_declined", "card_declined"), ("tok_insufficient_funds", "insufficient_funds")],
)
async def test_a_decline_is_a_value_and_the_same_when_it_is_asked_after(
    till: Till, token: str, code: str
) -> None:
    asked = request(token=token)
    declined = await till.confirmed(asked)
    assert (declined.state, declined.captured) == ("unconfirmed", 0)
    assert declined.refusal is not None
    assert declined.refusal.code == code
    assert (await till.gateway.retrieve(declined.reference, asked)).refusal == declined.refusal


async def test_a_token_that_nobody_knows_is_a_no_that_does_not_repeat_it(till: Till) -> None:
    refused = await till.gateway.create(request(token="tok_of_a_stranger"))
    assert isinstance(refused, Refusal)
    assert (refused.participant, refused.code) == ("payment", "invalid_payment_method")
    assert "stranger" not in refused.detail


async def test_an_amount_that_the_provider_does_not_take_is_a_no(till: Till) -> None:
    refused = await till.gateway.create(request(amount=100_000_000))
    assert isinstance(refused, Refusal)
    assert refused.code == "amount_not_accepted"


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("card", "authentication_failed"),
        ("alipay", "payment_not_completed"),
        ("boleto", "payment_not_completed"),
    ],
)
async def test_a_payer_who_does_not_act_is_told_apart_from_a_bank_that_declines(
    till: Till, method: str, code: str
) -> None:
    asked = request(method, "tok_requires_action")
    waiting = await till.confirmed(asked)
    assert waiting.state == "requires_action"
    await till.play(waiting.reference, "fail")
    failed = await till.gateway.retrieve(waiting.reference, asked)
    assert failed.refusal is not None
    assert (failed.state, failed.refusal.code) == ("unconfirmed", code)


# --- Payers and slips -----------------------------------------------------------------------------


async def test_a_page_has_no_last_moment_of_its_own(till: Till) -> None:
    waiting = await till.confirmed(request(token="tok_requires_action"))
    assert waiting.next_action is not None
    assert waiting.next_action["type"] == "redirect_to_url"
    assert waiting.expires_at is None


async def test_a_slip_says_when_it_runs_out(till: Till) -> None:
    slip = await till.confirmed(request("boleto", None))
    assert slip.state == "requires_action"
    assert slip.expires_at is not None
    ahead = slip.expires_at - datetime.now(UTC)
    assert timedelta(days=SLIP_DAYS - 1) < ahead <= timedelta(days=SLIP_DAYS)
    assert slip.next_action is not None
    assert "boleto_display_details" in slip.next_action


async def test_a_canceled_slip_that_is_paid_all_the_same_is_taken_money(till: Till) -> None:
    asked = request("boleto")
    slip = await till.confirmed(asked)
    canceled = await till.gateway.cancel(slip.reference, asked)
    assert (canceled.state, canceled.expires_at) == ("canceled", None)
    await till.play(slip.reference, "pay")
    late = await till.gateway.retrieve(slip.reference, asked)
    assert (late.state, late.captured, late.refunded) == ("taken", 1000, 0)


async def test_a_slip_that_was_paid_short_says_what_came(till: Till) -> None:
    asked = request("boleto")
    slip = await till.confirmed(asked)
    await till.play(slip.reference, "pay", amount=400)
    paid = await till.gateway.retrieve(slip.reference, asked)
    assert (paid.state, paid.amount, paid.captured) == ("taken", 1000, 400)


# --- Money back -----------------------------------------------------------------------------------


async def test_money_goes_back_in_parts_each_once(till: Till) -> None:
    asked = request()
    reference = await till.taken(asked)

    async def refund(amount: int, key: str) -> str:
        return await till.gateway.refund(reference, asked, amount=amount, refund_key=key)

    first = await refund(300, "r-1")
    assert await refund(300, "r-1") == first, "the same key: the same refund"
    second = await refund(300, "r-2")
    third = await refund(400, "r-3")
    assert len({first, second, third}) == 3
    assert sorted(r["amount"] for r in await till.refunds_of(reference)) == [300, 300, 400]  # type: ignore[type-var]  # JSON
    assert (await till.gateway.retrieve(reference, asked)).refunded == 1000


async def test_two_who_refund_the_same_at_the_same_moment_refund_it_once(
    till: Till, straight: StripeGateway
) -> None:
    asked = request()
    reference = await till.taken(asked)

    async def refund() -> str | None:
        try:
            return await straight.refund(reference, asked, amount=300, refund_key="r-1")
        except ProviderUnavailable:  # the other one is at it
            return None

    found = {one for one in await asyncio.gather(*(refund() for _ in range(8))) if one}
    assert len(found) == 1
    assert len(await till.refunds_of(reference)) == 1


async def test_no_more_is_refunded_than_is_left(till: Till) -> None:
    asked = request()
    reference = await till.taken(asked)
    await till.gateway.refund(reference, asked, amount=700, refund_key="r-1")
    with pytest.raises(ProviderMisused):
        await till.gateway.refund(reference, asked, amount=301, refund_key="r-2")
    assert len(await till.refunds_of(reference)) == 1


async def test_errors_that_stripe_saves_under_a_key_do_not_keep_a_refund_from_being_made(
    till: Till, straight: StripeGateway
) -> None:
    asked = request(token="tok_refund_flaky_3")
    reference = await till.taken(asked)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await straight.refund(reference, asked, amount=300, refund_key="r-1")
    made = await straight.refund(reference, asked, amount=300, refund_key="r-1")
    assert [r["id"] for r in await till.refunds_of(reference)] == [made]


async def test_a_refund_whose_reply_was_lost_is_found(till: Till, straight: StripeGateway) -> None:
    asked = request(token="tok_refund_lost_reply")
    reference = await till.taken(asked)
    with pytest.raises(ProviderUnavailable):
        await straight.refund(reference, asked, amount=300, refund_key="r-1")
    made = await straight.refund(reference, asked, amount=300, refund_key="r-1")
    assert [r["id"] for r in await till.refunds_of(reference)] == [made]


async def test_a_refund_is_found_among_more_than_a_page_of_others(till: Till) -> None:
    asked = request()
    reference = await till.taken(asked)
    first = await till.gateway.refund(reference, asked, amount=1, refund_key="r-first")
    for part in range(100):
        answer = await till.stage.post(
            "/v1/refunds",
            data={"payment_intent": reference, "amount": "1", "metadata[refund_key]": f"r-{part}"},
            headers={"authorization": "Bearer sk_test_sandbox"},
        )
        answer.raise_for_status()
    assert await till.gateway.refund(reference, asked, amount=1, refund_key="r-first") == first
