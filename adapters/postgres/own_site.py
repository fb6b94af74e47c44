"""Our own site: stock, ledger and the merchant's parcel held, decided and given back together.

Participants that share a database need no saga between them: each method here is one transaction.
Order in each: the order's lock, the fence or the decision row, goods and money, history last; a decision that
holds too does so first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from adapters.postgres import decision, fence, refunds, reversal, settling, stock, tracking
from adapters.postgres.attention import cleared, relieved
from adapters.postgres.decision import standing_of
from adapters.postgres.history import LockedOrder, held_until, lock_order, note, record
from adapters.postgres.inbox import tell_again
from adapters.postgres.ledger import Ledger, LedgerPayment, ledger_payments
from adapters.postgres.pool import Connection, Pool, transaction
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.lifecycle import Status
from ordersaga.messages import CarrierNews
from ordersaga.order import (
    MERCHANT,
    Decision,
    Followed,
    RefundPlan,
    Refusal,
    ReturnStanding,
    ReversalOpened,
    Standing,
    Vote,
)


class PostgresOwnSite:
    """Fills the port `ordersaga.ports.OwnSite`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ledger = Ledger()

    async def hold(self, order_id: str, steps: Sequence[str]) -> tuple[Vote, ...]:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            votes, order = await self._hold(connection, order, steps)
            await record(connection, order)
            return votes

    async def decide(
        self,
        order_id: str,
        objection: Refusal | None,
        *,
        nothing_else: bool,
        holding: Sequence[str] = (),
    ) -> Decision:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            votes: tuple[Vote, ...] = ()
            if objection is None:
                votes, order = await self._hold(connection, order, holding)
                objection = next((vote.refusal for vote in votes if vote.refusal), None)
            decided = await decision.decide(
                connection, self._ledger, order, objection, nothing_else=nothing_else
            )
            return replace(decided, votes=votes)

    async def close(self, order_id: str) -> Standing:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.status == Status.COMPENSATING:
                decided = await decision.read_decision(connection, order)
                assert decided.failure is not None
                order = await decision.end_undone(connection, order, decided.failure)
            return standing_of(order)

    async def follow_parcel(self, order_id: str, news: CarrierNews) -> Followed:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            return await tracking.follow_parcel(connection, order, news)

    async def resume(self, order_id: str) -> Followed:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            await tell_again(connection, order_id)
            return await tracking.look_at_parcel(connection, order)

    async def held_until(self, order_id: str) -> datetime | None:
        async with transaction(self._pool) as connection:
            return held_until((await lock_order(connection, order_id)).state.hold)

    async def complete(self, order_id: str) -> Standing:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            if order.state.status == Status.DELIVERED:
                await decision.answer_open(connection, order, cancel="refused")
                completed = Happening.of("order.completed")
                order = await record(connection, order, *relieved(order), completed)
            return standing_of(order)

    async def open_reversal(self, order_id: str, failure: Refusal) -> ReversalOpened:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            return await reversal.open_reversal(connection, order, failure)

    async def reverse(self, order_id: str) -> Standing:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            return await reversal.reverse(connection, self._ledger, order)

    async def look_at_return(self, return_id: str) -> ReturnStanding:
        async with transaction(self._pool) as connection:
            order_id = await settling.find_order_of_return(connection, return_id)
            return settling.look_at_return(await lock_order(connection, order_id), return_id)

    async def settle_return(self, return_id: str) -> str:
        async with transaction(self._pool) as connection:
            order_id = await settling.find_order_of_return(connection, return_id)
            order = await lock_order(connection, order_id)
            return await settling.settle_return(connection, self._ledger, order, return_id)

    async def requested_refunds(self, request_id: str) -> tuple[RefundPlan, ...]:
        async with transaction(self._pool) as connection:
            order_id = await settling.find_order_of_request(connection, request_id)
            if order_id is None:
                return ()
            order = await lock_order(connection, order_id)
            return refunds.open_refunds(order, cause="request", request_id=request_id)

    async def settle_refund(self, request_id: str) -> None:
        async with transaction(self._pool) as connection:
            order_id = await settling.find_order_of_request(connection, request_id)
            if order_id is not None:
                order = await lock_order(connection, order_id)
                await settling.settle_refund(connection, self._ledger, order, request_id)

    async def refuse_cancel(self, order_id: str, refusal: Refusal) -> None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, order_id)
            happenings = cleared(order, keys.parcel_step(str(order.shipment["id"])))
            if order.cancel_requested:
                await decision.answer_cancels(connection, order, "refused")
                happenings.append(
                    Happening.of("cancel.refused", code=refusal.code, detail=refusal.detail)
                )
            await record(connection, order, *happenings)

    async def _hold(
        self, connection: Connection, order: LockedOrder, steps: Sequence[str]
    ) -> tuple[tuple[Vote, ...], LockedOrder]:
        """A vote a step, and the order as it is then; what happened is noted."""
        if not steps:
            return (), order
        if any(fence.is_barred(step, order.state.status) for step in steps):
            late = await fence.answer_late(connection, order.id, steps)
            return tuple(late[step] for step in steps), order
        holds = await fence.begin_holds(connection, order.id, steps)
        votes, happenings = await self._hold_fresh(connection, order, holds.fresh)
        await fence.store_votes(connection, order.id, "hold", votes)
        order = note(order, *happenings)
        answers = {vote.step: vote for vote in votes}
        if keys.STOCK in answers:
            order = replace(order, is_reserved=answers[keys.STOCK].refusal is None)
        return tuple(answers.get(step) or _earlier(holds, step) for step in steps), order

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


def _earlier(holds: fence.Holds, step: str) -> Vote:
    vote = holds.earlier[step]
    assert vote is not None, "a hold of our own site commits together with its vote"
    return vote


def _held(payment: LedgerPayment, vote: Vote) -> Happening:
    if vote.refusal is None:
        return Happening.of("payment.authorized", payment_id=payment.id)
    return Happening.of("payment.failed", payment_id=payment.id, code=vote.refusal.code)
