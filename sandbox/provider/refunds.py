"""Send money back: never more than was taken, never for a method that has no way back."""

from __future__ import annotations

from sandbox.faults import FaultBook
from sandbox.provider.calls import Call, token_faults
from sandbox.provider.errors import RefusedError, RequestError
from sandbox.provider.ledger import Ledger
from sandbox.provider.lifecycle import Event
from sandbox.provider.params import Params
from sandbox.provider.records import Intent, Reply
from sandbox.provider.tokens import UNDO, Operation
from sandbox.provider.wire import dumps, refund_json

REASONS = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
UNAVAILABLE_TOKEN = "tok_refund_unavailable"  # noqa: S105  a fault, not a secret


class Refunds:
    """What can be done with money that was taken."""

    def __init__(self, *, ledger: Ledger, fault_book: FaultBook) -> None:
        self._ledger = ledger
        self._fault_book = fault_book

    def plan_create(self, params: Params) -> Call:
        """POST /v1/refunds. Raises RequestError and MissingError."""
        params.only("payment_intent", "amount", "reason", "metadata")
        intent_id = params.needed("payment_intent")
        asked = params.positive("amount")
        reason = params.text("reason")
        if reason is not None and reason not in REASONS:
            raise RequestError(f"Invalid reason: must be one of {sorted(REASONS)}", param="reason")
        metadata = params.metadata()
        found = self._ledger.intent(intent_id, param="payment_intent")

        def act() -> Reply:
            intent = self._ledger.intent(intent_id, param="payment_intent")
            self._ledger.step(intent, Event.REFUNDED)
            amount = _refundable(intent, asked)
            refund = self._ledger.add_refund(
                intent, amount=amount, reason=reason, metadata=metadata
            )
            return Reply(200, dumps(refund_json(refund)))

        return Call(
            subject=intent_id,
            operations=(Operation.REFUND,),
            faults=token_faults(found.last_token),
            act=act,
        )

    def restore(self, intent_id: str | None) -> int:
        """Void and refund work again for one intent, or for all there are; how many that was.

        Inside the caller's transaction. Raises MissingError.
        """
        if intent_id is None:
            ids = self._ledger.ids_with_token(UNAVAILABLE_TOKEN)
        else:
            ids = [self._ledger.intent(intent_id).id]
        for found in ids:
            self._fault_book.restore(subject=found, operations=UNDO)
        return len(ids)


def _refundable(intent: Intent, asked: int | None) -> int:
    """The amount to send back, minor units. Raises RefusedError."""
    if not intent.rules.refundable:
        raise RefusedError(
            f"Payments made with {intent.method} cannot be refunded.",
            code="charge_not_refundable",
            param="payment_intent",
        )
    left = intent.amount_received - intent.amount_refunded
    if left == 0:
        raise RefusedError(
            f"Charge {intent.charge_id} has already been refunded.",
            code="charge_already_refunded",
        )
    amount = left if asked is None else asked
    if amount > left:
        raise RefusedError(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )
    return amount
