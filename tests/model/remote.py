"""What one request does at a provider or a carrier, and what the attempt writes down about it.

Everything goes by id or by key: what is dead stays dead, what is done is not done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.state import PARCEL, Op, Scenario, State, count, put


class Outcome(NamedTuple):
    """The answer, and the state after it; `unwritten`: the same where the attempt died before it wrote."""

    answer: str
    after: State
    unwritten: State


def attempt(s: State, op: Op, scenario: Scenario, plants: frozenset[str]) -> Iterator[Outcome]:
    """One attempt of an activity, from its fence to what it writes down."""
    verb, i = op
    if verb in ("ask", "book"):
        if s.fences[i] in ("undoing", "undone"):
            yield Outcome("n", s, s)
            return
        begun = s._replace(fences=put(s.fences, i, "held"))
        for answer, after in request(begun, op, scenario, plants):
            yield Outcome(answer, after, after)
    elif verb == "payer":
        if s.money[i] != "wait":
            yield Outcome("y" if s.money[i] == "taken" else "n", s, s)
    elif verb == "undo":
        yield from _undo_payment(s, i, scenario, plants)
    elif verb == "refund":
        yield from _give_back(s, s, i, scenario, plants)
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
    return s._replace(money=put(s.money, i, "taken"), takes=count(s.takes, i))


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
    if s.money[i] == "taken":
        yield from _give_back(begun, done, i, scenario, plants)
        return
    leaves_slip = s.money[i] == "wait" and "slip-left-open" in plants
    money = s.money if leaves_slip or s.money[i] == "refunded" else put(s.money, i, "canceled")
    yield Outcome("y", done._replace(money=money), begun._replace(money=money))


def _give_back(
    begun: State, done: State, i: int, scenario: Scenario, plants: frozenset[str]
) -> Iterator[Outcome]:
    """A refund at the provider; or store credit, in the transaction that says it is done."""
    if begun.money[i] != "taken":
        yield Outcome("y", done, begun)
    elif scenario.payments[i] != "slip":
        money = put(begun.money, i, "refunded")
        yield Outcome("y", done._replace(money=money), begun._replace(money=money))
    elif "slip-refunded" in plants or (begun.credit[i] and "credit-again" not in plants):
        yield Outcome("y", done, begun)
    else:
        yield Outcome("y", done._replace(credit=count(begun.credit, i)), begun)


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
