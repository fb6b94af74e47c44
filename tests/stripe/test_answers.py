"""Every answer is checked: of the payment, the amount and the currency that were asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import pytest

from ordersaga.errors import OrdersagaError, ProviderAnswerWrong, ProviderUnavailable
from ordersaga.ports import PaymentRequest
from tests.stripe.till import Json, Till, request

Change: TypeAlias = Callable[[Json], Json]


def with_(**fields: object) -> Change:
    return lambda said: {**said, **fields}


def without(name: str) -> Change:
    return lambda said: {key: value for key, value in said.items() if key != name}


def in_charge(**fields: object) -> Change:
    return lambda said: {**said, "latest_charge": {**cast(Json, said["latest_charge"]), **fields}}


LIES: dict[str, Change] = {
    "another amount": with_(amount=1001),
    "an amount that is text": with_(amount="1000"),
    "an amount below nothing": with_(amount=-1000),
    "an amount beyond all numbers": with_(amount=2**62),
    "another currency": with_(currency="usd"),
    "another intent": with_(id="pi_of_somebody_else"),
    "an id that is none": with_(id="pi_1; drop"),
    "another payment": with_(metadata={"payment_id": "pay_of_somebody_else"}),
    "no payment": with_(metadata={}),
    "no amount": without("amount"),
    "no sum received": without("amount_received"),
    "a state of tomorrow": with_(status="requires_patience"),
    "an object of no kind": lambda _: {},
}
OF_A_CHANGE: dict[str, Change] = {"a part held only": with_(amount_capturable=999)}
OF_THE_CHARGE: dict[str, Change] = {
    "another payment's charge": in_charge(payment_intent="pi_of_somebody_else"),
    "a charge in another currency": in_charge(currency="usd"),
    "more given back than was taken": in_charge(amount_refunded=1001),
    "a charge of no form": in_charge(amount_refunded=None),
}


def each(lies: dict[str, Change]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("lie", lies.values(), ids=lies.keys())


@each({**LIES, **OF_A_CHANGE})
async def test_a_hold_is_not_believed(till: Till, lie: Change) -> None:
    asked = request()
    reference = await till.made(asked)
    till.changes(lie, to="/confirm")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.confirm(reference, asked)


@each(LIES)
async def test_a_capture_is_not_believed(till: Till, lie: Change) -> None:
    asked = request()
    held = await till.confirmed(asked)
    till.changes(lie, to="/capture")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.capture(held.reference, asked)


@each(LIES)
async def test_a_cancel_is_not_believed(till: Till, lie: Change) -> None:
    asked = request()
    held = await till.confirmed(asked)
    till.changes(lie, to="/cancel")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.cancel(held.reference, asked)


@each({**LIES, **OF_THE_CHARGE})
async def test_how_it_stands_is_not_believed(till: Till, lie: Change) -> None:
    asked = request()
    reference = await till.taken(asked)
    till.changes(lie, to=reference, method="GET")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.retrieve(reference, asked)


@each({name: lie for name, lie in LIES.items() if name != "another intent"})
async def test_a_payment_that_was_made_otherwise_than_asked_is_not_used(
    till: Till, lie: Change
) -> None:
    till.changes(lie, to="/payment_intents")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.create(request())


async def test_a_payment_that_took_money_when_it_was_made_is_not_used(till: Till) -> None:
    till.changes(with_(status="succeeded", amount_received=1000), to="/payment_intents")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.create(request("alipay"))


@pytest.mark.parametrize("last_moment", ["soon", True, -1, 10**15, 1.5, {}])
async def test_a_slip_that_ends_at_no_time_is_not_believed(till: Till, last_moment: object) -> None:
    asked = request("boleto")
    reference = await till.made(asked)
    action = {
        "type": "boleto_display_details",
        "boleto_display_details": {"expires_at": last_moment},
    }
    till.changes(with_(next_action=action), to="/confirm")
    with pytest.raises(ProviderAnswerWrong):
        await till.gateway.confirm(reference, asked)


@pytest.mark.parametrize("body", [b"[1]", b'"paid"', b"null", b"true", b'{"error": "no object"}'])
@pytest.mark.parametrize("status", [200, 400])
async def test_json_that_is_not_stripes_is_an_answer_to_nothing(
    till: Till, status: int, body: bytes
) -> None:
    asked = request()
    reference = await till.made(asked)
    till.answers(status, body, to="/confirm")
    with pytest.raises(OrdersagaError):
        await till.gateway.confirm(reference, asked)


# --- Refunds --------------------------------------------------------------------------------------


async def _refund(till: Till, asked: PaymentRequest, reference: str) -> str:
    return await till.gateway.refund(reference, asked, amount=300, refund_key="r-1")


@each(
    {
        "another amount": with_(amount=299),
        "another currency": with_(currency="usd"),
        "of another payment": with_(payment_intent="pi_of_somebody_else"),
        "of no payment": with_(payment_intent=None),
        "a state of tomorrow": with_(status="considered"),
        "no state": with_(status=None),
        "no id": without("id"),
    }
)
async def test_a_refund_is_not_believed_and_then_it_is_found(till: Till, lie: Change) -> None:
    asked = request()
    reference = await till.taken(asked)
    till.changes(lie, to="/refunds")
    with pytest.raises(ProviderAnswerWrong):
        await _refund(till, asked, reference)
    till.tells_the_truth()
    made = await _refund(till, asked, reference)
    assert [r["id"] for r in await till.refunds_of(reference)] == [made]


@pytest.mark.parametrize("status", ["pending", "requires_action"])
async def test_a_refund_that_is_under_way_counts_as_given_back(till: Till, status: str) -> None:
    asked = request()
    reference = await till.taken(asked)
    till.changes(with_(status=status), to="/refunds")
    made = await _refund(till, asked, reference)
    assert [r["id"] for r in await till.refunds_of(reference)] == [made]


@pytest.mark.parametrize("status", ["failed", "canceled"])
async def test_a_refund_that_fails_at_once_is_tried_again(till: Till, status: str) -> None:
    asked = request()
    reference = await till.taken(asked)
    till.changes(with_(status=status), to="/refunds")
    with pytest.raises(ProviderUnavailable):
        await _refund(till, asked, reference)


async def test_a_refund_that_failed_since_is_asked_again_with_a_key_that_is_not_spent(
    till: Till,
) -> None:
    """Stripe repeats its yes of before to the key of before."""
    asked = request()
    reference = await till.taken(asked)
    failed = await _refund(till, asked, reference)

    def fail(said: Json) -> Json:
        refunds = cast("list[dict[str, Any]]", said["data"])
        return {
            **said,
            "data": [{**r, "status": "failed"} if r["id"] == failed else r for r in refunds],
        }

    till.changes(fail, to="/refunds", method="GET")
    again = await _refund(till, asked, reference)
    assert again != failed
    assert await _refund(till, asked, reference) == again
