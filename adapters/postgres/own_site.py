"""Our own site: stock, ledger and the merchant's parcel held, decided and given back together.

Participants that share a database need no saga between them: each method here is one transaction.
Order in each: the order's lock, the fence or the decision row, goods and money, history last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from adapters.postgres import fence, stock
from adapters.postgres.history import LockedOrder, lock_order, record
from adapters.postgres.ledger import Ledger, LedgerPayment, ledger_payments
from adapters.postgres.pool import Connection, Pool, load_queries, transaction
from ordersaga import keys
from ordersaga.errors import IllegalMove
from ordersaga.history import Happening
from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, Status
from ordersaga.order import CANCEL_ASKED, MERCHANT, Decision, Refusal, Standing, Vote

_sql = load_queries("saga")

NOT_HELD: Final = "not_held"  # somebody's yes is missing at the decision
GIVEN_BACK: Final = (Status.REJECTED, Status.CANCELED, Status.RETURNED)


class PostgresOwnSite:
    """Fills the port `ordersaga.ports.OwnSite`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ledger = Ledger()

    async def hold(self, order_id: str, steps: Sequence[str]) -> tuple[Vote, ...]:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if any(fence.is_barred(step, order.state.status) for step in steps):
                late = await fence.answer_late(connection, order_id, steps)
                return tuple(late[step] for step in steps)
            holds = await fence.begin_holds(connection, order_id, steps)
            votes, happenings = await self._hold_fresh(connection, order, holds.fresh)
            await fence.store_votes(connection, order_id, "hold", votes)
            await record(connection, order, *happenings)
        answers = {vote.step: vote for vote in votes}
        return tuple(answers.get(step) or _earlier(holds, step) for step in steps)

    async def decide(
        self, order_id: str, objection: Refusal | None, *, nothing_else: bool
    ) -> Decision:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if objection is None:
                objection = CANCEL_ASKED if order.cancel_requested else _lacking(order)
            if not await _write_decision(connection, order, objection):
                return await _read_decision(connection, order)
            if objection is None:
                return Decision("confirm", None, _standing(await self._confirm(connection, order)))
            order = await self._undo(connection, order, objection, nothing_else=nothing_else)
            return Decision("undo", objection, _standing(order))

    async def close(self, order_id: str) -> Standing:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.status == Status.COMPENSATING:
                decision = await _read_decision(connection, order)
                assert decision.failure is not None
                order = await _end(connection, order, decision.failure, ())
            return _standing(order)

    async def open_reversal(self, order_id: str, failure: Refusal) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.status == Status.COMPENSATING or order.state.status in GIVEN_BACK:
                return
            reversing = Happening.of("order.reversing", failure=asdict(failure))
            happenings = [*_canceled_parcel(order), *_relieved(order), reversing]
            await record(connection, order, *happenings)
            await _answer_cancels(connection, order_id, "accepted")

    async def reverse(self, order_id: str) -> Standing:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.status in GIVEN_BACK:
                return _standing(order)
            if fence.is_barred(keys.RESTOCK, order.state.status):
                raise IllegalMove(machine="status", state=order.state.status, move="order.canceled")
            refunds = ledger_payments(order)
            steps = [keys.RESTOCK, *(keys.refund_step(p.id) for p in refunds)]
            if not (await fence.begin_holds(connection, order_id, steps)).fresh:
                return _standing(order)
            happenings = [*await stock.restock(connection, order)]
            taken = [p for p in refunds if order.state.payment(p.id).captured]
            await self._ledger.give_back(connection, order, taken, source="sales")
            happenings += [_refunded(p) for p in taken]
            await fence.store_votes(connection, order_id, "hold", [Vote.yes(s) for s in steps])
            happenings += [*_relieved(order), Happening.of("order.canceled")]
            await _answer_others(connection, order_id)
            return _standing(await record(connection, order, *happenings))

    async def refuse_cancel(self, order_id: str, refusal: Refusal) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            happenings = _relieved(order, keys.parcel_step(str(order.shipment["id"])))
            if order.cancel_requested:
                await _answer_cancels(connection, order_id, "refused")
                happenings.append(
                    Happening.of("cancel.refused", code=refusal.code, detail=refusal.detail)
                )
            await record(connection, order, *happenings)

    async def _hold_fresh(
        self, connection: Connection, order: LockedOrder, fresh: frozenset[str]
    ) -> tuple[list[Vote], list[Happening]]:
        votes: list[Vote] = []
        happenings: list[Happening] = []
        if keys.STOCK in fresh:
            vote, happening = await stock.reserve(connection, order)
            votes.append(vote)
            happenings.append(happening)
        payments = [p for p in ledger_payments(order) if p.step in fresh]
        if payments:
            ledger_votes = await self._ledger.hold(connection, order, payments)
            votes += ledger_votes
            happenings += [_held(p, v) for p, v in zip(payments, ledger_votes, strict=True)]
        parcel = keys.parcel_step(str(order.shipment["id"]))
        if parcel in fresh:
            votes.append(Vote.yes(parcel))
            happenings.append(Happening.of("parcel.booked", carrier=MERCHANT))
        return votes, happenings

    async def _confirm(self, connection: Connection, order: LockedOrder) -> LockedOrder:
        """Takes all that our site holds."""
        ours = ledger_payments(order)
        await stock.commit(connection, order)
        await self._ledger.take(connection, order, ours)
        taken = [Happening.of("payment.captured", payment_id=p.id, amount=p.amount) for p in ours]
        return await record(connection, order, *taken, Happening.of("order.confirmed"))

    async def _undo(
        self,
        connection: Connection,
        order: LockedOrder,
        objection: Refusal,
        *,
        nothing_else: bool,
    ) -> LockedOrder:
        """Bars our own steps and gives back what they hold; ends the order if that is all."""
        ours = ledger_payments(order)
        parcel_is_ours = order.shipment["carrier"] == MERCHANT
        parcel = [keys.parcel_step(str(order.shipment["id"]))] if parcel_is_ours else []
        steps = [keys.STOCK, *(p.step for p in ours), *parcel]
        await fence.begin_undos(connection, order.id, steps)
        happenings = [*await stock.release(connection, order)]
        held = [p for p in ours if order.state.payment(p.id).status == PaymentStatus.AUTHORIZED]
        await self._ledger.give_back(connection, order, held, source="held")
        happenings += [Happening.of("payment.voided", payment_id=p.id) for p in held]
        if parcel_is_ours:
            happenings += _canceled_parcel(order)
        await fence.store_votes(connection, order.id, "undo", [Vote.yes(s) for s in steps])
        if nothing_else:
            return await _end(connection, order, objection, happenings)
        happenings.append(Happening.of("order.compensating", failure=asdict(objection)))
        return await record(connection, order, *happenings)


