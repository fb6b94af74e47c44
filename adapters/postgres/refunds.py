"""What goes back after `confirm`, or came too late: one row a payment and reason, never more than was taken.

Rows are allocated and marked under their order's lock. A row that is done bars its step for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from adapters.postgres import fence
from adapters.postgres.history import Cause, LockedOrder, Refund
from adapters.postgres.ledger import Ledger, ledger_payments
from adapters.postgres.pool import Connection, load_queries
from ordersaga import giving_back
from ordersaga.giving_back import Share
from ordersaga.history import Happening
from ordersaga.keys import Step, new_id
from ordersaga.order import RefundPlan, Vote

_sql = load_queries("refunds")

ALL_BACK: Final = "payment.refunded"
SOME_BACK: Final = "payment.partially_refunded"


def left_to_give_back(order: LockedOrder) -> tuple[Share, ...]:
    """What was taken and is not on its way back yet, of each payment, newest payment first."""
    left = (Share(p.id, _left(order, p.id)) for p in reversed(order.state.payments))
    return tuple(share for share in left if share.amount)


async def allocate(
    connection: Connection,
    order: LockedOrder,
    *,
    amount: int,
    cause: Cause,
    return_id: str | None = None,
    request_id: str | None = None,
) -> tuple[RefundPlan, ...]:
    """Writes down what goes back of which payments. Once for a lock: `order` does not see these rows.

    Raises `giving_back.TooMuch`, writing nothing.
    """
    shares = giving_back.allocate(left_to_give_back(order), amount)
    methods = _methods(order)
    plans = tuple(
        RefundPlan(new_id("rfd"), s.payment_id, methods[s.payment_id], s.amount) for s in shares
    )
    await _add(connection, order, plans, cause=cause, return_id=return_id, request_id=request_id)
    return plans


async def allocate_late(
    connection: Connection, order: LockedOrder, *, payment_id: str, amount: int
) -> tuple[RefundPlan, ...]:
    """Writes down that money which came after its payment was given up goes back, if there is any."""
    method = _methods(order)[payment_id]
    plans = (RefundPlan(new_id("rfd"), payment_id, method, amount),) if amount > 0 else ()
    await _add(connection, order, plans, cause="late")
    return plans


def open_refunds(
    order: LockedOrder,
    *,
    cause: Cause,
    return_id: str | None = None,
    request_id: str | None = None,
) -> tuple[RefundPlan, ...]:
    """What was allocated for this reason and did not go back yet, newest payment first."""
    wanted = (cause, return_id, request_id)
    return tuple(
        plan_of(order, refund)
        for refund in order.refunds
        if not refund.is_done and (refund.cause, refund.return_id, refund.request_id) == wanted
    )


def find(order: LockedOrder, refund_id: str) -> Refund | None:
    """None: it was never allocated."""
    return next((refund for refund in order.refunds if refund.id == refund_id), None)


async def settled_vote(connection: Connection, step: Step) -> Vote | None:
    """Of a refund's step under its order's lock: yes, it is done; no, nobody allocated it. None: do it."""
    refund_id = step.name.partition(":")[2]
    is_done = await _sql.is_refund_done(connection, id=refund_id, order_id=step.order_id)
    if is_done is None:
        return fence.too_late(step.name)
    return Vote.yes(step.name) if is_done else None


def plan_of(order: LockedOrder, refund: Refund) -> RefundPlan:
    """The same, as a workflow sees it."""
    method = _methods(order)[refund.payment_id]
    return RefundPlan(refund.id, refund.payment_id, method, refund.amount)


def remote(plans: Iterable[RefundPlan]) -> tuple[RefundPlan, ...]:
    """Those that others have to give back."""
    return tuple(plan for plan in plans if not plan.is_ours)


async def mark_refunded(
    connection: Connection, order: LockedOrder, plans: Sequence[RefundPlan], *, to: Sequence[str]
) -> list[Happening]:
    """Marks each as done, with where its money went; what happened is to be recorded."""
    await _sql.mark_refunded(connection, ids=[plan.id for plan in plans], destinations=list(to))
    return _went_back(order, plans, to)


async def give_back_ours(
    connection: Connection, ledger: Ledger, order: LockedOrder, plans: Iterable[RefundPlan]
) -> list[Happening]:
    """Refunds those of the plans that our own ledger took, here and now."""
    ours = [plan for plan in plans if plan.is_ours]
    if not ours:
        return []
    payments = {payment.id: payment for payment in ledger_payments(order)}
    parts = [payments[plan.payment_id].part(plan.step, plan.amount) for plan in ours]
    await ledger.give_back(connection, order, parts, source="sales")
    return await mark_refunded(connection, order, ours, to=[part.kind for part in parts])


async def _add(
    connection: Connection,
    order: LockedOrder,
    plans: Sequence[RefundPlan],
    *,
    cause: Cause,
    return_id: str | None = None,
    request_id: str | None = None,
) -> None:
    if plans:
        await _sql.add_refunds(
            connection,
            order_id=order.id,
            cause=cause,
            return_id=return_id,
            request_id=request_id,
            ids=[plan.id for plan in plans],
            payment_ids=[plan.payment_id for plan in plans],
            amounts=[plan.amount for plan in plans],
        )


def _left(order: LockedOrder, payment_id: str) -> int:
    """Refunds that an undo made have no row: then `refunded` alone says it."""
    payment = order.state.payment(payment_id)
    allocated = sum(r.amount for r in order.refunds if r.payment_id == payment_id)
    return payment.captured - max(payment.refunded, allocated)


def _went_back(
    order: LockedOrder, plans: Sequence[RefundPlan], to: Sequence[str]
) -> list[Happening]:
    refunded = {payment.id: payment.refunded for payment in order.state.payments}
    happenings = []
    for plan, destination in zip(plans, to, strict=True):
        refunded[plan.payment_id] += plan.amount
        is_all = refunded[plan.payment_id] == order.state.payment(plan.payment_id).captured
        happenings.append(
            Happening.of(
                ALL_BACK if is_all else SOME_BACK,
                payment_id=plan.payment_id,
                amount=plan.amount,
                to=destination,
                refund_id=plan.id,
            )
        )
    return happenings


def _methods(order: LockedOrder) -> dict[str, str]:
    return {str(payment["id"]): str(payment["method"]) for payment in order.payments}
