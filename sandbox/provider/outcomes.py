"""What becomes of an intent's fields when it is held, charged, waits or fails.

Pure: each gives the intent as it will be, its status left to the table of moves.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.deliveries import new_id
from sandbox.faults import Fault, Kind, fault_for
from sandbox.provider.lifecycle import Event
from sandbox.provider.records import Intent
from sandbox.provider.tokens import GENERIC_DECLINE, WAIT_FOR_BANK, Operation
from sandbox.provider.wire import decline_json, dumps, next_action_json

DECLINE_MESSAGES = {
    GENERIC_DECLINE: "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
}


def confirm_event(intent: Intent, faults: tuple[Fault, ...]) -> Event:
    """How the payer's bank answers a confirmation."""
    if _refusal(intent, faults) is not None:
        return Event.CONFIRM_DECLINED
    wait = fault_for(faults, Kind.WAIT, Operation.CONFIRM)
    if wait is not None and wait.reason == WAIT_FOR_BANK:
        return Event.CONFIRM_WAITS_FOR_BANK
    if wait is not None or intent.rules.slip:
        return Event.CONFIRM_WAITS_FOR_PAYER
    return Event.CONFIRM_HELD if intent.is_held else Event.CONFIRM_CHARGED


def decline_code(intent: Intent, faults: tuple[Fault, ...]) -> str:
    """Why the bank says no."""
    refusal = _refusal(intent, faults)
    return refusal.reason if refusal else GENERIC_DECLINE


def _refusal(intent: Intent, faults: tuple[Fault, ...]) -> Fault | None:
    refused = fault_for(faults, Kind.REFUSE, Operation.CONFIRM)
    if refused is None and not intent.is_held:  # an automatic charge includes the capture
        refused = fault_for(faults, Kind.REFUSE, Operation.CAPTURE)
    return refused


def held(intent: Intent) -> Intent:
    """The whole amount is authorised."""
    return replace(
        intent,
        amount_capturable=intent.amount,
        charge_id=new_id("ch"),
        next_action=None,
        last_payment_error=None,
    )


def charged(intent: Intent, *, amount: int) -> Intent:
    """The amount (minor units; a slip may be paid wrongly) is taken."""
    return replace(
        intent,
        amount_received=amount,
        amount_capturable=0,
        charge_id=intent.charge_id or new_id("ch"),
        next_action=None,
        last_payment_error=None,
    )


def waiting_for_payer(intent: Intent, *, pay_url: str, now_s: int) -> Intent:
    """The payer is asked; a slip or link given before stays as it is."""
    action = intent.next_action or dumps(next_action_json(intent, pay_url=pay_url, now_s=now_s))
    return replace(intent, next_action=action, last_payment_error=None)


def waiting_for_bank(intent: Intent) -> Intent:
    """The bank will answer later."""
    return replace(intent, next_action=None, last_payment_error=None)


def declined(intent: Intent, *, code: str) -> Intent:
    """The bank said no; the payment method is taken off, as Stripe does."""
    error = decline_json(
        code="card_declined", decline_code=code, message=DECLINE_MESSAGES[code], intent=intent
    )
    return _without_method(intent, error)


def failed_by_payer(intent: Intent) -> Intent:
    """The payer did not do it, or the slip was never paid."""
    error = decline_json(
        code=intent.rules.failure_code,
        decline_code=None,
        message="The payer did not complete the payment.",
        intent=intent,
    )
    return _without_method(intent, error)


def _without_method(intent: Intent, error: dict[str, object]) -> Intent:
    return replace(intent, payment_method=None, next_action=None, last_payment_error=dumps(error))