async def _write_decision(
    connection: Connection, order: LockedOrder, objection: Refusal | None
) -> bool:
    """False: somebody had decided before."""
    written = await _sql.write_decision(
        connection,
        order_id=order.id,
        decision="confirm" if objection is None else "undo",
        failure=None if objection is None else asdict(objection),
    )
    return written is not None


async def _read_decision(connection: Connection, order: LockedOrder) -> Decision:
    row = await _sql.read_decision(connection, order_id=order.id)
    failure = Refusal(**row["failure"]) if row["failure"] else None
    return Decision(row["decision"], failure, _standing(order))


def _standing(order: LockedOrder) -> Standing:
    return Standing(order.state.status, order.state.payment_status)


async def _end(
    connection: Connection,
    order: LockedOrder,
    failure: Refusal,
    happenings: Sequence[Happening],
) -> LockedOrder:
    """The order's last event: everything that anybody held is given back."""
    voided_now = {h.data.get("payment_id") for h in happenings}
    never_asked = [
        Happening.of("payment.voided", payment_id=p.id)
        for p in order.state.payments
        if p.status == PaymentStatus.UNPAID and p.id not in voided_now
    ]
    event = f"order.{_final_status(failure)}"
    last = Happening.of(event, failure=asdict(failure))
    await _answer_cancels(connection, order.id, "accepted")
    await _answer_others(connection, order.id)
    return await record(connection, order, *happenings, *never_asked, *_relieved(order), last)


def _final_status(failure: Refusal) -> str:
    return Status.CANCELED if failure.is_withdrawal else Status.REJECTED


async def _answer_cancels(connection: Connection, order_id: str, answer: str) -> None:
    await _sql.answer_requests(connection, order_id=order_id, kind="cancel", answer=answer)


async def _answer_others(connection: Connection, order_id: str) -> None:
    """Of an order that ends: nobody is left to deliver to what its workflow may not have heard."""
    await _sql.answer_requests(connection, order_id=order_id, kind="pay", answer="refused")
    await _sql.answer_requests(connection, order_id=order_id, kind="attention", answer="accepted")


def _relieved(order: LockedOrder, step: str | None = None) -> list[Happening]:
    """Nothing that keeps failing matters any more: not `step`, or nothing at all."""
    attention = order.state.attention
    if attention is None or step not in (None, attention.get("step")):
        return []
    return [Happening.of("attention.cleared", step=attention.get("step"))]


def _lacking(order: LockedOrder) -> Refusal | None:
    """Whose yes is missing: ours authorized, the others taken whole, the total covered, all reserved.

    Nothing is, unless there is a bug: then undo is right, and waiting for ever is not.
    """
    own_ids = {p.id for p in ledger_payments(order)}
    for payment in order.state.payments:
        is_ours = payment.id in own_ids
        wanted = PaymentStatus.AUTHORIZED if is_ours else PaymentStatus.CAPTURED
        if payment.status != wanted or not (is_ours or payment.is_whole):
            return Refusal("payment", NOT_HELD, f"{payment.id} is {payment.status}")
    if sum(p.amount for p in order.state.payments) != order.total:
        return Refusal("payment", NOT_HELD, "the payments do not come to the total")
    if order.state.fulfillment_status != FulfillmentStatus.BOOKED:
        return Refusal("parcel", NOT_HELD, f"the parcel is {order.state.fulfillment_status}")
    if not order.is_reserved:
        return Refusal("stock", NOT_HELD, "the goods are not reserved")
    return None


def _earlier(holds: fence.Holds, step: str) -> Vote:
    vote = holds.earlier[step]
    assert vote is not None, "a hold of our own site commits together with its vote"
    return vote


def _held(payment: LedgerPayment, vote: Vote) -> Happening:
    if vote.refusal is None:
        return Happening.of("payment.authorized", payment_id=payment.id)
    return Happening.of("payment.failed", payment_id=payment.id, code=vote.refusal.code)


def _refunded(payment: LedgerPayment) -> Happening:
    return Happening.of(
        "payment.refunded", payment_id=payment.id, amount=payment.amount, to=payment.kind
    )


def _canceled_parcel(order: LockedOrder) -> list[Happening]:
    if order.state.fulfillment_status != FulfillmentStatus.BOOKED:
        return []
    return [Happening.of("parcel.canceled")]
