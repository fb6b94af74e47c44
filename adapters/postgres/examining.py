"""A payment that nobody waits for, as its provider sees it: what our tables do not have yet of it."""

from __future__ import annotations

from typing import Final

from adapters.postgres import fence, refunds
from adapters.postgres.attention import call_once, cleared_outage
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.pool import Connection, load_queries
from adapters.postgres.provider_answers import NOT_KNOWN_TAKEN
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.lifecycle import FINAL, PaymentStatus
from ordersaga.messages import PaymentNews
from ordersaga.order import RefundPlan
from ordersaga.ports import ProviderPayment

_sql = load_queries("saga")

DISPUTED: Final = "payment.disputed"
THE_PAYER_DISPUTES: Final = "the payer's bank asks for the money"

_GIVEN_UP: Final = NOT_KNOWN_TAKEN | {PaymentStatus.VOIDED}


async def examine(
    connection: Connection, order: LockedOrder, news: PaymentNews, answer: ProviderPayment
) -> tuple[RefundPlan, ...]:
    """See `ordersaga.ports.Records.payment_examined`."""
    payment_id = news.payment_id
    still_open = refunds.open_refunds(order, cause="late")
    plans = [plan for plan in still_open if plan.payment_id == payment_id]
    happenings = cleared_outage(order, keys.books_step(payment_id))
    if await _is_late(connection, order, payment_id, answer):
        happenings.append(_came_late(payment_id, answer.captured))
        plans += await refunds.allocate_late(
            connection, order, payment_id=payment_id, amount=answer.captured - answer.refunded
        )
    if news.type == DISPUTED or answer.is_disputed:
        happenings += await _disputed(connection, order, payment_id)
    if await _went_back_without_us(connection, order, payment_id, answer):
        happenings += await _books_differ(connection, order, payment_id, answer)
    await record(connection, order, *happenings)
    return tuple(plans)


async def _is_late(
    connection: Connection, order: LockedOrder, payment_id: str, answer: ProviderPayment
) -> bool:
    """Taken after we gave it up. Until its undo is done, that is what finds the money."""
    if answer.state != "taken" or order.state.payment(payment_id).status not in _GIVEN_UP:
        return False
    return order.state.status in FINAL or await fence.is_undone(
        connection, order.id, keys.payment_step(payment_id)
    )


def _came_late(payment_id: str, amount: int) -> Happening:
    return Happening.of("payment.captured", payment_id=payment_id, amount=amount, late=True)


async def _disputed(connection: Connection, order: LockedOrder, payment_id: str) -> list[Happening]:
    is_noted = await _sql.was_disputed(connection, order_id=order.id, payment_id=payment_id)
    noted = [] if is_noted else [Happening.of(DISPUTED, payment_id=payment_id)]
    step = keys.dispute_step(payment_id)
    return [*noted, *await call_once(connection, order, step=step, error=THE_PAYER_DISPUTES)]


async def _went_back_without_us(
    connection: Connection, order: LockedOrder, payment_id: str, answer: ProviderPayment
) -> bool:
    """More than our tables have asked for. An undo under way writes what it gave back afterwards."""
    allocated = sum(r.amount for r in order.refunds if r.payment_id == payment_id)
    if answer.refunded <= max(order.state.payment(payment_id).refunded, allocated):
        return False
    if order.state.status in FINAL:
        return True
    step = keys.payment_step(payment_id)
    begun = await fence.is_undo_begun(connection, order.id, step)
    return not begun or await fence.is_undone(connection, order.id, step)


async def _books_differ(
    connection: Connection, order: LockedOrder, payment_id: str, answer: ProviderPayment
) -> list[Happening]:
    ours = order.state.payment(payment_id).refunded
    error = f"its provider gave {answer.refunded} back, our tables say {ours} (minor units)"
    return await call_once(connection, order, step=keys.books_step(payment_id), error=error)
