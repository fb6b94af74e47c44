"""After `confirm`: an order whose parcel will not come is given back as a whole, what is left of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from adapters.postgres import fence, refunds, stock
from adapters.postgres.attention import relieved
from adapters.postgres.decision import answer_cancels, answer_open, canceled_parcel, standing_of
from adapters.postgres.history import LockedOrder, record
from adapters.postgres.ledger import Ledger
from adapters.postgres.pool import Connection
from ordersaga import keys
from ordersaga.errors import IllegalMove
from ordersaga.history import Happening
from ordersaga.lifecycle import FINAL, FulfillmentStatus, ReturnStatus, Status
from ordersaga.order import CANCELED, MERCHANT, Refusal, ReversalOpened, Standing, Vote
from ordersaga.tracking import PARCEL_LOST, RETURNED_TO_SENDER

ALREADY_SHIPPED: Final = Refusal(
    "parcel", "already_shipped", "the merchant has handed the parcel over"
)
ALREADY_COMPLETED: Final = Refusal("order", "already_completed", "the order is completed")

_GIVEN_BACK: Final = FINAL - {Status.COMPLETED}
_ON_ITS_WAY: Final = frozenset({FulfillmentStatus.SHIPPED, FulfillmentStatus.DELIVERED})
_NEVER_ARRIVED: Final = frozenset({RETURNED_TO_SENDER.code, PARCEL_LOST.code})
_NOT_HERE: Final = frozenset({ReturnStatus.REQUESTED, ReturnStatus.APPROVED})


async def open_reversal(
    connection: Connection, order: LockedOrder, failure: Refusal
) -> ReversalOpened:
    """See `ordersaga.ports.OwnSite.open_reversal`. Opened before: what is still to do of it."""
    status = order.state.status
    if status == Status.COMPENSATING or status in _GIVEN_BACK:
        still_open = refunds.open_refunds(order, cause="reversal")
        return ReversalOpened(_why(order) or failure, refunds=still_open)
    if status == Status.COMPLETED:
        return ReversalOpened(failure, refusal=ALREADY_COMPLETED)
    if _is_shipped_by_merchant(order) and failure.code == CANCELED:
        return ReversalOpened(failure, refusal=ALREADY_SHIPPED)
    left = sum(share.amount for share in refunds.left_to_give_back(order))
    plans = await refunds.allocate(connection, order, amount=left, cause="reversal")
    await answer_cancels(connection, order, "accepted")
    reversing = Happening.of("order.reversing", failure=asdict(failure))
    happenings = [*_parcel_gone(order, failure), *_not_awaited(order), *relieved(order), reversing]
    await record(connection, order, *happenings)
    return ReversalOpened(failure, refunds=plans)


async def reverse(connection: Connection, ledger: Ledger, order: LockedOrder) -> Standing:
    """See `ordersaga.ports.OwnSite.reverse`."""
    status = order.state.status
    if status in FINAL:
        return standing_of(order)
    why = _why(order)
    is_open = status == Status.COMPENSATING and order.state.confirmed_at is not None
    if not is_open or why is None:
        raise IllegalMove(machine="status", state=status, move="order.canceled")
    ours = [plan for plan in refunds.open_refunds(order, cause="reversal") if plan.is_ours]
    steps = [keys.RESTOCK, *(plan.step for plan in ours)]
    await fence.begin_holds(connection, order.id, steps)
    is_lost = why.code == PARCEL_LOST.code
    happenings = [] if is_lost else [*await stock.restock(connection, order)]
    happenings += await refunds.give_back_ours(connection, ledger, order, ours)
    await fence.store_votes(connection, order.id, "hold", [Vote.yes(step) for step in steps])
    await answer_open(connection, order, cancel="accepted")
    end = "order.returned" if why.code in _NEVER_ARRIVED else "order.canceled"
    happenings += [*relieved(order), Happening.of(end)]
    return standing_of(await record(connection, order, *happenings))


def _why(order: LockedOrder) -> Refusal | None:
    failure = order.state.failure
    if failure is None:
        return None
    return Refusal(str(failure["participant"]), str(failure["code"]), str(failure["detail"]))


def _is_shipped_by_merchant(order: LockedOrder) -> bool:
    return order.shipment["carrier"] == MERCHANT and order.state.fulfillment_status in _ON_ITS_WAY


def _parcel_gone(order: LockedOrder, failure: Refusal) -> list[Happening]:
    """It was canceled before somebody came for it; or it is on its way back, or lost."""
    status = order.state.fulfillment_status
    is_back = status == FulfillmentStatus.BOOKED and failure.code in _NEVER_ARRIVED
    if is_back or status in _ON_ITS_WAY:
        return [Happening.of("parcel.returned")]
    return canceled_parcel(order)


def _not_awaited(order: LockedOrder) -> list[Happening]:
    """Goods that the buyer would have sent back come with the whole parcel, or never."""
    return [
        Happening.of("return.declined", return_id=return_.id)
        for return_ in order.state.returns
        if return_.status in _NOT_HERE
    ]
