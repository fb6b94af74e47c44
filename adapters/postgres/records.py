"""What remote steps write down: intent before they ask, the answer after. Short transactions only.

Nothing here waits for a provider. Every method may be called again with the same arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import asyncpg
from pydantic import JsonValue

from adapters.postgres import attention, examining, fence, provider_answers, refunds
from adapters.postgres.attention import cleared
from adapters.postgres.history import LockedOrder, OrderMissing, lock_order, record
from adapters.postgres.ledger import Ledger
from adapters.postgres.pool import Connection, Pool, load_queries, reading, transaction
from ordersaga.errors import ProviderAnswerWrong
from ordersaga.history import Happening
from ordersaga.keys import Step
from ordersaga.lifecycle import FINAL, FulfillmentStatus, PaymentStatus
from ordersaga.messages import PaymentNews
from ordersaga.order import RefundPlan, Refusal, Vote
from ordersaga.ports import (
    Booking,
    Destination,
    PaymentRequest,
    ProviderPayment,
    RemoteParcel,
    RemotePayment,
)

_sql = load_queries("saga")


class PostgresRecords:
    """Fills the port `ordersaga.ports.Records`. `payer_patience_s`: no payer is waited for longer."""

    def __init__(self, pool: Pool, *, payer_patience_s: int) -> None:
        self._pool = pool
        self._ledger = Ledger()
        self._payer_patience_s = payer_patience_s

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

    async def begin(self, step: Step) -> Vote | None:
        async with transaction(self._pool) as connection:
            status = await _lock_status(connection, step.order_id)
            names = [step.name]
            if (settled := await _settled_vote(connection, step)) is not None:
                return settled
            if fence.is_barred(step.name, status):
                late = await fence.answer_late(connection, step.order_id, names, step.generation)
                return late[step.name]
            holds = await fence.begin_holds(connection, step.order_id, names, step.generation)
            return holds.earlier.get(step.name)

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
            if await _was_settled_by_hand(connection, step):
                return "undone"
            written = (
                await fence.begin_undos(connection, step.order_id, [step.name], step.generation)
            )[step.name]
            if "hold" in written:
                return "never_began"
            if await fence.is_undone(connection, step.order_id, step.name, step.generation):
                return "undone"
            return "undo"

    async def payment_answered(self, step: Step, payment_id: str, answer: ProviderPayment) -> Vote:
        vote = provider_answers.vote_of(step, answer)
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            earlier = await fence.read_vote(connection, step)
            if earlier is not None:
                return earlier
            if vote.answer == "waiting":
                vote = await self._keep_waiting(connection, order, payment_id, answer, vote)
            else:
                if provider_answers.was_waiting(order, payment_id):
                    await _set_waiting(connection, payment_id, None, None)
                await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            happenings = provider_answers.answered(order, payment_id, answer)
            await record(connection, order, *happenings, *cleared(order, step.name))
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
                happenings = provider_answers.captured(order, payment_id, answer.captured)
                vote = provider_answers.vote_of(step, answer)
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
        self, step: Step, payment_id: str, *, amount: int, to: Destination
    ) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            happenings = provider_answers.given_back(order, payment_id, amount, to)
            if to == "store_credit" and happenings:
                await self._credit(connection, order, step, amount)
            if provider_answers.was_waiting(order, payment_id):
                await _set_waiting(connection, payment_id, None, None)
            await fence.store_votes(
                connection, step.order_id, "undo", [Vote.yes(step.name)], step.generation
            )
            await record(connection, order, *happenings, *cleared(order, step.name))

    async def refunded(self, step: Step, plan: RefundPlan, *, to: Destination) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            happenings = []
            if (refund := refunds.find(order, plan.id)) is not None and not refund.is_done:
                if to == "store_credit":
                    await self._credit(connection, order, step, refund.amount)
                plan = refunds.plan_of(order, refund)
                happenings = await refunds.mark_refunded(connection, order, [plan], to=[to])
            await fence.store_votes(
                connection, step.order_id, "hold", [Vote.yes(step.name)], step.generation
            )
            await record(connection, order, *happenings, *cleared(order, step.name))

    async def payment_examined(
        self, news: PaymentNews, answer: ProviderPayment
    ) -> tuple[RefundPlan, ...]:
        async with transaction(self._pool) as connection:
            payment = await _sql.read_payment(connection, payment_id=news.payment_id)
            order = await lock_order(connection, payment["order_id"])
            return await examining.examine(connection, order, news, answer)

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
                await _keep_tracking_number(connection, shipment_id, vote.reference)
                late = await fence.is_undone(
                    connection, step.order_id, step.name, step.generation
                )  # the carrier has canceled it by now: that answer counts
                if order.state.fulfillment_status == FulfillmentStatus.UNFULFILLED and not late:
                    carrier = order.shipment["carrier"]
                    happenings.append(Happening.of("parcel.booked", carrier=carrier))
            await fence.store_votes(connection, step.order_id, "hold", [vote], step.generation)
            await record(connection, order, *happenings, *cleared(order, step.name))
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
            await record(connection, order, *happenings, *cleared(order, step.name))
        return vote

    async def parcel_canceled(self, step: Step) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, step.order_id)
            if order.state.status in FINAL:
                return  # nobody asks any more
            booked = order.state.fulfillment_status == FulfillmentStatus.BOOKED
            happenings = [Happening.of("parcel.canceled")] if booked else []
            await _sql.set_parcel_canceled(connection, shipment_id=order.shipment["id"])
            await fence.store_votes(
                connection, step.order_id, "undo", [Vote.yes(step.name)], step.generation
            )
            await record(connection, order, *happenings, *cleared(order, step.name))

    async def raise_attention(self, order_id: str, step: str, error: str, tries: int) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            called = await attention.call(connection, order, step=step, error=error, tries=tries)
            await record(connection, order, *called)

    async def _keep_waiting(
        self,
        connection: Connection,
        order: LockedOrder,
        payment_id: str,
        answer: ProviderPayment,
        vote: Vote,
    ) -> Vote:
        """What the payer has to do, and until when; a later look does not move that."""
        expires_at = provider_answers.waits_until(
            order,
            payment_id,
            answer,
            now=datetime.now(UTC),
            patience_s=self._payer_patience_s,
        )
        if order.state.status not in FINAL:
            await _set_waiting(connection, payment_id, answer.next_action, expires_at)
        return replace(vote, expires_at=expires_at)

    async def _credit(
        self, connection: Connection, order: LockedOrder, step: Step, amount: int
    ) -> None:
        await self._ledger.credit_customer(
            connection, order, step=step, amount=amount, reason=step.name
        )


async def _keep_tracking_number(
    connection: Connection, shipment_id: str, tracking_number: str | None
) -> None:
    try:
        await _sql.set_tracking_number(
            connection, shipment_id=shipment_id, tracking_number=tracking_number
        )
    except asyncpg.UniqueViolationError as error:
        raise ProviderAnswerWrong(f"{tracking_number} is another parcel's number") from error


async def _set_waiting(
    connection: Connection,
    payment_id: str,
    next_action: Mapping[str, JsonValue] | None,
    expires_at: datetime | None,
) -> None:
    await _sql.set_waiting(
        connection, payment_id=payment_id, next_action=next_action, expires_at=expires_at
    )


async def _settled_vote(connection: Connection, step: Step) -> Vote | None:
    """Of a step of which other rows than its fence say that there is nothing to do any more.

    Who gave a release or a refund up makes it by hand: no other workflow asks for it again.
    """
    kind = step.name.partition(":")[0]
    if kind not in ("release", "refund"):
        return None
    settled = await refunds.settled_vote(connection, step) if kind == "refund" else None
    if settled is None and await attention.was_skipped(connection, step):
        return Vote.yes(step.name)
    return settled


async def _lock_status(connection: Connection, order_id: str) -> str:
    """Takes the order's lock; its status is then what it stays. Raises `OrderMissing`."""
    status: str | None = await _sql.lock_status(connection, order_id=order_id)
    if status is None:
        raise OrderMissing(order_id)
    return status


async def _was_settled_by_hand(connection: Connection, step: Step) -> bool:
    """An operator gave the undo of a payment up: not to be done again by a workflow that runs again.

    (A parcel's cancel that was given up is no cancel: it may be asked for once more.)
    """
    is_payment = step.name.partition(":")[0] == "payment"
    return is_payment and await attention.was_skipped(connection, step)
