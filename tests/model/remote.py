"""What one request does at a provider or a carrier, and what the attempt writes down about it.

Everything goes by id or by key: what is dead stays dead, what is done is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.model.state import PARCEL, WHOLE, Op, Scenario, State, add, put, send_back

Row = Literal["part", "rest", "too_late"]


class Outcome(NamedTuple):
    """The answer, and the state after it; `unwritten`: the same where the attempt died before it wrote."""

    answer: str
    after: State
    unwritten: State


def attempt(s: State, op: Op, scenario: Scenario, plants: frozenset[str]) -> Iterator[Outcome]:
    """One attempt of an activity, from its fence to what it writes down."""
    verb, i = op
    if verb in ("ask", "book"):
        is_decided = s.decision != "-" and "no-tombstone" not in plants
        if is_decided or s.fences[i] not in ("-", "held"):
            yield Outcome("n", s, s)
            return
        begun = s._replace(fences=put(s.fences, i, "held"))
        for answer, after in request(begun, op, scenario, plants):
            yield Outcome(answer, after, after)
    elif verb == "payer":
        yield Outcome({"taken": "y", "wait": "w"}.get(s.money[i], "n"), s, s)
    elif verb == "undo":
        yield from _undo_payment(s, i, scenario, plants)
    elif verb == "refund":
        yield from give_back(s, "rest", i, s.left[i], scenario, plants)
    elif verb == "cancel":
        yield from _cancel_parcel(s, scenario, plants)
    else:
        for answer, after in request(s, op, scenario, plants):
            yield Outcome(answer, after, after)


def request(
    s: State, op: Op, scenario: Scenario, plants: frozenset[str]
) -> Iterator[tuple[str, State]]:
    """What arrives at the provider or the carrier, now or late."""
    verb, i = op
    if verb == "ask":
        yield from _confirm(s, i, scenario.payments[i], plants)
    elif verb == "capture":
        yield from _capture(s, i, plants)
    elif verb == "book":
        if s.parcel == "none":
            yield "y", s._replace(parcel="booked")
            yield "n", s
        else:
            yield "n" if s.parcel in ("canceled", "dead") else "y", s
    elif verb == "release":
        if s.parcel == "booked":
            yield "y", s._replace(parcel="released")
            yield "n", s._replace(parcel="dead")
        else:
            yield "y" if s.parcel in ("released", "locked", "picked") else "n", s


def _confirm(s: State, i: int, kind: str, plants: frozenset[str]) -> Iterator[tuple[str, State]]:
    """Declined is not dead: it can be asked again. Canceled is."""
    if s.money[i] in ("new", "declined"):
        yield "n", s._replace(money=put(s.money, i, "declined"))
        if kind == "card":
            yield "y", s._replace(money=put(s.money, i, "held"))
        elif kind == "slip":
            yield "y", s._replace(money=put(s.money, i, "wait"))
        else:
            yield "y", _taken(s, i)
    elif s.money[i] == "taken" and kind == "wallet" and "by-key" in plants:
        yield "y", _taken(s, i)  # the provider has forgotten the key: it is another charge
    else:
        yield "y" if s.money[i] in ("held", "taken", "wait") else "n", s


def _capture(s: State, i: int, plants: frozenset[str]) -> Iterator[tuple[str, State]]:
    if s.money[i] == "held":
        yield "y", _taken(s, i)
        yield "n", s  # declined, and the hold is still there
        yield "n", s._replace(money=put(s.money, i, "canceled"))
    elif s.money[i] == "taken" and "by-key" in plants:
        yield "y", _taken(s, i)
    else:
        yield "y" if s.money[i] == "taken" else "n", s


def _taken(s: State, i: int) -> State:
    return s._replace(money=put(s.money, i, "taken"), takes=add(s.takes, i, most=2))


def _undo_payment(
    s: State, i: int, scenario: Scenario, plants: frozenset[str]
) -> Iterator[Outcome]:
    """Cancels what is held or waits, refunds what is taken, bars what is under way."""
    if s.fences[i] == "undone" and "credit-again" not in plants:
        yield Outcome("y", s, s)
        return
    if s.fences[i] == "-":  # nothing was asked, and nothing ever will be
        fence = "-" if "no-tombstone" in plants else "undone"
        barred = s._replace(fences=put(s.fences, i, fence))
        yield Outcome("y", barred, barred)
        return
    begun = s._replace(fences=put(s.fences, i, "undoing"))
    done = s._replace(fences=put(s.fences, i, "undone"))
    is_slip = scenario.payments[i] == "slip"
    if s.fences[i] == "canceling":  # a bank may have taken the slip since the provider said so
        yield Outcome("y", done, begun)
    elif s.money[i] == "taken":
        yield from _undo_taken(begun, done, i, plants, is_slip=is_slip)
    elif s.money[i] in ("wait", "void"):
        money = s.money if "slip-left-open" in plants else put(s.money, i, "void")
        canceled = s._replace(money=money, fences=put(s.fences, i, "canceling"))
        yield Outcome("running", canceled, begun._replace(money=money))
    else:
        money = put(s.money, i, "canceled")
        yield Outcome("y", done._replace(money=money), begun._replace(money=money))


def _undo_taken(
    begun: State, done: State, i: int, plants: frozenset[str], *, is_slip: bool
) -> Iterator[Outcome]:
    """A refund at the provider; or store credit, in the transaction that says it is done."""
    is_back = begun.back[i] > 0 and not (is_slip and "credit-again" in plants)
    if is_back or (is_slip and "slip-refunded" in plants):
        yield Outcome("y", done, begun)
    else:
        unwritten = begun if is_slip else send_back(begun, i, WHOLE)
        yield Outcome("y", send_back(done, i, WHOLE), unwritten)


def give_back(
    s: State, row: Row, i: int, units: int, scenario: Scenario, plants: frozenset[str]
) -> Iterator[Outcome]:
    """What a row of refunds says, by its own key: looked for before it is asked again."""
    is_slip = scenario.payments[i] == "slip"
    word = row_of(s, row, i)
    done = _with_row(s, row, i, "done")
    if word == "done":
        again = is_slip and "credit-again" in plants
        yield Outcome("y", send_back(s, i, units) if again else s, s)
    elif is_slip:
        after = done if "slip-refunded" in plants else send_back(done, i, units)
        yield Outcome("y", after, s)
    elif word == "sent" and "refund-again" not in plants:
        yield Outcome("y", done, s)
    else:
        sent = send_back(_with_row(s, row, i, "sent"), i, units)
        yield Outcome("y", send_back(done, i, units), sent)


def row_of(s: State, row: Row, i: int) -> str:
    return {"part": s.part, "rest": s.rest, "too_late": s.too_late}[row][i]


def _with_row(s: State, row: Row, i: int, word: str) -> State:
    if row == "part":
        return s._replace(part=put(s.part, i, word))
    if row == "rest":
        return s._replace(rest=put(s.rest, i, word))
    return s._replace(too_late=put(s.too_late, i, word))


def _cancel_parcel(s: State, scenario: Scenario, plants: frozenset[str]) -> Iterator[Outcome]:
    """By key: a key never seen is kept as canceled."""
    undoing = put(s.fences, PARCEL, "undoing")
    begun = (
        s if "no-tombstone" in plants and s.fences[PARCEL] == "-" else s._replace(fences=undoing)
    )
    if s.parcel in ("picked", "locked"):
        yield Outcome("n", begun, begun)
        return
    if s.parcel == "released":  # perhaps already on the van
        locked = begun._replace(parcel="locked")
        yield Outcome("n", locked, locked)
    forgets = s.parcel == "none" and "no-tombstone" in plants
    parcel = s.parcel if forgets or s.parcel == "dead" else "canceled"
    yield Outcome("y", begun._replace(parcel=parcel), begun._replace(parcel=parcel))
