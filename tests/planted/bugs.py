"""The planted bugs: classic mistakes of sagas, each as a small patch and the one test that catches it.

The text to replace is short and distinctive, and must be in its file exactly once: when the source
moves on, a patch that no longer applies is an error of this list.
"""

from __future__ import annotations

from typing import Final

from tests.planted.bugs_figures import FIGURES
from tests.planted.bugs_outside import OUTSIDE
from tests.planted.bugs_told import TOLD
from tests.planted.kinds import Bug, Edit, bug

FENCE: Final = "adapters/postgres/fence.py"
FENCE_SQL: Final = "adapters/postgres/queries/fence.sql"
HISTORY_SQL: Final = "adapters/postgres/queries/history.sql"
SAGA_SQL: Final = "adapters/postgres/queries/saga.sql"
STOCK_SQL: Final = "adapters/postgres/queries/stock.sql"
LEDGER: Final = "adapters/postgres/ledger.py"
DECISION: Final = "adapters/postgres/decision.py"
REVERSAL: Final = "adapters/postgres/reversal.py"
TRACKING: Final = "adapters/postgres/tracking.py"
ANSWERS: Final = "adapters/postgres/provider_answers.py"
RECORDS: Final = "adapters/postgres/records.py"
ORDER: Final = "workflows/order.py"
SAGA: Final = "workflows/saga.py"

TEST_FENCE: Final = "tests/postgres/test_fence.py"
TEST_DECIDE: Final = "tests/postgres/test_decide.py"
TEST_STOCK: Final = "tests/postgres/test_stock.py"
TEST_YES: Final = "tests/postgres/test_every_yes.py"
TEST_BACK: Final = "tests/postgres/test_records_of_money_back.py"
TEST_PAYMENTS: Final = "tests/postgres/test_records_of_payments.py"
NOBODY_ASKS_THE_FENCE: Final = Edit(
    DECISION,
    "    return await fence.begun(connection, order.id, steps) if steps else ()\n",
    "    return ()\n",
)
EVERY_YES: Final = f"{TEST_YES}::test_a_confirm_without_every_yes_becomes_an_undo"
OMICRON: Final = "tests/conformance/test_omicrons_three.py"
FAIL_EVERY_STEP: Final = f"{OMICRON}::test_fail_every_step_in_turn_and_leave_a_clean_slate"


THE_FENCE: Final = (
    bug(
        "skip the fence insert: who comes again does the work again",
        FENCE,
        "    if not others:\n        return Holds(fresh, {})\n",
        "    return Holds(frozenset(steps), {})\n",
        caught_by=f"{TEST_FENCE}::test_a_hold_of_our_own_site_done_again_holds_nothing_more",
    ),
    bug(
        "an undo leaves no tombstone for a hold that comes late",
        FENCE_SQL,
        "unnest(array['hold', 'undo']) as op",
        "unnest(array['undo']) as op",
        caught_by=f"{TEST_FENCE}::test_an_undo_before_its_hold_is_a_tombstone",
    ),
    bug(
        "the last answer counts, not the first",
        FENCE_SQL,
        "   and f.vote is null;",
        ";",
        caught_by=f"{TEST_FENCE}::test_a_vote_once_stored_stays",
    ),
    bug(
        "no rollback: each statement commits by itself",
        "adapters/postgres/pool.py",
        "as connection, connection.transaction():",
        "as connection:",
        caught_by=f"{TEST_FENCE}::test_a_hold_that_breaks_down_after_the_fence_leaves_no_row_of_it",
    ),
    bug(
        "key by attempt: each try is another step to the participant",
        "ordersaga/keys.py",
        'return f"{self.order_id}:{self.name}:{self.generation}"',
        'return f"{self.order_id}:{self.name}:{self.generation}:{time.time_ns()}"',
        caught_by="tests/core/test_keys.py"
        "::test_a_steps_key_is_its_order_name_and_generation_the_same_for_every_try",
    ),
    bug(
        "a reference is kept although the payment was undone meanwhile",
        SAGA_SQL,
        "                      and f.op = 'undo')\nreturning provider_ref;",
        "                      and f.op = 'never')\nreturning provider_ref;",
        caught_by=f"{TEST_PAYMENTS}::test_no_reference_is_kept_of_a_payment_that_was_undone",
    ),
)

