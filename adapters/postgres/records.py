"""What remote steps write down: intent before they ask, the answer after. Short transactions only.

Nothing here waits for a provider. Every method may be called again with the same arguments.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from adapters.postgres import fence
from adapters.postgres.history import LockedOrder, OrderMissing, lock_order, record
from adapters.postgres.ledger import Ledger
from adapters.postgres.pool import Connection, Pool, load_queries, reading, transaction
from ordersaga.history import Happening
from ordersaga.keys import Step
from ordersaga.lifecycle import FINAL, FulfillmentStatus, PaymentStatus
from ordersaga.order import Refusal, Vote
from ordersaga.ports import (
    Begun,
    Booking,
    Destination,
    Op,
    PaymentRequest,
    ProviderPayment,
    RemoteParcel,
    RemotePayment,
)

_sql = load_queries("saga")

SKIP_ECHO_S: Final = (
    60  # an attempt under way when its step was skipped fails within 20 s, or never
)
WRONG_AMOUNT: Final = "wrong_amount"  # paid or captured short or over: all of it goes back

_OPEN = (PaymentStatus.UNPAID, PaymentStatus.REQUIRES_ACTION)
_NOT_TAKEN = (*_OPEN, PaymentStatus.AUTHORIZED)
# Money may yet turn up: a reply was lost, or a late duplicate succeeded after the decline.
_NOT_KNOWN_TAKEN = (*_NOT_TAKEN, PaymentStatus.FAILED)


class PostgresRecords:
    """Fills the port `ordersaga.ports.Records`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ledger = Ledger()

    async def payment(self, step: Step, payment_id: str) -> RemotePayment:
        async with reading(self._pool) as connection:
            row = await _sql.read_payment(connection, payment_id=payment_id)
        request = PaymentRequest(
            key=step.key,
            order_id=row["order_id"],
            payment_id=row["id"],
            method=row["method"],
            token=row["token"],
            amount=row["amount"],
            currency=row["currency"],
        )
        return RemotePayment(request, row["provider_ref"], captured=row["captured"])

    async def parcel(self, shipment_id: str) -> RemoteParcel:
        async with reading(self._pool) as connection:
            row = await _sql.read_parcel(connection, shipment_id=shipment_id)
        return RemoteParcel(row["order_id"], row["carrier"], row["service"], row["country"])

    async def begin(self, step: Step) -> Begun:
        async with transaction(self._pool) as connection:
            status = await _lock_status(connection, step.order_id)
            names = [step.name]
            vote: Vote | None
            if fence.is_barred(step.name, status):
                late = await fence.answer_late(connection, step.order_id, names, step.generation)
                vote = late[step.name]
            else:
                holds = await fence.begin_holds(connection, step.order_id, names, step.generation)
                vote = holds.earlier.get(step.name)
        undone = vote is not None and vote.refusal == fence.too_late(step.name).refusal
        return Begun(vote=vote, undone=undone)

    async def may_take(self, step: Step) -> Vote | None:
        async with transaction(self._pool) as connection:
            status = await _lock_status(connection, step.order_id)
            is_late = fence.is_barred(step.name, status) or await fence.is_undo_begun(
                connection, step.order_id, step.name, step.generation
            )
        return fence.too_late(step.name) if is_late else None

    async def keep_reference(self, step: Step, payment_id: str, reference: str) -> str | None:
        async with transaction(self._pool) as connection:
            if fence.is_barred(step.name, await _lock_status(connection, step.order_id)):
                return None
            kept: str | None = await _sql.keep_reference(
                connection,
                order_id=step.order_id,
                step=step.name,
                generation=step.generation,
                payment_id=payment_id,
                reference=reference,
            )
            return kept

    async def begin_undo(self, step: Step) -> Literal["never_began", "undo", "undone"]:
        async with transaction(self._pool) as connection:
            # After this lock, every reference that will ever be asked by is in our tables.
            if await _lock_status(connection, step.order_id) in FINAL:
                return "undone"  # or given up by an operator
            written = (
                await fence.begin_undos(connection, step.order_id, [step.name], step.generation)
            )[step.name]
            if "hold" in written:
                return "never_began"
            if await fence.is_undone(connection, step.order_id, step.name, step.generation):
                return "undone"
            return "undo"

    async def payment_answered(self, step: Step, payment_id: str, answer: ProviderPayment) -> Vote:
        vote = _payment_vote(step, answer)
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            earlier = await fence.read_vote(connection, step)
            if earlier is not None:
                return earlier
            is_waiting = vote.answer == "waiting"
            if is_waiting or _has_next_action(order, payment_id):
                await _sql.set_next_action(
                    connection,
                    payment_id=payment_id,
                    next_action=answer.next_action if is_waiting else None,
                )
            if not is_waiting:
                await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            happenings = _answered(order, payment_id, answer)
            await record(connection, order, *happenings, *_cleared(order, step.name))
        return vote

    async def payment_refused(self, step: Step, payment_id: str, refusal: Refusal) -> Vote:
        vote = Vote.no(step.name, refusal)
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            earlier = await fence.read_vote(connection, step)
            if earlier is not None:
                return earlier
            happenings = []
            if order.state.payment(payment_id).status == PaymentStatus.UNPAID:
                happenings.append(
                    Happening.of("payment.failed", payment_id=payment_id, code=refusal.code)
                )
            await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            await record(connection, order, *happenings)
        return vote

    async def payment_captured(self, step: Step, payment_id: str, answer: ProviderPayment) -> Vote:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            if answer.state == "taken":
                happenings = _captured(order, payment_id, answer.captured)
                vote = _payment_vote(step, answer)
            else:
                refusal = answer.refusal or Refusal(
                    "payment", "capture_declined", f"the hold is {answer.state}"
                )
                is_known = order.state.payment(payment_id).failure_code is not None
                happenings = (
                    []
                    if is_known or order.state.status in FINAL
                    else [Happening.of("payment.refused", payment_id=payment_id, code=refusal.code)]
                )
                vote = Vote.no(step.name, refusal)
            await record(connection, order, *happenings)
        return vote

    async def payment_given_back(
        self,
        step: Step,
        op: Op,
        payment_id: str,
        *,
        amount: int,
        to: Destination,
    ) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            happenings = _given_back(order, payment_id, amount, to)
            if to == "store_credit" and happenings:
                await self._ledger.credit_customer(
                    connection, order, step=step, amount=amount, reason=step.name
                )
            await fence.store_votes(
                connection, step.order_id, op, [Vote.yes(step.name)], step.generation
            )
            await record(connection, order, *happenings, *_cleared(order, step.name))

    async def parcel_answered(
        self, step: Step, shipment_id: str, answer: Booking | Refusal
    ) -> Vote:
        refusal = answer if isinstance(answer, Refusal) else None
        vote = (
            Vote.yes(step.name, answer.tracking_number)
            if isinstance(answer, Booking)
            else Vote.no(step.name, answer)
        )
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            if order.state.status in FINAL:
                return vote  # nobody asks any more, and the carrier has canceled it by now
            earlier = await fence.read_vote(connection, step)
            if earlier is not None:
                return earlier
            happenings = []
            if refusal is not None:
                happenings.append(
                    Happening.of("parcel.refused", code=refusal.code, detail=refusal.detail)
                )
            else:
                await _sql.set_tracking_number(
                    connection, shipment_id=shipment_id, tracking_number=vote.reference
                )
                late = await fence.is_undone(
                    connection, step.order_id, step.name, step.generation
                )  # the carrier has canceled it by now: that answer counts
                if order.state.fulfillment_status == FulfillmentStatus.UNFULFILLED and not late:
                    carrier = order.shipment["carrier"]
                    happenings.append(Happening.of("parcel.booked", carrier=carrier))
            await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            await record(connection, order, *happenings, *_cleared(order, step.name))
        return vote

    async def parcel_released(self, step: Step, shipment_id: str, refusal: Refusal | None) -> Vote:
        vote = Vote.yes(step.name) if refusal is None else Vote.no(step.name, refusal)
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            if order.state.status in FINAL:
                return vote  # nobody asks any more
            if refusal is not None:
                happenings = [Happening.of("parcel.refused", code=refusal.code)]
            elif order.shipment["released_at"] is None:
                await _sql.set_released(connection, shipment_id=shipment_id)
                happenings = [Happening.of("parcel.released")]
            else:
                happenings = []
            await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            await record(connection, order, *happenings, *_cleared(order, step.name))
        return vote

    async def parcel_canceled(self, step: Step) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            booked = order.state.fulfillment_status == FulfillmentStatus.BOOKED
            happenings = [Happening.of("parcel.canceled")] if booked else []
            await fence.store_votes(
                connection, step.order_id, "undo", [Vote.yes(step.name)], step.generation
            )
            await record(connection, order, *happenings, *_cleared(order, step.name))

    async def raise_attention(self, order_id: str, step: str, error: str, tries: int) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.attention is None and not await _is_given_up(connection, order, step):
                raised = Happening.of(
                    "attention.raised",
                    step=step,
                    error=error,
                    tries=tries,
                    since=datetime.now(UTC).isoformat(),
                    actions=["retry", "skip"],
                )
                await record(connection, order, raised)


