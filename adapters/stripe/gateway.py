"""Payments through Stripe's API, with the `stripe` package.

Production and sandbox differ by address and key. What makes a step safe to repeat is its reference: a
payment is made without asking for money, its id is stored, and everything after goes by that id, whose
state at Stripe refuses what was done before or is dead. So no idempotency keys: Stripe replays saved
errors, and forgets keys after a day. The one exception is a refund, of which there can be several.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, Final

import stripe

from adapters.stripe.answers import parsed, read_payment, read_refund
from adapters.stripe.declines import CAPTURE_DECLINED, METHOD_NOT_AVAILABLE, refusal
from adapters.stripe.errors import Declined, SavedAnswer, WrongState, answered
from adapters.stripe.objects import PaymentIntent, Refund
from ordersaga.errors import ProviderAnswerWrong, ProviderUnavailable
from ordersaga.methods import METHODS, SLIP_DAYS
from ordersaga.order import Refusal
from ordersaga.ports import PaymentRequest, ProviderPayment

REQUEST_TIMEOUT_S: Final = 15  # Stripe ends its own work after 10 or so
REFUNDS_PER_PAGE: Final = 100  # Stripe's most
# Saved errors of one refund that are passed over before it is left until Stripe forgets them.
MOST_SAVED_ANSWERS: Final = 20

# Our method → what Stripe calls its kind.
_TYPES: Final = {
    "card": "card",
    "debit_card": "card",
    "alipay": "alipay",
    "wechat_pay": "wechat_pay",
    "boleto": "boleto",
}
# Stripe's kind → what it has to know of it besides.
_OPTIONS: Final[dict[str, dict[str, object]]] = {
    "wechat_pay": {"client": "web"},  # it then gives a QR code, for any screen
    "boleto": {"expires_after_days": SLIP_DAYS},
}
_WITH_CHARGE: Final = "latest_charge"  # in the same answer: no request of its own


class StripeGateway:
    """Fills the port `ordersaga.ports.PaymentGateway`.

    `return_url`: where payers come back to from a wallet's or a bank's page.
    """

    def __init__(self, *, api_key: str, base_url: str, return_url: str = "") -> None:
        self._http = stripe.HTTPXClient(timeout=REQUEST_TIMEOUT_S)
        client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base_url},
            http_client=self._http,
            max_network_retries=0,  # the workflow retries
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._return_url = return_url

    async def aclose(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # stripe leaves it untyped

    async def create(self, request: PaymentRequest) -> str | Refusal:
        try:
            made = await answered(self._intents.create_async(_new_intent(request)))
        except Declined as no:
            return no.refusal
        intent = parsed(PaymentIntent, made)
        payment = read_payment(intent, request, reference=intent.id)
        if payment.state != "unconfirmed":
            raise ProviderAnswerWrong(f"{intent.id} was to be made only, and is {intent.status!r}")
        taken = intent.payment_method_types
        if taken is not None and _TYPES[request.method] not in taken:
            return refusal(METHOD_NOT_AVAILABLE)
        return payment.reference

    async def confirm(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        params: Any = {"return_url": self._return_url} if self._return_url else {}
        return await self._act(self._intents.confirm_async(reference, params), reference, request)

    async def retrieve(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        params: Any = {"expand": [_WITH_CHARGE]}
        found = await answered(self._intents.retrieve_async(reference, params))
        return read_payment(parsed(PaymentIntent, found), request, reference=reference)

    async def capture(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        answer = await self._act(self._intents.capture_async(reference), reference, request)
        if answer.state == "held":
            return replace(answer, refusal=refusal(CAPTURE_DECLINED))
        return answer

    async def cancel(self, reference: str, request: PaymentRequest) -> ProviderPayment:
        answer = await self._act(self._intents.cancel_async(reference), reference, request)
        if answer.state not in ("canceled", "taken"):
            raise ProviderUnavailable(f"{reference} cannot be canceled while it is {answer.state}")
        return answer

    async def refund(
        self, reference: str, request: PaymentRequest, *, amount: int, refund_key: str
    ) -> str:
        """Looked for before it is asked for: by its key, which it carries beside it.

        Two who ask at the same moment ask with the same idempotency key, so that Stripe makes one.
        An error that is saved under a key, or a refund that failed since, is passed over with the
        next key: the same for everybody, for they all begin with the first.
        """
        params: Any = {
            "payment_intent": reference,
            "amount": amount,
            "metadata": {"refund_key": refund_key, "order_id": request.order_id},
        }
        for turn in range(MOST_SAVED_ANSWERS):
            made = await self._refunds_made(reference, refund_key)
            for earlier in made:
                if found := read_refund(earlier, request, reference=reference, amount=amount):
                    return found
            refund = await self._make_refund(params, f"{reference}:{refund_key}:{turn}")
            if refund is None or refund.id in {failed.id for failed in made}:
                continue
            accepted = read_refund(refund, request, reference=reference, amount=amount)
            if accepted is None:
                raise ProviderUnavailable(f"the refund is {refund.status}")
            return accepted
        raise ProviderUnavailable("every try to refund has failed")

    async def _make_refund(self, params: Any, idempotency_key: str) -> Refund | None:
        """None: an earlier try with this key ended with an error."""
        try:
            made = await answered(
                self._refunds.create_async(params, {"idempotency_key": idempotency_key})
            )
        except SavedAnswer:
            return None
        return parsed(Refund, made)

    async def _refunds_made(self, reference: str, refund_key: str) -> list[Refund]:
        """All that was made for this key, whatever became of it."""
        found = [parsed(Refund, one) for one in await answered(self._refunds_of(reference))]
        return [one for one in found if (one.metadata or {}).get("refund_key") == refund_key]

    async def _refunds_of(self, reference: str) -> list[stripe.Refund]:
        page = await self._refunds.list_async(
            {"payment_intent": reference, "limit": REFUNDS_PER_PAGE}
        )
        return [one async for one in page.auto_paging_iter()]

    async def _act(
        self, call: Awaitable[stripe.PaymentIntent], reference: str, request: PaymentRequest
    ) -> ProviderPayment:
        """One change; where it is refused, how the payment stands says more than the error."""
        try:
            changed = await answered(call)
        except WrongState:
            return await self.retrieve(reference, request)
        except Declined as no:
            answer = await self.retrieve(reference, request)
            return answer if answer.refusal else replace(answer, refusal=no.refusal)
        return read_payment(parsed(PaymentIntent, changed), request, reference=reference)


def _new_intent(request: PaymentRequest) -> Any:
    """The parameters of a payment that nobody is asked money for yet."""
    kind = _TYPES[request.method]
    means: dict[str, object] = (
        {"payment_method_data": {"type": kind}}
        if request.token is None
        else {"payment_method": request.token}
    )
    options = {"payment_method_options": {kind: _OPTIONS[kind]}} if kind in _OPTIONS else {}
    return {
        "amount": request.amount,
        "currency": request.currency.lower(),
        "allowed_payment_method_types": [kind],
        "capture_method": "manual" if METHODS[request.method].holdable else "automatic",
        "metadata": {
            "order_id": request.order_id,
            "payment_id": request.payment_id,
            "key": request.key,
        },
        **means,
        **options,
    }
