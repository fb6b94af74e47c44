"""What callers were told, against what became of their orders; what was heard of them, against history.

The audit judges all else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from adapters.postgres.notices import message_id_of
from adapters.postgres.unrest import Ending
from cli.chaos.courier import Request
from cli.chaos.faults import CHAOS_FAULTS, OUT_OF_PATIENCE
from cli.chaos.hearing import Heard, Told, order_of
from cli.chaos.lives import Life
from cli.chaos.schedule import MAILBOX
from cli.chaos.visits import Visit
from cli.traffic.draw import SCARCE_GOODS
from cli.traffic.orders import PlayedOrder
from cli.traffic.tally import outcome_of
from ordersaga.audit import Violation
from ordersaga.lifecycle import Status
from ordersaga.notices import mails_of
from ordersaga.order import CANCELED

ORDER: Final = "order"  # kinds of requests
CANCEL: Final = "cancel"

ANSWERED: Final = "chaos.answered"  # every request has an answer in the end
SINGLE: Final = "chaos.single"  # one order for each reference that was accepted, none for others
TRUE: Final = "chaos.true"  # all answers under one key name one order: the one that is there
HEARD: Final = "chaos.heard"  # a cancel that was accepted took effect
AS_DRAWN: Final = "chaos.as_drawn"  # a declined order is never confirmed, and the like

MISSING: Final = "receivers.missing"  # who listens has heard all that history holds
EXTRA: Final = "receivers.extra"  # and nothing that it does not
OUT_OF_ORDER: Final = (
    "receivers.out_of_order"  # each order's events in their order, for the first time
)
SHOWN_EVENTS: Final = 5  # of one order that are named in a sentence

_FAULTS: Final = {fault.name: fault for fault in CHAOS_FAULTS}


def judge_requests(requests: Sequence[Request], endings: Sequence[Ending]) -> Iterator[Violation]:
    """No order doubled, none lost, and nobody told otherwise."""
    orders: dict[str, list[str]] = defaultdict(list)
    for ending in endings:
        orders[ending.reference].append(ending.id)
    for request in requests:
        there = orders.get(request.reference, [])
        if not request.is_answered:
            yield Violation(ANSWERED, request.reference, f"the {request.kind} has no answer")
        if request.kind == ORDER:
            yield from _is_single(request, there)
        elif request.orders - set(there):
            yield _told_otherwise(request, there)
    placed = {request.reference for request in requests if request.kind == ORDER}
    for reference in orders.keys() - placed:
        yield Violation(SINGLE, reference, "an order that nobody placed")


def _is_single(request: Request, there: list[str]) -> Iterator[Violation]:
    if len(there) > 1:
        yield Violation(SINGLE, request.reference, f"one request made {', '.join(there)}")
    if request.orders and not there:
        yield Violation(SINGLE, request.reference, "accepted, and there is no such order")
    if not request.orders and there and request.refusal is not None:
        yield Violation(SINGLE, request.reference, f"refused, and yet {there[0]} is there")
    if request.orders and there and request.orders != set(there):
        yield _told_otherwise(request, there)


def _told_otherwise(request: Request, there: list[str]) -> Violation:
    told = ", ".join(sorted(request.orders))
    return Violation(
        TRUE, request.reference, f"the {request.kind} was answered with {told}, not {there}"
    )


def judge_endings(
    visits: Mapping[str, Visit], requests: Sequence[Request], endings: Sequence[Ending]
) -> Iterator[Violation]:
    """Each order ends as it was drawn, or was given up for a reason that chaos may give.

    `visits`: by reference. What is canceled has no life: no parcel of it is ever handed over, so no
    cancel can be refused.
    """
    asked = {request.reference for request in requests if request.kind == CANCEL}
    accepted = {r.reference for r in requests if r.kind == CANCEL and r.orders}
    for ending in endings:
        visit = visits.get(ending.reference)
        outcome, reason = outcome_of(ending.status), ending.reason or ""
        if visit is None or outcome == "undecided":
            continue
        if outcome == "confirmed" and ending.reference in accepted:
            detail = "its cancel was accepted, and it is confirmed"
            yield Violation(HEARD, ending.reference, detail, ending.id)
        given_up = reason in OUT_OF_PATIENCE or (reason == CANCELED and ending.reference in asked)
        if (
            not (outcome == "canceled" and given_up)
            and not _is_as_lived(visit.life, ending)
            and not _is_as_drawn(visit.order, outcome, reason)
        ):
            drawn = visit.order.story.fault or "no fault"
            detail = f"drawn with {drawn}, and {ending.status} for {reason or 'no reason'}"
            yield Violation(AS_DRAWN, ending.reference, detail, ending.id)


def _is_as_lived(life: Life | None, ending: Ending) -> bool:
    """Given back because of its parcel, or because all of it was sent back."""
    if life is None or outcome_of(ending.status) != "canceled":
        return False
    if ending.reason:
        return ending.reason == life.ends
    return ending.status == Status.RETURNED and bool(life.sends_back)


def _is_as_drawn(order: PlayedOrder, outcome: str, reason: str) -> bool:
    fault = _FAULTS.get(order.story.fault)
    if fault is None:
        scarce = any(line.sku in SCARCE_GOODS for line in order.body.lines)
        return outcome == "confirmed" or (scarce and reason == "out_of_stock")
    if fault.changes_mind and outcome == "confirmed":
        return True  # whose buyer never learned its id, and so did not cancel it
    return outcome == fault.ends and (not fault.reasons or reason in fault.reasons)


def judge_heard(heard: Heard) -> Iterator[Violation]:
    """Every listener ends with exactly the events that history holds, and the mailbox with their mails."""
    history: dict[str, list[Told]] = defaultdict(list)
    for event in heard.history:
        history[event.order_id].append(Told.of(event))
    for listener, came in heard.events.items():
        by_order: dict[str, list[Told]] = defaultdict(list)
        for told in came:
            by_order[told.order_id].append(told)
        for order_id in sorted(heard.orders | by_order.keys()):
            is_ours = order_id in heard.orders
            due = history[order_id] if is_ours else []
            yield from _compare(listener, order_id, due, history[order_id], by_order[order_id])
    yield from _judge_mails(heard)


def _compare(
    listener: str, order_id: str, due: list[Told], known: list[Told], came: list[Told]
) -> Iterator[Violation]:
    """`due`: what it has to have heard. `known`: what it may have heard."""
    first = list(dict.fromkeys(came))
    if missing := [each for each in due if each not in first]:
        detail = f"never heard of {_named(missing)}"
        yield Violation(MISSING, listener, detail, order_id)
    if extra := [each for each in first if each not in known]:
        detail = f"heard of {_named(extra)}, and history has no such thing"
        yield Violation(EXTRA, listener, detail, order_id)
    yield from _is_in_order(listener, order_id, [each.sequence for each in first])


def _is_in_order(listener: str, order_id: str, sequences: list[int]) -> Iterator[Violation]:
    if sequences != sorted(sequences):
        detail = f"heard of {', '.join(map(str, sequences))}, in this order"
        yield Violation(OUT_OF_ORDER, listener, detail, order_id)


def _judge_mails(heard: Heard) -> Iterator[Violation]:
    """Each notice that the table names was written down once, and mailed unless there was a reason.

    What was skipped may have come all the same: its first try, of which nobody knows how it ended.
    """
    written = {each.message_id: each for each in heard.notices}
    named = {
        message_id_of(event.order_id, notice.name, notice.subject(event.data), notice.audience)
        for event in heard.history
        for notice in mails_of(event)
    }
    due = {message_id for message_id in named if order_of(message_id) in heard.orders}
    came = set(heard.mails)
    for message_id in sorted(due - written.keys()):
        yield Violation(MISSING, MAILBOX, f"{message_id} was never written down")
    for message_id, mail in written.items():
        if mail.status != "skipped" and message_id not in came:
            detail = f"{message_id} is {mail.status}, and never came"
            yield Violation(MISSING, MAILBOX, detail, mail.order_id)
    in_turn: dict[tuple[str, str], list[int]] = defaultdict(list)
    for mail in (written[each] for each in dict.fromkeys(heard.mails) if each in written):
        in_turn[mail.order_id, mail.audience].append(mail.sequence)
    for (order_id, _), sequences in in_turn.items():
        yield from _is_in_order(MAILBOX, order_id, sequences)
    for message_id in sorted((came | written.keys()) - named):
        yield Violation(EXTRA, MAILBOX, f"{message_id} came, and history has no cause for it")


def _named(events: list[Told]) -> str:
    some = ", ".join(f"{each.sequence} ({each.type})" for each in events[:SHOWN_EVENTS])
    return some + (f" and {len(events) - SHOWN_EVENTS} more" if len(events) > SHOWN_EVENTS else "")