THE_DECISION: Final = (
    bug(
        "drop the decision row: each run acts on its own choice",
        DECISION,
        "    if not await _write(connection, order, objection):",
        "    if not await _write(connection, order, objection) and False:",
        caught_by=f"{TEST_DECIDE}"
        "::test_a_decision_made_again_is_the_stored_one_and_changes_nothing",
    ),
    bug(
        "ignore a stored cancel",
        DECISION,
        "    if order.cancel_requested:\n        return CANCEL_ASKED\n",
        "",
        caught_by=f"{TEST_DECIDE}::test_a_stored_cancel_turns_a_confirm_into_an_undo",
    ),
    bug(
        "capture after decide: a hold is enough to confirm",
        DECISION,
        "        is_ours = payment.id in own_ids\n",
        "        is_ours = payment.id in own_ids or payment.status == PaymentStatus.AUTHORIZED\n",
        caught_by=f"{EVERY_YES}[card_held_and_not_captured]",
    ),
    bug(
        "confirm without the parcel's yes",
        DECISION,
        "    if order.state.fulfillment_status != FulfillmentStatus.BOOKED:\n        return Refusal",
        "    if False:\n        return Refusal",
        caught_by=f"{EVERY_YES}[carrier_has_not_booked]",
    ),
    bug(
        "forget to compare what is paid with the total",
        DECISION,
        "    if sum(p.amount for p in order.state.payments) != order.total:",
        "    if False:",
        caught_by=f"{EVERY_YES}[payments_of_less_than_the_total]",
    ),
    Bug(
        "lock before read in one statement: what it read is from before the wait",
        (
            Edit(
                "adapters/postgres/history.py",
                "    if await _sql.lock_order(connection, order_id=order_id) is None:\n"
                "        raise OrderMissing(order_id)\n",
                "",
            ),
            Edit(
                HISTORY_SQL,
                "  from orders o\n where o.id = :order_id;",
                "  from orders o\n where o.id = :order_id\n   for update of o;",
            ),
        ),
        caught_by="tests/conformance/test_races.py"
        "::test_a_step_that_waited_for_its_turn_sees_what_the_one_before_it_wrote",
    ),
)

STOCK_AND_LEDGER: Final = (
    bug(
        "goods are locked in no order of ours: baskets wait for each other in a ring",
        STOCK_SQL,
        " order by sku\n   for update;",
        " order by random()\n   for update;",  # without a clause the index happens to sort them
        caught_by=f"{TEST_STOCK}::test_orders_of_many_skus_in_any_order_never_wait_in_a_ring",
    ),
    bug(
        "reserve only what the first line of a SKU asks for",
        HISTORY_SQL,
        "select sku, sum(quantity)::bigint as quantity",
        "select sku, (array_agg(quantity order by line))[1] as quantity",
        caught_by=f"{TEST_STOCK}::test_two_lines_of_one_sku_are_summed",
    ),
    bug(
        "stop one unit before the last",
        "adapters/postgres/stock.py",
        "        if available[sku] < quantity:",
        "        if available[sku] <= quantity:",
        caught_by=f"{TEST_STOCK}::test_the_last_units_can_be_sold_and_not_one_more",
    ),
    Bug(
        "restock without a fence, whatever became of the goods",
        (
            Edit(
                REVERSAL,
                "    if status in FINAL:\n        return standing_of(order)\n    why = _why(order)",
                "    why = _why(order)",
            ),
            Edit(REVERSAL, "    if not is_open or why is None:", "    if why is None:"),
        ),
        caught_by="tests/postgres/test_reversal.py"
        "::test_a_reversal_done_again_gives_nothing_back_twice",
    ),
    bug(
        "an undo keeps the goods reserved",
        DECISION,
        "*await stock.release(connection, order)]\n",
        "]\n",
        caught_by=f"{TEST_STOCK}::test_units_are_reserved_then_given_back",
    ),
    bug(
        "two payments of one order are each covered by the same voucher",
        LEDGER,
        "                left[key] -= payment.amount\n",
        "",
        caught_by="tests/postgres/test_ledger.py"
        "::test_two_payments_on_one_voucher_are_covered_together_or_the_second_is_refused",
    ),
)

MONEY_OF_OTHERS: Final = (
    bug(
        "refund twice: what was given back is given back again",
        ANSWERS,
        "    if payment.status in (PaymentStatus.REFUNDED, PaymentStatus.VOIDED):",
        "    if payment.status == PaymentStatus.VOIDED:",
        caught_by=f"{TEST_BACK}::test_taken_money_given_back_twice_is_refunded_once",
    ),
    bug(
        "store credit is posted as often as somebody says so",
        RECORDS,
        '            if to == "store_credit" and happenings:',
        '            if to == "store_credit":',
        caught_by=f"{TEST_BACK}::test_a_slips_money_becomes_store_credit_once",
    ),
    bug(
        "trust a hint: a payment that waits for its payer counts as a yes",
        ANSWERS,
        '            return Vote(step.name, "waiting", answer.reference)',
        "            return Vote.yes(step.name, answer.reference)",
        caught_by=f"{TEST_PAYMENTS}::test_a_payment_that_waits_for_its_payer_is_asked_after_again",
    ),
    bug(
        "forget to compare the amount that the provider speaks of",
        "adapters/stripe/answers.py",
        "    if asked != answered or state is None:",
        "    if asked[1:] != answered[1:] or state is None:",
        caught_by="tests/conformance/test_bad_replies.py"
        "::test_participants_reply_is_of_the_wrong_amount_or_payment_once"
        "[/capture-wrong_amount]",
    ),
    bug(
        "money that came although the provider had said no is kept",
        ANSWERS,
        "NOT_KNOWN_TAKEN: Final = NOT_TAKEN | {PaymentStatus.FAILED}",
        "NOT_KNOWN_TAKEN: Final = NOT_TAKEN",
        caught_by=f"{TEST_BACK}::test_money_that_came_after_a_no_is_told_as_taken_and_given_back",
    ),
    bug(
        "undo a slip as if it could be refunded",
        "activities/payment.py",
        "        if not METHODS[request.method].refundable:",
        "        if False:",
        caught_by="tests/saga/test_cancel.py"
        "::test_a_paid_slip_goes_back_as_store_credit_for_it_has_no_refund",
    ),
)

