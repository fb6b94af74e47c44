"""Create, confirm, capture and cancel payment intents.

Each `plan_…` checks the parameters and gives a Call; nothing is written before its `act` runs.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from sandbox.faults import Fault, Kind, fault_for
from sandbox.provider.calls import Call, token_faults, wants_charge
from sandbox.provider.errors import UNEXPECTED_STATE, RefusedError, RequestError
from sandbox.provider.ledger import Ledger, now_s
from sandbox.provider.lifecycle import Event
from sandbox.provider.methods import METHODS
from sandbox.provider.outcomes import (
    DECLINE_MESSAGES,
    charged,
    confirm_event,
    decline_code,
    declined,
    held,
    waiting_for_bank,
    waiting_for_payer,
)
from sandbox.provider.params import Params, fingerprint
from sandbox.provider.records import Intent, NewIntent, Reply
from sandbox.provider.tokens import Operation
from sandbox.provider.wire import decline_json, dumps, intent_json

LARGEST_AMOUNT = 99_999_999  # minor units; Stripe takes eight digits
SLIP_DAYS = 3  # how long a slip can be paid when the caller does not say; Stripe's default
MOST_SLIP_DAYS = 60  # Stripe's limit
DEFAULT_TOKEN = "tok_ok"  # noqa: S105  for payment_method_data that names no token
DECLINE_STATUS = 402
CANCELLATION_REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer", "abandoned"})
_CURRENCY = re.compile(r"[a-z]{3}")
_CREATE_PARAMS = (
    "amount",
    "currency",
    "allowed_payment_method_types",
    "payment_method_types",
    "capture_method",
    "metadata",
    "description",
    "confirm",
)
_METHOD_PARAMS = ("payment_method", "payment_method_data", "payment_method_options", "expand")
_IGNORED_PARAMS = ("return_url", "off_session", "receipt_email", "statement_descriptor_suffix")


class Payments:
    """What can be done with an intent. `pay_url` is where payers are sent, before the id."""

    def __init__(self, *, ledger: Ledger, pay_url: str) -> None:
        self._ledger = ledger
        self._pay_url = pay_url

    def plan_create(self, params: Params) -> Call:
        """POST /v1/payment_intents. Raises RequestError."""
        params.only(*_CREATE_PARAMS, *_METHOD_PARAMS, *_IGNORED_PARAMS)
        new = _new_intent(params)
        confirm = params.boolean("confirm")
        expand = wants_charge(params)

        def act() -> Reply:
            intent = self._ledger.add_intent(new)
            return self._confirm(intent, expand) if confirm else _reply(intent, expand)

        return Call(
            subject=fingerprint(params),  # there is no id yet, and a repeat must count on
            operations=(Operation.CREATE, Operation.CONFIRM) if confirm else (Operation.CREATE,),
            faults=token_faults(new.token),
            act=act,
        )

    def plan_confirm(self, intent_id: str, params: Params) -> Call:
        """POST /v1/payment_intents/{id}/confirm. Raises RequestError and MissingError."""
        params.only(*_METHOD_PARAMS, *_IGNORED_PARAMS)
        found = self._ledger.intent(intent_id)
        given = _token(params, found.method)
        slip_days = _slip_days(params)
        expand = wants_charge(params)

        def act() -> Reply:
            intent = self._ledger.intent(intent_id)  # read again: a slow call comes late
            return self._confirm(intent, expand, token=given, slip_days=slip_days)

        return Call(
            subject=intent_id,
            operations=(Operation.CONFIRM,),
            faults=token_faults(given or found.payment_method),
            act=act,
        )

    def plan_capture(self, intent_id: str, params: Params) -> Call:
        """POST /v1/payment_intents/{id}/capture. Raises RequestError and MissingError."""
        params.only("amount_to_capture", "expand", "statement_descriptor_suffix")
        asked = params.positive("amount_to_capture")
        expand = wants_charge(params)
        faults = token_faults(self._ledger.intent(intent_id).last_token)

        def act() -> Reply:
            intent = self._ledger.intent(intent_id)
            refusal = fault_for(faults, Kind.REFUSE, Operation.CAPTURE)
            if refusal is not None:
                return self._refuse_capture(intent, refusal)
            return self._capture(intent, asked, expand)

        return Call(subject=intent_id, operations=(Operation.CAPTURE,), faults=faults, act=act)

    def plan_cancel(self, intent_id: str, params: Params) -> Call:
        """POST /v1/payment_intents/{id}/cancel. Raises RequestError and MissingError."""
        params.only("cancellation_reason", "expand")
        reason = params.text("cancellation_reason")
        if reason is not None and reason not in CANCELLATION_REASONS:
            raise RequestError(
                f"Invalid cancellation_reason: must be one of {sorted(CANCELLATION_REASONS)}",
                param="cancellation_reason",
            )
        expand = wants_charge(params)

        def act() -> Reply:
            intent = self._ledger.intent(intent_id)
            canceled = replace(
                intent,
                amount_capturable=0,
                next_action=intent.next_action if intent.has_slip else None,
                canceled_s=now_s(),
                cancellation_reason=reason,
            )
            return _reply(self._ledger.apply(intent, Event.CANCELED, canceled), expand)

        return Call(
            subject=intent_id,
            operations=(Operation.CANCEL,),
            faults=token_faults(self._ledger.intent(intent_id).last_token),
            act=act,
        )

    def _confirm(
        self,
        intent: Intent,
        expand: bool,
        *,
        token: str | None = None,
        slip_days: int | None = None,
    ) -> Reply:
        chosen = token or intent.payment_method
        if chosen is None:
            self._ledger.step(intent, Event.CONFIRM_DECLINED)
            raise RefusedError(
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                code=UNEXPECTED_STATE,
                intent=intent_json(intent),
            )
        ready = replace(
            intent,
            payment_method=chosen,
            last_token=chosen,
            slip_days=intent.slip_days if slip_days is None else slip_days,
        )
        faults = token_faults(chosen)
        event = confirm_event(ready, faults)
        if event is Event.CONFIRM_DECLINED:
            return self._decline(intent, ready, decline_code(ready, faults))
        return _reply(self._ledger.apply(intent, event, self._confirmed(ready, event)), expand)

    def _confirmed(self, ready: Intent, event: Event) -> Intent:
        if event is Event.CONFIRM_HELD:
            return held(ready)
        if event is Event.CONFIRM_CHARGED:
            return charged(ready, amount=ready.amount)
        if event is Event.CONFIRM_WAITS_FOR_BANK:
            return waiting_for_bank(ready)
        return waiting_for_payer(ready, pay_url=f"{self._pay_url}/{ready.id}", now_s=now_s())

    def _decline(self, intent: Intent, ready: Intent, code: str) -> Reply:
        after = self._ledger.apply(intent, Event.CONFIRM_DECLINED, declined(ready, code=code))
        error: dict[str, object] = json.loads(after.last_payment_error or "{}")
        return _decline_reply(error, after)

    def _capture(self, intent: Intent, asked: int | None, expand: bool) -> Reply:
        amount = intent.amount_capturable if asked is None else asked
        captured = self._ledger.apply(intent, Event.CAPTURED, charged(intent, amount=amount))
        if amount > intent.amount_capturable:  # raised after the move: its refusal comes first
            raise RefusedError(
                f"The amount to capture ({amount}) is greater than what can be captured "
                f"({intent.amount_capturable}).",
                code="amount_too_large",
                param="amount_to_capture",
            )
        return _reply(captured, expand)

    def _refuse_capture(self, intent: Intent, refusal: Fault) -> Reply:
        after = self._ledger.apply(intent, Event.CAPTURE_DECLINED, intent)
        error = decline_json(
            code="card_declined",
            decline_code=refusal.reason,
            message=DECLINE_MESSAGES[refusal.reason],
            intent=intent,
        )
        return _decline_reply(error, after)


def _reply(intent: Intent, expand: bool) -> Reply:
    return Reply(200, dumps(intent_json(intent, expand_charge=expand)))


def _decline_reply(error: dict[str, object], intent: Intent) -> Reply:
    body = {"error": {**error, "payment_intent": intent_json(intent)}}
    return Reply(DECLINE_STATUS, dumps(body))


def _new_intent(params: Params) -> NewIntent:
    method = _method(params)
    return NewIntent(
        amount=_amount(params),
        currency=_currency(params),
        method=method,
        capture_method=_capture_method(params, method),
        token=_token(params, method),
        description=params.text("description"),
        metadata=params.metadata(),
        slip_days=_slip_days(params) or SLIP_DAYS,
    )


def _amount(params: Params) -> int:
    params.needed("amount")
    amount = params.positive("amount") or 0
    if amount > LARGEST_AMOUNT:
        raise RequestError(
            f"Amount must be no more than {LARGEST_AMOUNT}",
            code="amount_too_large",
            param="amount",
        )
    return amount


def _currency(params: Params) -> str:
    currency = params.needed("currency").lower()
    if not _CURRENCY.fullmatch(currency):
        raise RequestError(f"Invalid currency: {currency}", param="currency")
    return currency


def _method(params: Params) -> str:
    """One method, by the list's present name or by the one it had until 2026-09-30.endive."""
    types = params.texts("allowed_payment_method_types") + params.texts("payment_method_types")
    if len(types) > 1 or not set(types) <= METHODS.keys():
        raise RequestError(
            f"The sandbox takes exactly one payment method type, of {sorted(METHODS)}",
            param="allowed_payment_method_types",
        )
    return types[0] if types else "card"