async def _lock_status(connection: Connection, order_id: str) -> str:
    """Takes the order's lock; its status is then what it stays. Raises `OrderMissing`."""
    status: str | None = await _sql.lock_status(connection, order_id=order_id)
    if status is None:
        raise OrderMissing(order_id)
    return status


async def _is_given_up(connection: Connection, order: LockedOrder, step: str) -> bool:
    """Whether a failure of this step concerns nobody any more: a late one, or one of a skipped step.

    One that fails on long after its skip is news again: its workflow was not at that step.
    """
    status = order.state.status
    is_late_release = step.startswith("release:") and fence.is_barred(step, status)
    if status in FINAL or is_late_release:
        return True
    given_up: bool = await _sql.is_given_up(
        connection,
        order_id=order.id,
        step=step,
        echo_s=SKIP_ECHO_S,
    )
    return given_up


def _payment_vote(step: Step, answer: ProviderPayment) -> Vote:
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


def _has_next_action(order: LockedOrder, payment_id: str) -> bool:
    return any(p["id"] == payment_id and p["next_action"] for p in order.payments)


def _answered(order: LockedOrder, payment_id: str, answer: ProviderPayment) -> list[Happening]:
    """What the provider's answer moves; nothing where our tables have it already."""
    status = order.state.payment(payment_id).status
    match answer.state:
        case "held" if status in _OPEN:
            return [Happening.of("payment.authorized", payment_id=payment_id)]
        case "taken":
            return _captured(order, payment_id, answer.captured)
        case "requires_action" | "processing" if status == PaymentStatus.UNPAID:
            return [Happening.of("payment.requires_action", payment_id=payment_id)]
        case "unconfirmed" | "canceled" if status in _NOT_TAKEN:
            code = answer.refusal.code if answer.refusal else "payment_canceled"
            return [Happening.of("payment.failed", payment_id=payment_id, code=code)]
    return []