THE_SAGA: Final = (
    bug(
        "swap two undos: oldest first",
        SAGA,
        "        undos, self._undos = self._undos[::-1], []",
        "        undos, self._undos = self._undos[:], []",
        caught_by="tests/conformance/test_outcomes.py"
        "::test_late_failure_undone_in_reverse_with_the_reason_kept",
    ),
    Bug(
        "undo only what is known to be done",
        (
            NOBODY_ASKS_THE_FENCE,
            Edit(
                SAGA,
                "        self.owe_undo(step, undo)\n        self._asked[step] = start()\n",
                "        handle = self._asked[step] = start()\n"
                "        async def owe_when_done() -> None:\n"
                "            await workflow.wait_condition(handle.done)\n"
                "            if not handle.cancelled() and not handle.exception():\n"
                "                self.owe_undo(step, undo)\n"
                "        task = asyncio.create_task(owe_when_done())\n"
                "        self._after = [*getattr(self, '_after', []), task]\n",
            ),
        ),
        caught_by=f"{FAIL_EVERY_STEP}[charge_payment-after-undo_fine]",
    ),
    Bug(
        "ignore an unclear answer: what nobody answered is not undone",
        (
            NOBODY_ASKS_THE_FENCE,
            Edit(
                SAGA,
                "            await _stop(asked.values())\n",
                "            await _stop(asked.values())\n"
                "            unclear = {s for s, h in asked.items() if h.cancelled() or h.exception()}\n"
                "            self._undos = [u for u in self._undos if u.step not in unclear]\n",
            ),
        ),
        caught_by=f"{FAIL_EVERY_STEP}[book_parcel-after-undo_fine]",
    ),
    Bug(
        "forget what a task asked that was lost",
        (NOBODY_ASKS_THE_FENCE,),
        caught_by=f"{TEST_DECIDE}"
        "::test_an_undo_names_what_others_may_have_been_asked_for_whoever_asked",
    ),
    bug(
        "do not undo what another task of the workflow asked",
        ORDER,
        "                self._asks.owe_undos(self._remote_payments, of=decision.began)\n",
        "",
        caught_by="tests/saga/test_lanes.py"
        "::test_killed_after_it_asked_then_canceled_all_of_it_is_taken_back"
        "[local_first-authorize_payment-<lambda>]",
    ),
    bug(
        "treat an outage as a no",
        "adapters/carrier_http.py",
        '            raise ProviderUnavailable(f"HTTP {response.status_code}")',
        '            return Refusal("parcel", "unavailable", f"HTTP {response.status_code}")',
        caught_by="tests/conformance/test_retries.py::test_error_back_off_success",
    ),
    bug(
        "refund before asking the parcel",
        ORDER,
        "        refusal = None if self._is_ours else await self._cancel_parcel()\n",
        "        opened = await self._open_reversal(why)\n"
        "        await self._saga.insist_on_all(self._asks.refund(r) for r in opened.refunds)\n"
        "        refusal = None if self._is_ours else await self._cancel_parcel()\n",
        caught_by="tests/saga/test_cancel.py"
        "::test_a_parcel_on_its_way_refuses_the_cancel_and_the_order_stands",
    ),
)

ONE_PHASE: Final = (
    bug(
        "leave what was noted unwritten where an order is held at its decision",
        "adapters/postgres/decision.py",
        '        await record(connection, order)\n        return Decision("held"',
        '        return Decision("held"',
        caught_by="tests/postgres/test_one_phase.py"
        "::test_a_held_order_keeps_its_parts_and_is_not_decided",
    ),
    bug(
        "remember a house account that its own transaction may yet roll back",
        "adapters/postgres/queries/ledger.sql",
        "select id, xmin = pg_current_xact_id()::xid from",
        "select id, false from",
        caught_by="tests/postgres/test_one_phase.py"
        "::test_a_house_account_that_was_rolled_back_is_made_again",
    ),
    bug(
        "let an order wait for a word without holding anything for it",
        ORDER,
        "if self._order.is_one_phase and self._hold_on.until is None:",
        "if self._order.is_one_phase:",
        caught_by="tests/saga/test_holds.py"
        "::test_a_hold_that_is_heard_before_the_first_task_keeps_everything",
    ),
)

BUGS: Final = (
    *THE_FENCE,
    *ONE_PHASE,
    *THE_DECISION,
    *STOCK_AND_LEDGER,
    *MONEY_OF_OTHERS,
    *THE_SAGA,
    *OUTSIDE,
    *TOLD,
    *FIGURES,
)
