"""What a provider's answer is as a vote, and what of it our tables do not have yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from adapters.postgres.history import LockedOrder
from ordersaga.history import Happening
from ordersaga.keys import Step
from ordersaga.lifecycle import PaymentStatus
from ordersaga.methods import METHODS
from ordersaga.order import Refusal, Vote
from ordersaga.ports import Destination, ProviderPayment

WRONG_AMOUNT: Final = "wrong_amount"  # paid or captured short or over: all of it goes back

_OPEN: Final = frozenset({PaymentStatus.UNPAID, PaymentStatus.REQUIRES_ACTION})
NOT_TAKEN: Final = _OPEN | {PaymentStatus.AUTHORIZED}
# Money may yet turn up: a reply was lost, or a late duplicate succeeded after the decline.
NOT_KNOWN_TAKEN: Final = NOT_TAKEN | {PaymentStatus.FAILED}


def vote_of(step: Step, answer: ProviderPayment) -> Vote:
    """What was asked is there, is refused, or waits for its payer."""
    match answer.state:
        case "taken" if answer.captured != answer.amount:
            paid = f"{answer.captured} was paid instead of {answer.amount}"
            return Vote.no(step.name, Refusal("payment", WRONG_AMOUNT, paid))
        case "held" | "taken":
            return Vote.yes(step.name, answer.reference)
        case "requires_action" | "processing":
            return Vote(step.name, "waiting", answer.reference)
        case "unconfirmed" | "canceled":
            refusal = answer.refusal or Refusal(
                "payment", "payment_canceled", "the provider has canceled the payment"
            )
            return Vote.no(step.name, refusal)


def waits_until(
    order: LockedOrder,
    payment_id: str,
    answer: ProviderPayment,
    *,
    now: datetime,
    patience_s: int,
) -> datetime:
    """When its payer has waited too long: said once, so that no look at the payment moves it."""
    row = next(row for row in order.payments if row["id"] == payment_id)
    if row["expires_at"] is not None:
        return datetime.fromisoformat(str(row["expires_at"]))
    method = METHODS[str(row["method"])]
    its_own = method.waits_until(asked_at=now, expires_at=answer.expires_at)
    return min(its_own, now + timedelta(seconds=patience_s))


def was_waiting(order: LockedOrder, payment_id: str) -> bool:
    """Whether our tables say what its payer has to do, or until when."""
    row = next(row for row in order.payments if row["id"] == payment_id)
    return row["next_action"] is not None or row["expires_at"] is not None


def answered(order: LockedOrder, payment_id: str, answer: ProviderPayment) -> list[Happening]:
    """What the provider's answer moves; nothing where our tables have it already."""
    status = order.state.payment(payment_id).status
    match answer.state:
        case "held" if status in _OPEN:
            return [Happening.of("payment.authorized", payment_id=payment_id)]
        case "taken":
            return captured(order, payment_id, answer.captured)
        case "requires_action" | "processing" if status == PaymentStatus.UNPAID:
            return [Happening.of("payment.requires_action", payment_id=payment_id)]
        case "unconfirmed" | "canceled" if status in NOT_TAKEN:
            code = answer.refusal.code if answer.refusal else "payment_canceled"
            return [Happening.of("payment.failed", payment_id=payment_id, code=code)]
    return []


def captured(order: LockedOrder, payment_id: str, amount: int) -> list[Happening]:
    """That it was taken, unless that is known."""
    if order.state.payment(payment_id).status not in NOT_TAKEN:
        return []
    return [Happening.of("payment.captured", payment_id=payment_id, amount=amount)]


def given_back(
    order: LockedOrder, payment_id: str, amount: int, to: Destination
) -> list[Happening]:
    """That an undo left nothing of it with us: with its taking before, where nobody knew of that."""
    payment = order.state.payment(payment_id)
    if amount == 0:
        if payment.status not in NOT_TAKEN:
            return []
        if payment.failure_code is None:
            return [Happening.of("payment.voided", payment_id=payment_id)]
        return [Happening.of("payment.failed", payment_id=payment_id, code=payment.failure_code)]
    if payment.status in (PaymentStatus.REFUNDED, PaymentStatus.VOIDED):
        return []
    refunded = Happening.of("payment.refunded", payment_id=payment_id, amount=amount, to=to)
    if payment.status in NOT_KNOWN_TAKEN:
        return [Happening.of("payment.captured", payment_id=payment_id, amount=amount), refunded]
    return [refunded]
