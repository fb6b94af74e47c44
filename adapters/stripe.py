"""Payments through Stripe's API, with the `stripe` package.

Production and sandbox differ by address and key. No idempotency keys: Stripe replays saved errors and
forgets keys after a day. What makes a step safe to repeat is its reference: a payment is made without
asking for money, its id is stored, and everything after goes by that id, whose state at Stripe
refuses what was done before or is dead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

import stripe
from pydantic import JsonValue

from ordersaga.errors import ProviderAnswerWrong, ProviderUnavailable
from ordersaga.methods import METHODS
from ordersaga.order import Refusal
from ordersaga.ports import MoneyState, PaymentRequest, ProviderPayment

T = TypeVar("T")

REQUEST_TIMEOUT_S: Final = 15  # Stripe ends its own work after 10 or so
REFUNDS_PER_PAGE: Final = 100  # Stripe's most

# Our method → what Stripe calls its kind.
_TYPES: Final = {
    "card": "card",
    "debit_card": "card",
    "alipay": "alipay",
    "wechat_pay": "wechat_pay",
    "boleto": "boleto",
}
_STATES: Final[dict[str, MoneyState]] = {
    "requires_payment_method": "unconfirmed",
    "requires_confirmation": "unconfirmed",
    "requires_action": "requires_action",
    "processing": "processing",
    "requires_capture": "held",
    "succeeded": "taken",
    "canceled": "canceled",
}
_FAILED_REFUNDS: Final = ("failed", "canceled")  # nothing went back: it is asked for again
_UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"
_BUSY_STATUS: Final = 409  # another request on the same payment is under way


class StripeGateway:
    """Fills the port `ordersaga.ports.PaymentGateway`."""

    def __init__(self, *, api_key: str, base_url: str) -> None:
        self._http = stripe.HTTPXClient(timeout=REQUEST_TIMEOUT_S)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base_url},
            http_client=self._http,
            max_network_retries=0,  # the workflow retries
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    async def aclose(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # stripe leaves it untyped

    async def create(self, request: PaymentRequest) -> str | Refusal:
        kind = _TYPES[request.method]
        params: Any = {
            "amount": request.amount,
            "currency": request.currency.lower(),
            "allowed_payment_method_types": [kind],
            "capture_method": "manual" if METHODS[request.method].holdable else "automatic",
            "metadata": {
                "order_id": request.order_id,
                "payment_id": request.payment_id,
                "key": request.key,
            },
        }
        if request.token is None:
            params["payment_method_data"] = {"type": kind}
        else:
            params["payment_method"] = request.token
        try:
            intent = await _answer(self._intents.create_async(params))
        except (stripe.InvalidRequestError, stripe.CardError):
            # Stripe's own sentence may repeat the token.
            return Refusal("payment", "invalid_payment_method", "the provider does not know it")
        return str(intent.id)

    async def confirm(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        return await self._act(self._intents.confirm_async(reference), reference, request)

    async def retrieve(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        return _read(await _answer(self._intents.retrieve_async(reference)), request)

    async def capture(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        try:
            return await self._act(self._intents.capture_async(reference), reference, request)
        except stripe.CardError as error:
            answer = await self.retrieve(reference, request)
            return _with_refusal(answer, Refusal("payment", "capture_declined", _sentence(error)))

    async def cancel(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        answer = await self._act(self._intents.cancel_async(reference), reference, request)
        if answer.state not in ("canceled", "taken"):
            raise ProviderUnavailable(f"{reference} cannot be canceled while it is {answer.state}")
        return answer

    async def refund(
        self, reference: str, request: PaymentRequest, *, amount: int, refund_key: str
    ) -> str:
        """Looked for before it is asked for. Twice at once cannot give back more than was taken."""
        page = await _answer(
            self._refunds.list_async({"payment_intent": reference, "limit": REFUNDS_PER_PAGE})
        )
        for refund in page.data:
            is_ours = _note(refund.metadata, "refund_key") == refund_key
            if is_ours and refund.status not in _FAILED_REFUNDS:
                return str(refund.id)
        params: Any = {
            "payment_intent": reference,
            "amount": amount,
            "metadata": {"refund_key": refund_key, "order_id": request.order_id},
        }
        made = await _answer(self._refunds.create_async(params))
        if made.status in _FAILED_REFUNDS:
            raise ProviderUnavailable(f"the refund is {made.status}")
        return str(made.id)

    async def _act(
        self, call: Awaitable[stripe.PaymentIntent], reference: str, request: PaymentRequest
    ) -> ProviderPayment:
        """One change; where it is refused, how the payment stands says more than the error."""
        try:
            return _read(await _answer(call), request)
        except stripe.CardError as error:
            answer = await self.retrieve(reference, request)
            if answer.state == "held":
                raise  # a capture's decline: the hold is still there
            return _with_refusal(answer, answer.refusal or _decline(None, _sentence(error)))
        except stripe.InvalidRequestError as error:
            if error.code != _UNEXPECTED_STATE:
                raise
            return await self.retrieve(reference, request)


async def _answer(call: Awaitable[T]) -> T:
    """Stripe's answer; an outage is one exception, whatever form it had."""
    try:
        return await call
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable(type(error).__name__) from error
    except stripe.StripeError as error:
        status = error.http_status or 0
        if status >= 500 or status == _BUSY_STATUS:
            raise ProviderUnavailable(f"HTTP {status}") from error
        raise


def _read(intent: stripe.PaymentIntent, request: PaymentRequest) -> ProviderPayment:
    """Believed only where it is the payment that was asked about."""
    asked = (request.amount, request.currency.lower(), request.payment_id)
    answered = (intent.amount, intent.currency, _note(intent.metadata, "payment_id"))
    state = _STATES.get(intent.status)
    if asked != answered or state is None:
        raise ProviderAnswerWrong(f"asked about {asked}, told about {answered}, {intent.status!r}")
    problem = intent.last_payment_error
    refusal = None
    if state == "unconfirmed" and problem is not None:
        refusal = _decline(_note(problem, "decline_code"), _note(problem, "message"))
    return ProviderPayment(
        reference=intent.id,
        state=state,
        amount=intent.amount,
        captured=intent.amount_received or 0,
        refusal=refusal,
        next_action=_next_action(intent),
    )


def _next_action(intent: stripe.PaymentIntent) -> Mapping[str, JsonValue] | None:
    """What the payer has to do, as Stripe says it: `type` and, under that name, its details."""
    if intent.next_action is None:
        return None
    action: dict[str, JsonValue] = intent.next_action.to_dict()
    return action


def _note(thing: Any, name: str) -> str | None:
    """A field that Stripe may leave out: of an error, or of what we wrote beside a payment."""
    return thing[name] if thing and name in thing else None


def _decline(decline_code: str | None, sentence: str | None) -> Refusal:
    code = "insufficient_funds" if decline_code == "insufficient_funds" else "card_declined"
    return Refusal("payment", code, sentence or "the provider refused")


def _sentence(error: stripe.StripeError) -> str:
    return error.user_message or "the provider refused"


def _with_refusal(answer: ProviderPayment, refusal: Refusal) -> ProviderPayment:
    return ProviderPayment(
        answer.reference, answer.state, answer.amount, answer.captured, refusal, answer.next_action
    )
