"""What steps at a carrier write down; and who is called when a step keeps failing."""

from __future__ import annotations

import pytest

from ordersaga.order import NewOrder, NewPayment, Refusal, Vote
from ordersaga.ports import Booking, Destination
from tests.postgres.merchant import (
    Merchant,
    card,
    parcel_of,
    step_of,
)

NOT_THERE = Refusal("parcel", "shipping_refused", "nobody goes there")


async def given_back(
    merchant: Merchant, order: NewOrder, asked: NewPayment, amount: int, to: Destination = "payer"
) -> None:
    await merchant.records.payment_given_back(
        step_of(order, asked), asked.plan.id, amount=amount, to=to
    )


async def fulfillment(merchant: Merchant, order: NewOrder) -> str:
    return (await merchant.look(order)).state.fulfillment_status


async def test_a_booking_answered_twice_is_written_once(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    step, booking = parcel_of(order), Booking(f"T-{order.id}")
    await merchant.records.begin(step)
    for _ in range(2):
        vote = await merchant.records.parcel_answered(step, order.parcel.id, booking)
        assert vote == Vote.yes(step.name, booking.tracking_number)
    assert await fulfillment(merchant, order) == "booked"
    assert (await merchant.events(order)).count("parcel.booked") == 1
    assert await merchant.records.begin(step) == vote


async def test_a_refused_booking_is_a_no_that_is_repeated(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    step = parcel_of(order)
    await merchant.records.begin(step)
    vote = await merchant.records.parcel_answered(step, order.parcel.id, NOT_THERE)
    assert vote == Vote.no(step.name, NOT_THERE)
    assert await merchant.records.begin(step) == vote
    assert await fulfillment(merchant, order) == "unfulfilled"


async def test_a_parcel_canceled_twice_is_canceled_once(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    step = parcel_of(order)
    await merchant.records.begin(step)
    await merchant.records.parcel_answered(step, order.parcel.id, Booking(f"T-{order.id}"))
    await merchant.records.begin_undo(step)
    for _ in range(2):
        await merchant.records.parcel_canceled(step)
    assert await fulfillment(merchant, order) == "canceled"
    assert (await merchant.events(order)).count("parcel.canceled") == 1
    assert await merchant.records.begin_undo(step) == "undone"


@pytest.mark.parametrize("order_is_over", [True, False])
async def test_a_booking_whose_answer_comes_after_its_cancel_does_not_stand(
    *, merchant: Merchant, order_is_over: bool
) -> None:
    """The carrier has canceled it by then; an order that is undone must not say that it is booked."""
    order = await merchant.remote_order(card(500))
    step = parcel_of(order)
    await merchant.records.begin(step)
    await merchant.undo(order, nothing_else=False)
    assert await merchant.records.begin_undo(step) == "undo"
    await merchant.records.parcel_canceled(step)
    if order_is_over:
        assert (await merchant.own_site.close(order.id)).status == "rejected"
    await merchant.records.parcel_answered(step, order.parcel.id, Booking(f"T-{order.id}"))
    assert await fulfillment(merchant, order) != "booked"


async def test_a_parcel_released_twice_is_released_once(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    booked = Booking(f"T-{order.id}")
    await merchant.records.parcel_answered(parcel_of(order), order.parcel.id, booked)
    for _ in range(2):
        vote = await merchant.records.parcel_released(parcel_of(order), order.parcel.id, None)
        assert vote.answer == "yes"
    assert (await merchant.events(order)).count("parcel.released") == 1


# --- Attention ---------------------------------------------------------------------------------------


async def attention_step(merchant: Merchant, order: NewOrder) -> object:
    attention = (await merchant.look(order)).state.attention
    return attention and attention["step"]


async def test_attention_is_raised_once_and_names_the_first_step(merchant: Merchant) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    name = step_of(order, asked).name
    await merchant.records.raise_attention(order.id, name, "ProviderUnavailable", 5)
    await merchant.records.raise_attention(order.id, name, "ProviderUnavailable", 6)
    await merchant.records.raise_attention(order.id, order.parcel.step, "ProviderUnavailable", 5)
    assert (await merchant.events(order)).count("attention.raised") == 1
    attention = (await merchant.look(order)).state.attention
    assert attention is not None
    assert (attention["step"], attention["tries"], attention["actions"]) == (
        name,
        5,
        ["retry", "skip"],
    )


async def test_attention_is_cleared_when_its_own_step_is_done_and_by_no_other(
    merchant: Merchant,
) -> None:
    asked = card(500)
    order = await merchant.remote_order(asked)
    await merchant.authorize(order, asked)
    name = step_of(order, asked).name
    await merchant.records.raise_attention(order.id, name, "ProviderUnavailable", 5)
    await merchant.records.parcel_canceled(parcel_of(order))
    assert await attention_step(merchant, order) == name
    for _ in range(2):
        await given_back(merchant, order, asked, 0)
    assert await attention_step(merchant, order) is None
    assert (await merchant.events(order)).count("attention.cleared") == 1


async def test_attention_for_a_parcels_cancel_is_cleared_by_the_cancel(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    step = parcel_of(order)
    await merchant.records.raise_attention(order.id, step.name, "ProviderUnavailable", 5)
    await merchant.records.parcel_canceled(step)
    assert await attention_step(merchant, order) is None


async def test_after_attention_was_cleared_it_can_be_raised_again(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    step = parcel_of(order)
    for _ in range(2):
        await merchant.records.raise_attention(order.id, step.name, "ProviderUnavailable", 5)
        await merchant.records.parcel_canceled(step)
    assert (await merchant.events(order)).count("attention.raised") == 2


async def test_a_parcel_is_read_without_anything_personal(merchant: Merchant) -> None:
    order = await merchant.remote_order(card(500))
    read = await merchant.records.parcel(order.parcel.id)
    assert (read.order_id, read.carrier, read.service, read.country) == (
        order.id,
        "sandbox",
        "standard",
        "BR",
    )
