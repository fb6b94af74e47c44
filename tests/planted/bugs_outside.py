"""Mistakes with what comes from outside: messages, slow money, parcels, returns, holds."""

from __future__ import annotations

from typing import Final

from tests.planted.kinds import bug

TRACKING: Final = "adapters/postgres/tracking.py"
REFUNDS: Final = "adapters/postgres/refunds.py"

TEST_TRACKING: Final = "tests/postgres/test_tracking.py"
TEST_REFUNDS: Final = "tests/postgres/test_refunds.py"
TEST_SETTLING: Final = "tests/postgres/test_settling.py"
TEST_EXAMINED: Final = "tests/postgres/test_examined.py"

OUTSIDE: Final = (
    bug(
        "give back what is on its way back already",
        "adapters/postgres/refunds.py",
        "    return payment.captured - max(payment.refunded, allocated)",
        "    return payment.captured - payment.refunded",
        caught_by="tests/postgres/test_refunds.py"
        "::test_refunds_that_race_never_come_to_more_than_was_taken",
    ),
    bug(
        "keep money that came after its payment was given up",
        "adapters/postgres/examining.py",
        "_GIVEN_UP: Final = NOT_KNOWN_TAKEN | {PaymentStatus.VOIDED}",
        "_GIVEN_UP: Final = NOT_KNOWN_TAKEN",
        caught_by="tests/postgres/test_examined.py"
        "::test_money_that_came_after_its_payment_was_given_up_goes_back_and_is_told",
    ),
    bug(
        "each look at a payment gives its payer more time",
        "adapters/postgres/provider_answers.py",
        '    if row["expires_at"] is not None:',
        "    if False:",
        caught_by="tests/postgres/test_waiting.py::test_no_look_at_a_payment_moves_its_deadline",
    ),
    bug(
        "a carrier's event that is told again counts again",
        TRACKING,
        "    noted = [_noted(news)] if is_new else []",
        "    noted = [_noted(news)]",
        caught_by="tests/postgres/test_tracking.py"
        "::test_the_same_event_said_again_changes_nothing_and_is_answered_the_same",
    ),
    bug(
        "a parcel is where the message that came last says",
        TRACKING,
        "    parcel = tracking.fold(await _read(connection, order))",
        "    parcel = tracking.fold((await _read(connection, order))[-1:])",
        caught_by="tests/postgres/test_tracking.py"
        "::test_every_order_of_a_whole_journey_comes_to_the_same_row",
    ),
    bug(
        "restock what the carrier has lost",
        "adapters/postgres/reversal.py",
        "    is_lost = why.code == PARCEL_LOST.code",
        "    is_lost = False",
        caught_by="tests/postgres/test_settling.py"
        "::test_a_lost_parcel_gives_its_money_back_and_no_goods",
    ),
    bug(
        "confirm what somebody holds",
        "adapters/postgres/decision.py",
        "    if objection is None and order.state.hold is not None:",
        "    if False:",
        caught_by="tests/postgres/test_holds.py"
        "::test_a_held_order_is_not_decided_and_nothing_is_written",
    ),
    bug(
        "what came back in a return is restocked once more with the whole order",
        "adapters/postgres/queries/stock.sql",
        "v.quantity - was.restocked as quantity",
        "v.quantity as quantity",
        caught_by=f"{TEST_SETTLING}::test_a_parcel_that_comes_back_brings_what_its_returns_did_not",
    ),
    bug(
        "a slip is not looked at at its deadline: a lost message loses a paid order",
        "workflows/order.py",
        "            for payment_id in told or (first.id,):",
        "            for payment_id in told:",
        caught_by="tests/saga/test_slow_money.py"
        "::test_a_message_that_was_lost_does_not_lose_a_paid_order",
    ),
    bug(
        "money goes back to the oldest payment first",
        REFUNDS,
        "for p in reversed(order.state.payments))",
        "for p in order.state.payments)",
        caught_by=f"{TEST_REFUNDS}::test_money_goes_back_to_the_newest_payment_first",
    ),
    bug(
        "a message is answered before it is stored",
        "api/routes/webhooks.py",
        "    message = parse_body(TrackingMessage, raw)\n"
        "    async with reading(services.pool) as connection:\n"
        "        receipt = await keep_tracking(\n"
        "            connection, carrier=carrier, message_id=message_id, message=message\n"
        "        )\n"
        "    return _received(services, receipt)\n",
        "    message = parse_body(TrackingMessage, raw)\n"
        '    response = _answer("kept")\n'
        "    response.background = BackgroundTask(\n"
        "        _keep_later, services, carrier, message_id, message\n"
        "    )\n"
        "    return response\n"
        "\n\n"
        "async def _keep_later(\n"
        "    services: Services, carrier: str, message_id: str, message: TrackingMessage\n"
        ") -> None:\n"
        "    async with reading(services.pool) as connection:\n"
        "        receipt = await keep_tracking(\n"
        "            connection, carrier=carrier, message_id=message_id, message=message\n"
        "        )\n"
        "    if receipt.letter is not None:\n"
        "        await _tell(services, receipt.letter)\n",
        caught_by="tests/api/test_api_webhooks_bad_input.py"
        "::test_without_postgresql_no_message_is_taken_until_it_is_back",
    ),
    bug(
        "a copy of a message is believed for an hour",
        "api/signatures.py",
        "> CLOCK_TOLERANCE.total_seconds():",
        "> 12 * CLOCK_TOLERANCE.total_seconds():",
        caught_by="tests/api/test_api_webhooks_signatures.py"
        "::test_a_clock_may_be_five_minutes_off_either_way",
    ),
)
