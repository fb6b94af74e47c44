"""The fence: a step happens once, and never after its undo.

Each function is to be called in the transaction of the work it protects, before that work.
The rows are described with their statements in `queries/fence.sql`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pydantic import TypeAdapter

from adapters.postgres.pool import Connection, load_queries
from ordersaga.keys import FIRST_GENERATION, RESTOCK, Step
from ordersaga.lifecycle import FINAL, ReturnStatus, Status
from ordersaga.order import Refusal, Vote
from ordersaga.ports import Op

_sql = load_queries("fence")
_VOTE: Final = TypeAdapter(Vote)

TOO_LATE: Final = "too_late"

# The fence of a long-final order is cleaned up: then its own status has to say what came too late.
# Kind of step → the statuses in which it never begins again, whether a row bars it or not.
_DECIDED: Final = frozenset(Status) - {Status.PENDING}
_BARRED_IN: Final[Mapping[str, frozenset[str]]] = {
    "stock": _DECIDED,
    "payment": _DECIDED,
    "parcel": _DECIDED,
    "release": FINAL | {Status.COMPENSATING},
    "refund": frozenset(),  # money goes back after the end, too: its own row says when it is done
    RESTOCK: FINAL,
}
_GOODS_ARE_BACK: Final = frozenset(ReturnStatus) - {ReturnStatus.REQUESTED, ReturnStatus.APPROVED}

KEPT_DAYS: Final = 30  # no try of a step, and no worker frozen with one in its hands, is as old
FORGET_ORDERS_AT_ONCE: Final = 500  # a dozen rows each: a statement of some 20 ms


@dataclass(frozen=True)
class Holds:
    """What a taker of holds finds: `fresh` steps are its to do, `earlier` ones were answered."""

    fresh: frozenset[str]
    earlier: Mapping[str, Vote | None]  # None: begun before, and not known to be done


@dataclass(frozen=True)
class Forgotten:
    """What a clean-up removed. Of fewer orders than it was allowed: there are no more."""

    orders: int
    rows: int


async def begin_holds(
    connection: Connection,
    order_id: str,
    steps: Sequence[str],
    generation: int = FIRST_GENERATION,
) -> Holds:
    """Takes the hold row of each step that nobody has; reads the votes of the others.

    A step barred by its undo votes no (`too_late`).
    """
    fresh = frozenset(
        [
            row["step"]
            async for row in _sql.hold_steps(
                connection, order_id=order_id, steps=list(steps), generation=generation
            )
        ]
    )
    others = [step for step in steps if step not in fresh]
    if not others:
        return Holds(fresh, {})
    return Holds(fresh, await _read_votes(connection, order_id, others, generation))


async def begun(connection: Connection, order_id: str, steps: Sequence[str]) -> tuple[str, ...]:
    """Which of these passed their fence, in whatever generation: somebody else may have been asked."""
    rows = _sql.begun_steps(connection, order_id=order_id, steps=list(steps))
    found = {row["step"] async for row in rows}
    return tuple(step for step in steps if step in found)


def is_barred(step: str, status: str) -> bool:
    """Whether the status of a step's order, or of its return, alone says that it is too late to begin it."""
    kind, _, what = step.partition(":")
    if kind == RESTOCK and what:
        return status in _GOODS_ARE_BACK
    return status in _BARRED_IN[kind]


async def answer_late(
    connection: Connection,
    order_id: str,
    steps: Sequence[str],
    generation: int = FIRST_GENERATION,
) -> Mapping[str, Vote]:
    """What steps say that begin too late: their votes, where these are known still; else no."""
    votes = await _read_votes(connection, order_id, steps, generation)
    return {step: votes[step] or too_late(step) for step in steps}


async def _read_votes(
    connection: Connection, order_id: str, steps: Sequence[str], generation: int
) -> dict[str, Vote | None]:
    votes: dict[str, Vote | None] = dict.fromkeys(steps)
    async for row in _sql.read_steps(
        connection, order_id=order_id, steps=list(steps), generation=generation
    ):
        if row["written_by"] == "undo":
            votes[row["step"]] = too_late(row["step"])
        elif row["op"] == "hold" and row["vote"] is not None and votes[row["step"]] is None:
            votes[row["step"]] = _VOTE.validate_python(row["vote"])
    return votes


async def read_vote(connection: Connection, step: Step) -> Vote | None:
    """What a hold has answered before: that stays its answer, whatever it hears later."""
    async for row in _sql.read_steps(
        connection, order_id=step.order_id, steps=[step.name], generation=step.generation
    ):
        if row["op"] == "hold" and row["vote"] is not None:
            vote: Vote = _VOTE.validate_python(row["vote"])
            return vote
    return None


def too_late(step: str) -> Vote:
    """The no of a step that was undone before it could act."""
    participant = step.partition(":")[0]
    return Vote.no(step, Refusal(participant, TOO_LATE, f"{participant} was undone before"))


async def begin_undos(
    connection: Connection,
    order_id: str,
    steps: Sequence[str],
    generation: int = FIRST_GENERATION,
) -> Mapping[str, frozenset[str]]:
    """Bars each step for good. A step maps to the rows that were written now (see `undo_steps`)."""
    written: dict[str, set[str]] = {step: set() for step in steps}
    async for row in _sql.undo_steps(
        connection, order_id=order_id, steps=list(steps), generation=generation
    ):
        written[row["step"]].add(row["op"])
    return {step: frozenset(ops) for step, ops in written.items()}


async def is_undone(
    connection: Connection, order_id: str, step: str, generation: int = FIRST_GENERATION
) -> bool:
    """Whether the undo of a step is known to be done, not only begun."""
    async for row in _sql.read_steps(
        connection, order_id=order_id, steps=[step], generation=generation
    ):
        if row["op"] == "undo":
            return row["vote"] is not None
    return False


async def is_undo_begun(
    connection: Connection, order_id: str, step: str, generation: int = FIRST_GENERATION
) -> bool:
    """Whether a step is barred by its undo, done or not."""
    async for row in _sql.read_steps(
        connection, order_id=order_id, steps=[step], generation=generation
    ):
        if row["op"] == "undo":
            return True
    return False


async def store_votes(
    connection: Connection,
    order_id: str,
    op: Op,
    votes: Sequence[Vote],
    generation: int = FIRST_GENERATION,
) -> None:
    """Stores each vote with its row, unless one is there."""
    if votes:
        await _sql.store_votes(
            connection,
            order_id=order_id,
            op=op,
            generation=generation,
            steps=[v.step for v in votes],
            votes=[asdict(v) for v in votes],
        )


async def forget_final_orders(
    connection: Connection, *, older_than_s: float, limit: int = FORGET_ORDERS_AT_ONCE
) -> Forgotten:
    """Deletes the rows of some orders that have been final for so long, oldest first.

    It lets nothing in: whatever comes after it is refused by its order's status (`is_barred`).
    """
    rows = [
        row["order_id"]
        async for row in _sql.forget_final_orders(
            connection, final=sorted(FINAL), older_than_s=older_than_s, limit=limit
        )
    ]
    return Forgotten(orders=len(set(rows)), rows=len(rows))
