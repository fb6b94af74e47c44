"""An intent moves as Stripe's do; a refused move changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import httpx
import pytest
import stripe

from sandbox.provider.errors import UnexpectedStateError
from sandbox.provider.lifecycle import MOVES, VERBS, Event, Status, move
from tests.sandbox.programs import Payments

FINAL = (Status.SUCCEEDED, Status.CANCELED)
UNEXPECTED_STATE = "payment_intent_unexpected_state"


@pytest.mark.parametrize(("status", "event"), list(itertools.product(Status, Event)))
def test_every_move_is_in_the_table_or_is_refused(status: Status, event: Event) -> None:
    if (status, event) in MOVES:
        assert move(status, event).to in Status
    else:
        with pytest.raises(UnexpectedStateError):
            move(status, event)


def test_final_states_have_no_way_out_but_a_slip_in_hand_and_all_others_can_be_canceled() -> None:
    ways_out = {event for (at, event), what in MOVES.items() if at in FINAL and what.to is not at}
    assert ways_out == {Event.CANCELED_SLIP_PAID}, "harsher than Stripe: a bank takes the money"
    open_states = set(Status) - set(FINAL)
    assert {at for at, event in MOVES if event is Event.CANCELED} == open_states
    assert set(VERBS) == set(Event)


async def test_a_card_is_held_then_captured_then_refunded(payments: Payments) -> None:
    intent = await payments.create(metadata={"payment_id": "pay_1"})
    assert intent.status == "requires_confirmation"
    held = await payments.intents.confirm_async(intent.id)
    assert (held.status, held.amount_capturable, held.amount_received) == (
        "requires_capture",
        1000,
        0,
    )
    taken = await payments.intents.capture_async(intent.id)
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 1000)
    refund = await payments.refunds.create_async(
        {"payment_intent": intent.id, "amount": 400, "metadata": {"refund_id": "re_ours"}}
    )
    assert (refund.status, refund.amount) == ("succeeded", 400)
    assert refund.metadata is not None
    assert refund.metadata.to_dict() == {"refund_id": "re_ours"}
    after = await payments.intents.retrieve_async(intent.id, {"expand": ["latest_charge"]})
    assert isinstance(after.latest_charge, stripe.Charge)
    assert (after.latest_charge.amount_captured, after.latest_charge.amount_refunded) == (1000, 400)
    assert after.metadata.to_dict() == {"payment_id": "pay_1"}


async def test_a_hold_that_is_canceled_gives_everything_back(payments: Payments) -> None:
    held = await payments.confirmed()
    canceled = await payments.intents.cancel_async(
        held.id, {"cancellation_reason": "requested_by_customer"}
    )
    assert (canceled.status, canceled.amount_capturable) == ("canceled", 0)
    assert canceled.cancellation_reason == "requested_by_customer"
    assert canceled.canceled_at


async def test_a_part_of_a_hold_can_be_captured_and_never_more(payments: Payments) -> None:
    held = await payments.confirmed()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await payments.intents.capture_async(held.id, {"amount_to_capture": 1001})
    assert refused.value.code == "amount_too_large"
    assert await payments.status(held) == "requires_capture"
    part = await payments.intents.capture_async(held.id, {"amount_to_capture": 600})
    assert (part.amount_received, part.amount_capturable) == (600, 0)


async def test_a_debit_card_and_a_wallet_are_charged_at_once(payments: Payments) -> None:
    debit = await payments.confirmed(hold=False)
    wallet = await payments.confirmed(method="alipay")
    assert (debit.status, wallet.status) == ("succeeded", "succeeded")
    with pytest.raises(stripe.InvalidRequestError):
        await payments.create(method="wechat_pay", hold=True)


async def test_a_declined_intent_is_not_dead(payments: Payments) -> None:
    intent = await payments.create("tok_insufficient_funds")
    with pytest.raises(stripe.CardError) as declined:
        await payments.intents.confirm_async(intent.id)
    error = declined.value.error
    assert declined.value.http_status == 402
    assert error is not None
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.payment_intent is not None
    assert error.payment_intent.id == intent.id
    after = await payments.intents.retrieve_async(intent.id)
    assert (after.status, after.payment_method) == ("requires_payment_method", None)
    assert after.last_payment_error is not None
    assert after.last_payment_error.decline_code == "insufficient_funds"
    with pytest.raises(stripe.InvalidRequestError):
        await payments.intents.confirm_async(intent.id)
    again = await payments.intents.confirm_async(intent.id, {"payment_method": "tok_ok"})
    assert (again.status, again.last_payment_error) == ("requires_capture", None)


async def test_what_is_over_cannot_be_moved_and_stays_as_it_was(payments: Payments) -> None:
    canceled = await payments.intents.cancel_async((await payments.create()).id)
    charged = await payments.confirmed(hold=False)
    moves: list[Callable[[str], Awaitable[stripe.PaymentIntent]]] = [
        payments.intents.confirm_async,
        payments.intents.capture_async,
        payments.intents.cancel_async,
    ]
    for intent, attempt in itertools.product((canceled, charged), moves):
        before = await payments.intents.retrieve_async(intent.id)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await attempt(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"
        assert refused.value.error is not None
        assert refused.value.error.payment_intent is not None
        assert refused.value.error.payment_intent.status == intent.status
        assert await payments.intents.retrieve_async(intent.id) == before


async def test_no_more_is_refunded_than_was_taken(payments: Payments) -> None:
    held = await payments.confirmed()
    with pytest.raises(stripe.InvalidRequestError, match="requires_capture"):
        await payments.refunds.create_async({"payment_intent": held.id})
    await payments.intents.capture_async(held.id)
    await payments.refunds.create_async({"payment_intent": held.id, "amount": 700})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await payments.refunds.create_async({"payment_intent": held.id, "amount": 301})
    rest = await payments.refunds.create_async({"payment_intent": held.id})
    assert rest.amount == 300
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await payments.refunds.create_async({"payment_intent": held.id})
    assert refused.value.code == "charge_already_refunded"
    listed = await payments.refunds.list_async({"payment_intent": held.id})
    assert [refund.amount for refund in listed.data] == [300, 700]
    assert (await payments.refunds.retrieve_async(rest.id)).payment_intent == held.id


async def test_a_slip_waits_for_its_payer_and_cannot_be_refunded(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    slip = await payments.confirmed(method="boleto")
    assert slip.status == "requires_action"
    assert slip.next_action is not None
    details = slip.next_action.boleto_display_details
    assert details is not None
    assert details.number
    assert details.expires_at
    assert (await stage.get(details.hosted_voucher_url or "")).status_code == 200
    waiting = (await stage.get("/test/payers/waiting")).json()["data"]
    assert slip.id in [intent["id"] for intent in waiting]
    repeated = await payments.intents.confirm_async(slip.id)
    assert repeated.next_action == slip.next_action
    assert (await stage.post(f"/test/payers/{slip.id}/pay")).status_code == 200
    assert (await payments.intents.retrieve_async(slip.id)).amount_received == 1000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await payments.refunds.create_async({"payment_intent": slip.id})
    assert refused.value.code == "charge_not_refundable"


async def test_a_canceled_slip_can_still_be_paid_at_a_bank_and_once_only(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    slip = await payments.confirmed(method="boleto")
    canceled = await payments.intents.cancel_async(slip.id)
    assert (canceled.status, canceled.next_action) == ("canceled", None)
    paid = await stage.post(f"/test/payers/{slip.id}/pay")
    assert paid.status_code == 200
    after = await payments.intents.retrieve_async(slip.id, {"expand": ["latest_charge"]})
    assert (after.status, after.amount_received) == ("succeeded", 1000)
    assert isinstance(after.latest_charge, stripe.Charge)
    assert after.latest_charge.amount_captured == 1000
    again = await stage.post(f"/test/payers/{slip.id}/pay")
    assert (again.status_code, again.json()["error"]["code"]) == (400, UNEXPECTED_STATE)


async def test_what_was_canceled_and_is_no_slip_in_hand_cannot_be_paid(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    wallet = await payments.confirmed("tok_requires_action", method="alipay")
    never_issued = await payments.create(method="boleto")
    for intent in (wallet, never_issued):
        await payments.intents.cancel_async(intent.id)
        paid = await stage.post(f"/test/payers/{intent.id}/pay")
        assert (paid.status_code, paid.json()["error"]["code"]) == (400, UNEXPECTED_STATE)
        assert await payments.status(intent) == "canceled"


async def test_a_slip_paid_with_a_wrong_amount_says_what_was_received(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    slip = await payments.confirmed(method="boleto")
    await stage.post(f"/test/payers/{slip.id}/pay", json={"amount": 999})
    after = await payments.intents.retrieve_async(slip.id)
    assert (after.status, after.amount, after.amount_received) == ("succeeded", 1000, 999)


@pytest.mark.parametrize(("hold", "paid"), [(True, "requires_capture"), (False, "succeeded")])
async def test_a_payer_who_is_asked_can_agree_or_fail(
    payments: Payments, stage: httpx.AsyncClient, hold: bool, paid: str
) -> None:
    asked = await payments.confirmed("tok_requires_action", hold=hold)
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.type == "redirect_to_url"
    await stage.post(f"/test/payers/{asked.id}/pay")
    assert await payments.status(asked) == paid
    other = await payments.confirmed("tok_requires_action", hold=hold)
    await stage.post(f"/test/payers/{other.id}/fail")
    failed = await payments.intents.retrieve_async(other.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None


async def test_the_payers_page_has_buttons_that_work(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    asked = await payments.confirmed("tok_requires_action", method="alipay")
    page = await stage.get(f"/test/payers/{asked.id}")
    assert "requires_action" in page.text
    pressed = await stage.post(f"/test/payers/{asked.id}/pay", data={}, headers=FORM)
    assert pressed.status_code == 303
    assert await payments.status(asked) == "succeeded"


async def test_a_bank_may_answer_later(payments: Payments, stage: httpx.AsyncClient) -> None:
    sent = await payments.confirmed("tok_processing", hold=False)
    assert sent.status == "processing"
    await stage.post(f"/test/payers/{sent.id}/pay")
    assert await payments.status(sent) == "succeeded"


async def test_only_money_that_was_taken_is_disputed_and_only_once(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    charged = await payments.confirmed(hold=False)
    disputed = await stage.post(f"/test/disputes/{charged.id}", json={"reason": "fraudulent"})
    assert (disputed.status_code, disputed.json()["amount"]) == (200, 1000)
    assert (await stage.post(f"/test/disputes/{charged.id}")).status_code == 400
    held = await payments.confirmed()
    assert (await stage.post(f"/test/disputes/{held.id}")).status_code == 400


async def test_the_charge_within_an_answer_tells_what_became_of_the_money(
    payments: Payments, stage: httpx.AsyncClient
) -> None:
    taken = await payments.confirmed(hold=False)
    assert isinstance(taken.latest_charge, str), "its id only, where it was not asked for"
    for part in (300, 200):
        await payments.refunds.create_async({"payment_intent": taken.id, "amount": part})
    await stage.post(f"/test/disputes/{taken.id}")
    charge = (
        await payments.intents.retrieve_async(taken.id, {"expand": ["latest_charge"]})
    ).latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.payment_intent, charge.captured) == (taken.id, True)
    assert (charge.amount_refunded, charge.refunded, charge.disputed) == (500, False, True)


FORM = {"content-type": "application/x-www-form-urlencoded"}
