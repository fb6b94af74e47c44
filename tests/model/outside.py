"""The world outside: payers and carriers act when they like, and messages about it come when they like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.model import own_site
from tests.model.remote import Row, give_back, row_of
from tests.model.state import PART, WHOLE, Scenario, State, add, put

Move = tuple[str, State]
ROWS: Final[tuple[tuple[Row, int], ...]] = (("part", PART), ("too_late", WHOLE))


def outside(s: State, scenario: Scenario, plants: frozenset[str]) -> Iterator[Move]:
    """Everything that can happen next which the workflow does not do."""
    for i, money in enumerate(s.money):
        if money in ("wait", "void"):
            yield from _payer_acts(s, i)
        if s.mail[i] != "-":
            yield from _message(s, i, plants)
        elif s.letters and money == "wait":
            told = s._replace(letters=s.letters - 1)
            yield f"somebody says that {i} is paid", _hear(told, i, plants)
        yield from _refunds(s, i, scenario, plants)
    if s.parcel in ("released", "locked"):
        yield "the carrier picks the parcel up", s._replace(parcel="picked")


def whole(s: State, i: int) -> bool:
    """All of a payment is ours, but for what an operator gave back."""
    allowed = 0 if s.part[i] == "-" else PART
    return s.money[i] == "taken" and s.back[i] <= allowed


def _payer_acts(s: State, i: int) -> Iterator[Move]:
    paid = s._replace(money=put(s.money, i, "taken"), takes=add(s.takes, i, most=2))
    if s.money[i] == "void":  # a bank takes what we have canceled
        yield f"the payer pays {i} too late", paid._replace(mail=put(s.mail, i, "late"))
        return
    in_time = put(s.in_time, i, not s.is_last_look)
    paid = paid._replace(mail=put(s.mail, i, "in time"), in_time=in_time)
    yield f"the payer pays {i}", paid
    declined = s._replace(money=put(s.money, i, "declined"), mail=put(s.mail, i, "in time"))
    yield f"the payer fails {i}", declined


def _message(s: State, i: int, plants: frozenset[str]) -> Iterator[Move]:
    """Kept before its sender is answered, who tries until then. But a sender may have its own trouble:
    then what it wanted to say is found at the deadline."""
    taken = s._replace(mail=put(s.mail, i, "-"))
    yield f"the message about {i} comes", _hear(taken, i, plants)
    if s.letters:
        fewer = s._replace(letters=s.letters - 1)
        yield f"the message about {i} comes, and will come again", _hear(fewer, i, plants)
        if s.mail[i] == "in time":
            lost = taken._replace(letters=s.letters - 1)
            yield f"the message about {i} is lost", lost


def _hear(s: State, i: int, plants: frozenset[str]) -> State:
    """By the order's workflow, which looks at it when it comes to that; when it has ended, at once."""
    if s.saved.phase == "end":
        return own_site.examine(s, i, plants)
    if s.saved.phase == "undo" and "examine-while-undoing" in plants:
        return own_site.examine(s, i, plants)
    return s._replace(told=put(s.told, i, True))


def _refunds(s: State, i: int, scenario: Scenario, plants: frozenset[str]) -> Iterator[Move]:
    """Each by a workflow of its own: what an operator asks for, and what came too late."""
    is_sold = s.decision == "confirm" and s.rest[i] == "-"
    if s.refunds and is_sold and s.part[i] == "-":
        yield f"an operator refunds some of {i}", own_site.ask_refund(s, i)
    for row, units in ROWS:
        if row_of(s, row, i) in ("open", "sent"):
            for _, after, unwritten in give_back(s, row, i, units, scenario, plants):
                yield f"gives back for {row} of {i}", after
                if unwritten != s:
                    yield f"gives back for {row} of {i}, and the answer is lost", unwritten
