"""An order's saga as it ran: each participant's steps and undos, and the decision between them.

What came of a step and when is taken from the history; its vote, when it was begun and that it is not known
to be done, from the fence; tries and errors from Temporal, while it knows the order. The fence's rows go some
time after an order's end; then its history alone is left, and says the same but for the begin of each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, TypeAlias

from adapters.postgres.console_order import DecisionRow, FenceRow, OrderBooks
from adapters.postgres.orders import StoredEvent, StoredOrder
from adapters.temporal_attempts import Attempted
from ordersaga import keys
from ordersaga.lifecycle import FINAL
from ordersaga.methods import METHODS
from ordersaga.money import format_amount
from ordersaga.order import MERCHANT

Phase: TypeAlias = Literal["hold", "take", "after"]
Answer: TypeAlias = Literal["yes", "no", "undone", "waiting", "running", "attention"]

PHASES: Final[tuple[Phase, ...]] = ("hold", "take", "after")


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One thing that a participant did, or is asked to do. `key`: what tells it from its lane's others."""

    key: str
    verb: str
    phase: Phase
    answer: Answer
    detail: str = ""
    begun_at: datetime | None = None
    answered_at: datetime | None = None
    tries: int | None = None  # None: nobody counted
    error: str | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A participant and what it did, in order."""

    step: str
    name: str
    about: str
    steps: tuple[StepDone, ...]

    def of(self, phase: Phase) -> tuple[StepDone, ...]:
        return tuple(step for step in self.steps if step.phase == phase)


@dataclass(frozen=True, kw_only=True)
class Saga:
    lanes: tuple[Lane, ...]
    decision: DecisionRow | None
    began_at: datetime
    has_fence: bool
    attempts: Literal["known", "forgotten", "engine away"]


@dataclass(frozen=True)
class _Sign:
    """What a row of history says that a participant did."""

    key: str
    verb: str
    phase: Phase
    answer: Answer


# Event → what it is a sign of. Those of payments name theirs; all others have one participant.
_STOCK: Final = {
    "stock.reserved": _Sign("hold", "reserve", "hold", "yes"),
    "stock.refused": _Sign("hold", "reserve", "hold", "no"),
    "stock.released": _Sign("undo", "release", "after", "undone"),
    "stock.restocked": _Sign("restock", "restock", "after", "undone"),
}
_PAYMENT: Final = {
    "payment.requires_action": _Sign("hold", "ask", "hold", "waiting"),
    "payment.authorized": _Sign("hold", "hold", "hold", "yes"),
    "payment.failed": _Sign("hold", "hold", "hold", "no"),
    "payment.captured": _Sign("take", "take", "take", "yes"),
    "payment.refused": _Sign("take", "take", "take", "no"),
    "payment.voided": _Sign("undo", "give up", "after", "undone"),
    "payment.partially_refunded": _Sign("undo", "give back", "after", "undone"),
    "payment.refunded": _Sign("undo", "give back", "after", "undone"),
    "payment.disputed": _Sign("dispute", "dispute", "after", "attention"),
}
_PARCEL: Final = {
    "parcel.booked": _Sign("hold", "book", "hold", "yes"),
    "parcel.refused": _Sign("hold", "book", "hold", "no"),
    "parcel.released": _Sign("release", "send for", "after", "yes"),
    "parcel.canceled": _Sign("undo", "cancel", "after", "undone"),
    "parcel.shipped": _Sign("shipped", "picked up", "after", "yes"),
    "parcel.delivered": _Sign("delivered", "deliver", "after", "yes"),
    "parcel.returned": _Sign("returned", "come back", "after", "undone"),
}
# Activity → the step that its tries belong to.
_TRIED: Final = {
    "authorize_payment": "hold",
    "charge_payment": "take",
    "check_payment": "hold",
    "capture_payment": "take",
    "undo_payment": "undo",
    "book_parcel": "hold",
    "release_parcel": "release",
    "cancel_parcel": "undo",
}
_UNDO_VERB: Final = {"stock": "release", "payment": "give back", "parcel": "cancel"}
_HOLD_VERB: Final = {"stock": "reserve", "payment": "hold", "parcel": "book"}


def trace(
    order: StoredOrder,
    books: OrderBooks,
    events: Sequence[StoredEvent],
    attempts: Sequence[Attempted] | None,
) -> Saga:
    """`attempts`: None, the engine does not answer."""
    decided_at = books.decision.decided_at if books.decision else None
    lanes = [
        _trace_lane(lane, signs, order, books.fence, decided_at, attempts or ())
        for lane, signs in _lanes(order, events)
    ]
    known: Literal["known", "forgotten"] = "known" if attempts else "forgotten"
    return Saga(
        lanes=tuple(lanes),
        decision=books.decision,
        began_at=order.created_at,
        has_fence=bool(books.fence),
        attempts="engine away" if attempts is None else known,
    )


_Signed: TypeAlias = tuple[_Sign, StoredEvent]


def _lanes(
    order: StoredOrder, events: Sequence[StoredEvent]
) -> Iterable[tuple[Lane, list[_Signed]]]:
    """Each participant, and what of the history is about it."""
    units = sum(line.quantity for line in order.lines)
    stock = Lane(
        step=keys.STOCK, name="Stock", about=f"{units} unit{'' if units == 1 else 's'}", steps=()
    )
    yield stock, [(_STOCK[e.type], e) for e in events if e.type in _STOCK]
    for payment in order.payments:
        lane = Lane(
            step=keys.payment_step(payment.id),
            name=payment.method.replace("_", " ").capitalize(),
            about=format_amount(payment.amount, order.currency),
            steps=(),
        )
        yield (
            lane,
            [
                (_payment_sign(e, payment.method), e)
                for e in events
                if e.type in _PAYMENT and e.data.get("payment_id") == payment.id
            ],
        )
    carrier = order.shipment.carrier
    parcel = Lane(
        step=keys.parcel_step(order.shipment.id),
        name="Parcel",
        about="the merchant ships" if carrier == MERCHANT else carrier,
        steps=(),
    )
    yield parcel, [(_PARCEL[e.type], e) for e in events if e.type in _PARCEL]


def _payment_sign(event: StoredEvent, method: str) -> _Sign:
    """A method without a hold is charged at once."""
    sign = _PAYMENT[event.type]
    if not METHODS[method].holdable and sign.key in ("hold", "take"):
        return replace(sign, key="take", phase="take", verb="charge")
    return sign


def _trace_lane(
    lane: Lane,
    signs: Sequence[_Signed],
    order: StoredOrder,
    fence: Sequence[FenceRow],
    decided_at: datetime | None,
    attempts: Sequence[Attempted],
) -> Lane:
    steps: dict[str, StepDone] = {}
    for sign, event in signs:
        _add(steps, _of_event(sign, event, decided_at))
    kind, _, about = lane.step.partition(":")
    release = keys.release_step(about) if kind == "parcel" else ""
    for row in fence:
        if row.step == lane.step:
            _note_fence(steps, row, kind)
        elif row.step == release and row.op == "hold":
            _note_begun(steps, "release", row, verb="send for", phase="after")
    refunds = {keys.refund_step(r.id) for r in order.refunds if r.payment_id == about}
    _note_what_follows(steps, lane, order, decided_at)
    for attempted in attempts:
        if attempted.step in {lane.step, *refunds}:
            _note_attempt(steps, attempted)
    _note_attention(steps, {lane.step, release, *refunds}, order)
    ordered = sorted(steps.values(), key=lambda s: (PHASES.index(s.phase), _when(s, order)))
    return replace(lane, steps=tuple(ordered))


def _add(steps: dict[str, StepDone], step: StepDone) -> None:
    """A second sign of the same step is its newest; of parts that go back, one by one, each counts."""
    key = step.key
    if key in steps and steps[key].answer == "undone":
        key = f"{key} {len(steps)}"
    earlier = steps.get(key)
    begun_at = earlier.answered_at if earlier and earlier.answer == "waiting" else None
    steps[key] = replace(step, key=key, begun_at=begun_at)


def _of_event(sign: _Sign, event: StoredEvent, decided_at: datetime | None) -> StepDone:
    """With the decision or after it, it is what follows from that."""
    is_late = decided_at is not None and event.recorded_at > decided_at
    answer, phase = sign.answer, sign.phase
    is_refused_release = sign.verb == "book" and answer == "no" and is_late
    if is_late and (phase == "take" or is_refused_release):
        phase = "after"
    code, refund = event.data.get("code"), event.data.get("refund_id")
    key = sign.key if refund is None else _refund_key(str(refund))
    return StepDone(
        key="release" if is_refused_release else key,
        verb="send for" if is_refused_release else sign.verb,
        phase=phase,
        answer=answer,
        detail="" if code is None else str(code),
        answered_at=event.recorded_at,
    )


def _note_fence(steps: dict[str, StepDone], row: FenceRow, kind: str) -> None:
    if row.op == "undo":
        _note_begun(steps, "undo", row, verb=_UNDO_VERB[kind], phase="after", is_undo=True)
    elif row.written_by == "hold":
        key = "take" if "hold" not in steps and "take" in steps else "hold"
        _note_begun(steps, key, row, verb=_HOLD_VERB[kind], phase="hold")


def _note_begun(
    steps: dict[str, StepDone],
    key: str,
    row: FenceRow,
    *,
    verb: str,
    phase: Phase,
    is_undo: bool = False,
) -> None:
    """When it was begun; and the step itself, where history says nothing of it."""
    if key in steps:
        begun_at = steps[key].begun_at or row.written_at
        steps[key] = replace(steps[key], begun_at=begun_at)
        return
    answer, detail = _vote(row, is_undo=is_undo)
    is_answered = row.vote is not None
    steps[key] = StepDone(
        key=key,
        verb=verb,
        phase=phase,
        answer=answer,
        detail=detail,
        begun_at=row.written_at,
        answered_at=row.written_at if is_answered and is_undo else None,
    )


def _vote(row: FenceRow, *, is_undo: bool) -> tuple[Answer, str]:
    if row.vote is None:
        return "running", ""
    if is_undo:
        return "undone", "nothing was left of it"
    refusal = row.vote.get("refusal")
    if isinstance(refusal, dict):
        return "no", str(refusal.get("code", ""))
    return ("waiting" if row.vote.get("answer") == "waiting" else "yes"), ""


def _note_attempt(steps: dict[str, StepDone], attempted: Attempted) -> None:
    if attempted.activity == "refund_payment":
        _note_refund(steps, attempted)
        return
    key = _TRIED.get(attempted.activity, "")
    if key == "hold" and key not in steps and "take" in steps:
        key = "take"  # a charge that was looked at again
    if not key:
        return
    if key not in steps:
        steps[key] = StepDone(
            key=key,
            verb=attempted.activity.partition("_")[0],
            phase="hold" if key == "hold" else "take" if key == "take" else "after",
            answer=_answer_of(attempted, key),
        )
    elif key == "undo" and steps[key].answer == "running":
        steps[key] = replace(steps[key], answer=_answer_of(attempted, key))
    _note_tries(steps, key, attempted)


def _note_refund(steps: dict[str, StepDone], attempted: Attempted) -> None:
    """Its tries are those of its own step, which history or the order itself has."""
    key = _refund_key(attempted.step.partition(":")[2])
    if key in steps:
        _note_tries(steps, key, attempted)


def _refund_key(refund_id: str) -> str:
    return f"refund {refund_id}"


def _note_tries(steps: dict[str, StepDone], key: str, attempted: Attempted) -> None:
    step = steps[key]
    is_answered = step.answer != "running"
    steps[key] = replace(
        step,
        begun_at=step.begun_at or attempted.asked_at,
        answered_at=step.answered_at or (attempted.ended_at if is_answered else None),
        tries=max(step.tries or 0, attempted.tries),
        error=attempted.error or step.error,
        next_try_at=attempted.next_try_at,
    )


def _answer_of(attempted: Attempted, key: str) -> Answer:
    """An undo that was called off, for a retry say, is still to be done."""
    if attempted.ended_at is None:
        return "running"
    if key == "undo":
        return "undone" if attempted.is_done else "running"
    return "yes" if attempted.is_done else "no"


def _note_what_follows(
    steps: dict[str, StepDone], lane: Lane, order: StoredOrder, decided_at: datetime | None
) -> None:
    """Of our own site: what the decision's own transaction did without a word in the history."""
    is_kept = order.confirmed_at is not None and decided_at is not None
    if lane.step == keys.STOCK and is_kept and "hold" in steps:
        steps["sold"] = StepDone(
            key="sold", verb="sell", phase="after", answer="yes", answered_at=decided_at
        )
    for refund in order.refunds:
        if keys.payment_step(refund.payment_id) == lane.step and refund.refunded_at is None:
            key = _refund_key(refund.id)
            steps[key] = StepDone(
                key=key,
                verb="give back",
                phase="after",
                answer="running",
                detail=refund.cause,
                begun_at=refund.created_at,
            )


def _note_attention(steps: dict[str, StepDone], names: set[str], order: StoredOrder) -> None:
    mark = order.attention
    if mark is None or mark["step"] not in names or order.status in FINAL:
        return
    for key, step in steps.items():
        if step.answer == "running":
            tries = mark["tries"]
            steps[key] = replace(
                step,
                answer="attention",
                tries=max(step.tries or 0, tries if isinstance(tries, int) else 0),
                error=step.error or str(mark["error"]),
            )


def _when(step: StepDone, order: StoredOrder) -> datetime:
    return step.answered_at or step.begun_at or order.updated_at