def _capture_method(params: Params, method: str) -> str:
    wanted = params.text("capture_method") or "automatic"
    if wanted not in ("automatic", "automatic_async", "manual"):
        raise RequestError("Invalid capture_method", param="capture_method")
    if wanted == "manual" and not METHODS[method].holds:
        raise RequestError(
            f"The payment method {method} does not support manual capture.",
            param="capture_method",
        )
    return "manual" if wanted == "manual" else "automatic"


def _token(params: Params, method: str) -> str | None:
    """payment_method, or payment_method_data[type]=T with [T][token]; None when neither."""
    data = params.nested("payment_method_data")
    if not data.fields:
        return params.text("payment_method")
    kind = data.needed("type")
    if kind != method or params.text("payment_method"):
        raise RequestError(
            f"payment_method_data must stand alone and be of type {method}",
            param="payment_method_data",
        )
    return data.nested(kind).text("token") or DEFAULT_TOKEN


def _slip_days(params: Params) -> int | None:
    """payment_method_options[boleto][expires_after_days]; None when absent."""
    options = params.nested("payment_method_options").nested("boleto")
    days = options.positive("expires_after_days")
    if days is not None and days > MOST_SLIP_DAYS:
        raise RequestError(
            f"expires_after_days must be no more than {MOST_SLIP_DAYS}",
            param="payment_method_options[boleto][expires_after_days]",
        )
    return days
