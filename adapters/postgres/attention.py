"""An order's mark that something needs a person: raised, cleared, and left alone when nobody needs it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from adapters.postgres import fence, refunds
from adapters.postgres.history import LockedOrder
from adapters.postgres.pool import Connection, load_queries
from ordersaga.history import Happening
from ordersaga.keys import Step
from ordersaga.lifecycle import FINAL

_sql = load_queries("attention")

# An attempt under way when its step was skipped fails within 20 s, or never.
SKIP_ECHO_S: Final = 60

RETRY: Final = "retry"
SKIP: Final = "skip"
_OF_THE_ORDER: Final = ("payment", "parcel", "release")  # steps that its end settles


async def call(
    connection: Connection, order: LockedOrder, *, step: str, error: str, tries: int
) -> list[Happening]:
    """For a step that keeps failing, and calls again: nothing where another mark is there."""
    if order.state.attention is not None or await _is_given_up(connection, order, step):
        return []
    return [_raised(step, error, tries, RETRY, SKIP)]


async def call_once(
    connection: Connection, order: LockedOrder, *, step: str, error: str
) -> list[Happening]:
    """For what nobody can try again, and is said once. It takes the place of a mark that comes again."""
    mark = order.state.attention
    is_taken = mark is not None and not _comes_again(mark["actions"])
    if is_taken or await _sql.was_raised(connection, order_id=order.id, step=step, error=error):
        return []
    return [_raised(step, error, 1, SKIP)]


def cleared(order: LockedOrder, step: str) -> list[Happening]:
    """The step that needed a person does not any more."""
    mark = order.state.attention
    if mark is None or mark["step"] != step:
        return []
    return [Happening.of("attention.cleared", step=step)]


def cleared_outage(order: LockedOrder, step: str) -> list[Happening]:
    """The same, unless the mark is for something that no try can mend."""
    mark = order.state.attention
    return cleared(order, step) if mark is not None and _comes_again(mark["actions"]) else []


def relieved(order: LockedOrder) -> list[Happening]:
    """The order ends: nothing that its own steps failed at matters any more."""
    mark = order.state.attention
    if mark is None or _kind(str(mark["step"])) not in _OF_THE_ORDER:
        return []
    return [Happening.of("attention.cleared", step=mark["step"])]


async def was_skipped(connection: Connection, step: Step) -> bool:
    """Whether an operator ever gave this step up."""
    skipped: bool = await _sql.was_skipped(connection, order_id=step.order_id, step=step.name)
    return skipped


def _raised(step: str, error: str, tries: int, *actions: str) -> Happening:
    return Happening.of(
        "attention.raised",
        step=step,
        error=error,
        tries=tries,
        since=datetime.now(UTC).isoformat(),
        actions=list(actions),
    )


async def _is_given_up(connection: Connection, order: LockedOrder, step: str) -> bool:
    """Whether a failure of this step concerns nobody any more: a late one, or one of a skipped step.

    One that fails on long after its skip is news again: its workflow was not at that step.
    """
    if _is_settled(order, step):
        return True
    given_up: bool = await _sql.is_given_up(
        connection, order_id=order.id, step=step, echo_s=SKIP_ECHO_S
    )
    return given_up


def _is_settled(order: LockedOrder, step: str) -> bool:
    status = order.state.status
    match _kind(step):
        case "refund":
            refund = refunds.find(order, step.partition(":")[2])
            return refund is None or refund.is_done
        case "release":
            return fence.is_barred(step, status)
        case "payment" | "parcel":
            return status in FINAL
    return False


def _comes_again(actions: object) -> bool:
    return isinstance(actions, list) and RETRY in actions


def _kind(step: str) -> str:
    return step.partition(":")[0]