def _captured(order: LockedOrder, payment_id: str, amount: int) -> list[Happening]:
    if order.state.payment(payment_id).status not in _NOT_TAKEN:
        return []
    return [Happening.of("payment.captured", payment_id=payment_id, amount=amount)]


def _given_back(
    order: LockedOrder, payment_id: str, amount: int, to: Destination
) -> list[Happening]:
    payment = order.state.payment(payment_id)
    if amount == 0:
        if payment.status not in _NOT_TAKEN:
            return []
        if payment.failure_code is None:
            return [Happening.of("payment.voided", payment_id=payment_id)]
        return [Happening.of("payment.failed", payment_id=payment_id, code=payment.failure_code)]
    if payment.status in (PaymentStatus.REFUNDED, PaymentStatus.VOIDED):
        return []
    refunded = Happening.of("payment.refunded", payment_id=payment_id, amount=amount, to=to)
    if payment.status in _NOT_KNOWN_TAKEN:
        return [Happening.of("payment.captured", payment_id=payment_id, amount=amount), refunded]
    return [refunded]


def _cleared(order: LockedOrder, step: str) -> list[Happening]:
    """The step that needed a person does not any more."""
    attention = order.state.attention
    if attention is None or attention.get("step") != step:
        return []
    return [Happening.of("attention.cleared", step=step)]
